"""The most probable component of each row, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.like_input import like_input
from ..utils.types import FloatArray
from .draws import Draws, NoisyDraws
from .mixture import Mixture
from .of_parameters import responsibility_blocks
from .of_results import estimate_of, mixture_of
from .written_classes import write_classes

if TYPE_CHECKING:
    import pandas as pd


def classify(
    X: Any,  # noqa: N803
    fit: Any,
    *,
    responsibilities: bool = False,
    out: str | Path | None = None,
) -> Any:
    """The most probable component of each row, and how uncertain it is.

    Parameters
    ----------
    X : array-like (n, d)
        Rows, as for `fit.predict`; they need not be those fitted.
    fit : Fit, Mixture or Posterior
        Also a fitted `GaussianMixture`, or a `Selection`, of which its best fit. Of a posterior
        the responsibilities are means over its draws.
    responsibilities : bool
        Also give the responsibilities r_ik, as columns r_0, r_1, ..., r_(K-1), or
        with the components' names.
    out : str or Path, optional
        Write the table there instead of giving it: to a Zarr group if the name ends in .zarr, else
        to a folder of Parquet files. Rows in chunks are classified and written chunk by chunk, on
        a Dask cluster by the workers, who have to see the folder. A table that was written
        before stays until the new one is whole, whatever goes wrong; other folders are never
        replaced.

    Returns
    -------
    DataFrame, or None with `out`
        One row per row of X, with its index if X is a pandas object; of polars if X is. It has
        `component`, an int (-1 for noise, whose responsibility is r_noise), or a name if there are
        names (`Fit.with_component_names`), or the class of a fit with labels; and `uncertainty`,
        1 - max_k r_ik: 0 for a row that is certain, at most 1 - 1/K.

    Raises
    ------
    DataError
        Rows that do not fit the mixture's columns.
    TypeError
        `fit` is none of these.
    FileExistsError
        `out` is there, and holds something else.
    OSError
        The disk is full, or `out` cannot be written to.

    See Also
    --------
    merge : Overlapping components joined to clusters.
    agreement : Components compared with known classes.
    DiscriminantAnalysis : Classification by mixtures of the classes.

    References
    ----------
    Bensmail, Celeux, Raftery & Robert (1997), Statistics and Computing 7, 1-10.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm.mixture.classification import classify
    >>> X = bayesgmm.datasets.load_faithful()
    >>> table = classify(X, bayesgmm.fit(X, 2, "VVV", random_seed=1))
    >>> table.uncertainty.idxmax(), round(float(table.uncertainty.max()), 2)
    (243, 0.2)
    """
    fit = estimate_of(fit)
    if out is not None:
        rows = _mixture_in(fit).rows(X)
        write_classes(rows, partial(_classes, fit=fit, responsibilities=responsibilities), out)
        return None
    return like_input(_classes(X, fit, responsibilities), X)


def _mixture_in(fit: Any) -> Mixture:
    """The mixture of a fit, or of a posterior's fit, by which rows are checked."""
    return mixture_of(getattr(fit, "fit", fit), beside_noise=True)


def _classes(X: Any, fit: Any, responsibilities: bool) -> pd.DataFrame:  # noqa: N803
    """The table of `classify`, of pandas."""
    import pandas as pd

    component, uncertainty, kept = [], [], []
    names = called(fit)
    for resp in _responsibilities(fit, X):
        component.append(names[np.argmax(resp, axis=1)])
        uncertainty.append(1 - resp.max(axis=1))
        if responsibilities:
            kept.append(resp)
    index = getattr(X, "index", None)
    table = pd.DataFrame(
        {"component": np.concatenate(component), "uncertainty": np.concatenate(uncertainty)},
        index=index if isinstance(index, pd.Index) else None,
    )
    if kept:
        titles = [f"r_{k}" for k in names]
        table[[*titles[:-1], "r_noise"] if _noisy(fit) else titles] = np.concatenate(kept)
    return table


def _noisy(fit: Any) -> bool:
    return hasattr(fit, "noise_share") or isinstance(getattr(fit, "draws", None), NoisyDraws)


def called(fit: Any) -> NDArray[Any]:
    """What `classify` calls the components, and after them the noise, if there is any."""
    known = fit.components if hasattr(fit, "components") else mixture_of(fit).components
    classes = getattr(getattr(fit, "fit", fit), "classes", None) or ()
    if known == tuple(map(str, classes)):  # nobody has called them otherwise
        known = classes
    if any(isinstance(name, str) for name in known):  # a column is of one type
        known = tuple(map(str, known))
    noise = "noise" if isinstance(known[0], str) else -1
    return np.array([*known, *([noise] if _noisy(fit) else [])])


def _responsibilities(fit: Any, x: Any) -> Iterator[FloatArray]:
    """Responsibilities (n, K), a block of rows after another; of draws, their means."""
    if isinstance(getattr(fit, "draws", None), Draws) or hasattr(fit, "noise_share"):
        yield fit.predict_proba(x)
        return
    mixture = mixture_of(fit)
    rows = mixture.rows(x)
    for _, resp in responsibility_blocks(rows, mixture.parameters_about(rows.center)):
        yield resp
