"""The grid of families and numbers of components, and the best cell of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import as_data
from .em import Problem
from .errors import DataError
from .families import FAMILIES, Family, get_family
from .fitting import best_fit, check_options, check_problem, whole
from .kernels import DegenerateComponentError
from .prior import Prior
from .progress import track
from .result import Fit
from .start import Seed, generators, make_starts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Selection:
    """Fits of a grid of families and numbers of components.

    Attributes
    ----------
    fits : dict of (family name, K) to Fit
        Every cell in which EM ran.
    failures : dict of (family name, K) to str
        Cells without an estimate, and why: EM ended at or beside a singular covariance, or could
        not start.
    """

    fits: dict[tuple[str, int], Fit]
    failures: dict[tuple[str, int], str]

    @property
    def table(self) -> pd.DataFrame:
        """One row per cell, best BIC first; failed cells last, with the reason under `note`.

        Columns: family, K, n_parameters, loglik, aic, bic, icl (lower is better), delta_bic (to
        the best), n_iter, starts_agreeing (of those made), status, note.
        """
        import pandas as pd

        columns = [
            "family", "K", "n_parameters", "loglik", "aic", "bic", "icl", "delta_bic", "n_iter",
            "starts_agreeing", "status", "note",
        ]  # fmt: skip
        best = min((fit.bic for fit in self._sound().values()), default=np.nan)
        rows: list[list[Any]] = []
        for (family, k), fit in self.fits.items():
            if (family, k) in self.failures:
                continue
            rows.append([
                family, k, fit.n_parameters, fit.loglik, fit.aic, fit.bic, fit.icl,
                fit.bic - best, fit.n_iter, f"{fit.starts[2]}/{fit.starts[0]}",
                fit.status.value, "" if fit.converged else fit.advice,
            ])  # fmt: skip
        nothing = [np.nan] * 6
        for (family, k), reason in self.failures.items():
            rows.append([family, k, np.nan, *nothing, "", "failed", reason])
        table = pd.DataFrame(rows, columns=columns)
        table["n_parameters"] = table["n_parameters"].astype("Int64")
        table["n_iter"] = table["n_iter"].astype("Int64")
        return table.sort_values("bic", kind="stable", ignore_index=True)

    @property
    def best(self) -> Fit:
        """The fit with the lowest BIC.

        Raises
        ------
        ValueError
            No cell has an estimate.
        """
        return self.top(1)[0]

    def top(self, n: int = 3) -> list[Fit]:
        """The n fits with the lowest BIC."""
        sound = self._sound()
        if not sound:
            reasons = "; ".join(sorted(set(self.failures.values())))
            raise ValueError(f"no cell of the grid has an estimate: {reasons}")
        return sorted(sound.values(), key=lambda fit: fit.bic)[:n]

    def bic(self) -> pd.DataFrame:
        """BIC by number of components (rows) and family (columns); NaN where a cell failed."""
        import pandas as pd

        sound = self._sound()
        cells = [*self.fits, *self.failures]
        families = list(dict.fromkeys(family for family, _ in cells))
        ks = sorted({k for _, k in cells})
        values = [[sound[f, k].bic if (f, k) in sound else np.nan for f in families] for k in ks]
        return pd.DataFrame(
            values, index=pd.Index(ks, name="K"), columns=pd.Index(families, name="family")
        )

    def _sound(self) -> dict[tuple[str, int], Fit]:
        return {cell: fit for cell, fit in self.fits.items() if cell not in self.failures}

    def __repr__(self) -> str:
        sound, failed = len(self._sound()), len(self.failures)
        text = f"Selection of {sound + failed} cells"
        if failed:
            text += f", {failed} without an estimate (see .table.note)"
        if not sound:
            return text
        best = self.best
        table = self.table[["family", "K", "n_parameters", "loglik", "bic", "delta_bic", "icl"]]
        return f"{text}; best by BIC: {best.family.name}, K = {best.n_components}\n" + table.head(
            5
        ).to_string(index=False, float_format=lambda v: f"{v:.3f}")

    def _repr_html_(self) -> str:
        table = self.table.drop(columns="note").head(10)
        html = table.to_html(index=False, border=0, float_format=lambda v: f"{v:.3f}", na_rep="")
        return f"<p><b>{repr(self).splitlines()[0]}</b></p>{html}"


def select(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Family | Iterable[str | Family] | None = None,
    *,
    prior: Prior | None = None,
    start: str = "kmeans",
    n_init: int = 10,
    max_iter: int = 1000,
    tol: float = 1e-8,
    random_seed: Seed = None,
    columns: Sequence[str] | None = None,
    progressbar: bool = True,
) -> Selection:
    """Fit every family with every number of components, and rank them by BIC.

    Parameters
    ----------
    X : array-like (n, d) or (n,)
        Data, as for `fit`.
    n_components : int or iterable of int
        Numbers of components K.
    covariance_type : str or iterable of str, optional
        Families; all of them if left out (for one column: E and V).
    prior, start, n_init, max_iter, tol, random_seed, columns
        As for `fit`. The starts of a K are shared by all its families.
    progressbar : bool
        Show progress on standard error.

    Returns
    -------
    Selection
        `.table`, `.best`, `.top(n)`. A cell that has no estimate does not stop the others: it is
        marked with its reason.

    Raises
    ------
    DataError, ValueError
        As `fit`; unknown families and numbers of components below 1.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> grid = bayesgmm.select(X, range(1, 4), ["EEE", "VVV"], random_seed=1, progressbar=False)
    >>> grid.best.family.name, grid.best.n_components, round(grid.best.bic, 2)
    ('EEE', 3, 2314.3)
    """
    check_options(n_init, max_iter, tol)
    if not isinstance(start, str):
        raise ValueError("select() starts every K alike: pass the name of a start.")
    data = as_data(X, columns)
    families = _families(covariance_type, data.d)
    ks = _numbers(n_components)
    streams = generators(random_seed, max(ks))  # by K: part of a grid has the starts of the whole
    fits: dict[tuple[str, int], Fit] = {}
    failures: dict[tuple[str, int], str] = {}
    cells = [(k, family) for k in ks for family in families]
    shared: dict[int, Any] = {}
    for k, family in track(cells, "Fitting the grid", progressbar):
        cell = family.name, k
        try:
            check_problem(data, k, family, prior)
            if k not in shared:
                shared.clear()
                shared[k] = make_starts(start, data, k, n_init, streams[k - 1])
            fit = best_fit(
                Problem(data, family, prior), data, shared[k], max_iter=max_iter, tol=tol
            )
        except (DataError, DegenerateComponentError) as error:
            failures[cell] = str(error)
            continue
        fits[cell] = fit
        if not fit.status.sound:
            failures[cell] = fit.advice
    return Selection(fits, failures)


def _families(
    covariance_type: str | Family | Iterable[str | Family] | None, d: int
) -> list[Family]:
    if covariance_type is None:
        covariance_type = FAMILIES
    if isinstance(covariance_type, str | Family):
        covariance_type = [covariance_type]
    families = [get_family(name, d) for name in covariance_type]
    if not families:
        raise ValueError("covariance_type is empty: name at least one family.")
    return list(dict.fromkeys(families))


def _numbers(n_components: int | Iterable[int]) -> list[int]:
    numbers = [n_components] if not isinstance(n_components, Iterable) else list(n_components)
    if not numbers:
        raise ValueError("n_components is empty: name at least one number of components.")
    return sorted({whole("n_components", k, 1) for k in numbers})
