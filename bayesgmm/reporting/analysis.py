"""What a report tells: selection, the chosen fit, its posterior, their comparison."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..comparison import Comparison, compare
from ..data import Data, as_data
from ..errors import ConvergenceAdvice
from ..posterior import Posterior
from ..prior import Prior
from ..result import Fit
from ..selecting import select
from ..selection import Selection

# Fits shown beside the chosen one.
_RUNNERS_UP = 3


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything computed for a report; nothing is computed while it is written.

    settings holds the arguments that repeat it; units what one unit of a column is, where known.
    """

    data: Data
    selection: Selection
    fit: Fit
    posterior: Posterior | None
    prior: Prior
    comparison: Comparison
    title: str
    source: str
    settings: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


def analyse(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    *,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Iterable[str] | None = None,
    columns: Sequence[str] | None = None,
    prior: Prior | None = None,
    with_posterior: bool = True,
    n_init: int | None = None,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    random_seed: int = 0,
    title: str = "",
    source: str = "",
    progressbar: bool = True,
) -> Analysis:
    """Select a mixture by BIC, refine it with PyMC, and compare.

    The grid is fitted by maximum likelihood; `prior` (or `Prior.from_data(X)`) is the
    posterior's. Parameters as of `select` and `refine`.
    """
    data = as_data(X, columns)
    prior = prior or Prior.from_data(data)
    ks = [n_components] if isinstance(n_components, int) else list(n_components)
    selection = select(
        data, ks, covariance_type, n_init=n_init, random_seed=random_seed, progressbar=progressbar
    )
    fit = selection.best
    posterior = None
    if with_posterior:
        from ..refinement import refine  # xarray and nutpie take a second to import

        with warnings.catch_warnings():  # the report has a place for them
            warnings.simplefilter("ignore", ConvergenceAdvice)
            posterior = refine(
                data, fit, prior=prior, draws=draws, tune=tune, chains=chains,
                random_seed=random_seed, progressbar=progressbar,
            )  # fmt: skip
    models: dict[str, Fit | Posterior | Selection] = {
        f"EM {f.family.name}, K = {f.n_components}": f for f in selection.top(1 + _RUNNERS_UP)
    }
    if posterior is not None:
        name = f"{posterior.fit.family.name}, K = {posterior.fit.n_components}"
        models[f"Posterior {name}"] = posterior
    return Analysis(
        data=data,
        selection=selection,
        fit=fit,
        posterior=posterior,
        prior=prior,
        comparison=compare(models),
        title=title or "Gaussian mixture report",
        source=source,
        settings={
            "n_components": ks,
            "covariance_type": sorted({family for family, _ in _cells(selection)}),
            "columns": list(data.names),
            "n_init": n_init,
            "draws": draws,
            "tune": tune,
            "chains": chains,
            "random_seed": random_seed,
            "with_posterior": with_posterior,
        },
        units=_units(X, data),
    )


def _cells(selection: Selection) -> list[tuple[str, int]]:
    return [*selection.fits, *selection.failures]


def _units(x: Any, data: Data) -> dict[str, str]:
    """Units a data frame brings along (`DataFrame.attrs["units"]`, as the package's data sets)."""
    units = getattr(x, "attrs", {}).get("units", {})
    return {name: str(units[name]) for name in data.names if units.get(name)}
