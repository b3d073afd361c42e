"""The tree of hierarchical starts, as SciPy has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.data import as_data
from ...data.missing import refuse_missing
from ...data.tables import MARGINALIZE
from ...utils.types import FloatArray, IntArray
from .hierarchical import tree_of_rows

# Rows of a tree: its time and memory grow with their square.
_MOST_ROWS = 5000


def hierarchical_linkage(X: Any) -> FloatArray:  # noqa: N803 - scikit-learn's name for the data
    """The tree of model-based agglomerative clustering, as a linkage of SciPy's.

    What `start="hc"` cuts, for the rows as they are: groups with covariances of their own are
    merged in the order that costs the classification likelihood least. Heights are the numbers of
    merges up to there, as the cost itself need not rise; equal rows are merged at height 0. The
    groups after the cut into k are `scipy.cluster.hierarchy.fcluster(Z, k, "maxclust")`.

    Parameters
    ----------
    X : array-like (n, d)
        Rows, of which at most 5000.

    Returns
    -------
    array (n - 1, 4)
        The two groups merged, height and number of rows, for `scipy.cluster.hierarchy.dendrogram`.

    Raises
    ------
    DataError
        Rows that cannot be used.
    ValueError
        More than 5000 rows.

    See Also
    --------
    fit : Fit a mixture of given covariance structure and number of components.
    merge : Overlapping components joined to clusters.

    References
    ----------
    Banfield & Raftery (1993), Biometrics 49, 803-821. Scrucca & Raftery (2015), Adv. Data Anal.
    Classif. 9, 447-460: mclust's `hc(modelName = "VVV", use = "SVD")`.

    Examples
    --------
    >>> import bayesgmm
    >>> from scipy.cluster.hierarchy import dendrogram, fcluster
    >>> Z = bayesgmm.hierarchical_linkage(bayesgmm.datasets.load_iris(features_only=True))
    >>> Z.shape, len(set(fcluster(Z, 3, "maxclust").tolist()))
    ((149, 4), 3)
    >>> drawn = dendrogram(Z, p=12, truncate_mode="lastp", no_plot=True)
    """
    data = as_data(X, missing=MARGINALIZE)  # to be refused in words of its own
    refuse_missing(data, "a tree of rows")
    if data.n > _MOST_ROWS:
        raise ValueError(f"X has {data.n} rows: a tree is made of at most {_MOST_ROWS}.")
    rows = np.asarray(data.values, dtype=np.float64) - data.center
    different, inverse, counts = np.unique(
        rows / data.scale, axis=0, return_inverse=True, return_counts=True
    )
    merges = _equal_rows(inverse.ravel()) + _different_rows(different, counts, inverse.ravel())
    return _linkage(merges, data.n)


type _Merge = tuple[int, int, float]


def _equal_rows(inverse: IntArray) -> list[_Merge]:
    """Merges of equal rows, each named by the first of them."""
    first: dict[int, int] = {}
    merges = []
    for row, group in enumerate(inverse.tolist()):
        if group in first:
            merges.append((first[group], row, 0.0))
        else:
            first[group] = row
    return merges


def _different_rows(different: FloatArray, counts: IntArray, inverse: IntArray) -> list[_Merge]:
    """Merges of the groups of equal rows, named by the first row of each."""
    if len(different) == 1:
        return []
    named = np.full(len(different), -1)
    named[inverse[::-1]] = np.arange(len(inverse))[::-1]  # the first row of each
    kept, gone = tree_of_rows(different, counts.astype(np.float64))
    pairs = zip(named[kept].tolist(), named[gone].tolist(), strict=True)
    return [(a, b, float(height)) for height, (a, b) in enumerate(pairs, start=1)]


def _linkage(merges: list[_Merge], n: int) -> FloatArray:
    """SciPy's form: a group made by the i-th merge is called n + i."""
    called, size = dict(zip(range(n), range(n), strict=True)), dict.fromkeys(range(n), 1)
    z = np.empty((n - 1, 4))
    for i, (kept, gone, height) in enumerate(merges):
        size[kept] += size[gone]
        z[i] = (*sorted((called[kept], called[gone])), height, size[kept])
        called[kept] = n + i
    return z
