"""The most probable component of each row, with its uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .mixture import HasMixture, Mixture, mixture_of, responsibility_blocks

if TYPE_CHECKING:
    import pandas as pd


def classify(X: Any, fit: HasMixture | Mixture, *, responsibilities: bool = False) -> pd.DataFrame:  # noqa: N803
    """The most probable component of each row, and how uncertain it is.

    Parameters
    ----------
    X : array-like (n, d)
        Rows, as for `fit.predict`; they need not be those fitted.
    fit : Fit or Mixture
        Also a fitted `GaussianMixture`, or a `Selection`, of which its best fit.
    responsibilities : bool
        Also give the responsibilities r_ik, as columns r_0, r_1, ..., r_(K-1).

    Returns
    -------
    DataFrame
        One row per row of X, with its index if X is a pandas object: `component` (int), and
        `uncertainty`, 1 - max_k r_ik: 0 for a row that is certain, at most 1 - 1/K.

    Raises
    ------
    DataError
        Rows that do not fit the mixture's columns.
    TypeError
        `fit` is neither a Fit nor a Mixture.

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
    import pandas as pd

    mixture = mixture_of(fit)
    rows = mixture.rows(X)
    component = np.empty(rows.n, dtype=np.intp)
    uncertainty = np.empty(rows.n)
    kept = np.empty((rows.n, mixture.n_components)) if responsibilities else None
    for block, resp in responsibility_blocks(rows, mixture.parameters_about(rows.center)):
        component[block] = np.argmax(resp, axis=1)
        uncertainty[block] = 1 - resp.max(axis=1)
        if kept is not None:
            kept[block] = resp
    index = getattr(X, "index", None)
    table = pd.DataFrame(
        {"component": component, "uncertainty": uncertainty},
        index=index if isinstance(index, pd.Index) else None,
    )
    if kept is not None:
        table[[f"r_{k}" for k in range(mixture.n_components)]] = kept
    return table
