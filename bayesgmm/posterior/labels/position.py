"""Relabelling by the components' positions: data-based, pivotal reordering, ordering."""

from __future__ import annotations

import numpy as np

from ...data.data import Data
from ...kernels.e_step.contract import Parameters, Statistics
from ...kernels.e_step.e_step import expected_statistics
from ...mixture.draws import Draws
from ...mixture.matching import assign
from ...utils.matrices import as_diagonals
from ...utils.types import FloatArray
from .matching import assign_all, column_sd, points, relabelling_of, squared_distances
from .relabelling import Relabelling


def data_based(data: Data, draws: Draws, pivot: Parameters) -> Relabelling:
    """Relabel so that the components hold rows near the same centres in every draw.

    Rodriguez & Walker (2014), J. Comput. Graph. Stat. 23, 25-45: first estimate the centres m_j
    and standard deviations s_j of the rows that the components hold, then take the permutation
    of each draw that minimises sum_ik r_ik |(x_i - m_j) / s_j|^2, where component k of the draw
    becomes j. Only the expected statistics of the draws are needed, of all rows. The estimates
    are averages over the draws, relabelled in the same way with the pivot's centres and standard
    deviations for m_j and s_j.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    draws : Draws
        S draws of K components.
    pivot : Parameters
        The mixture whose labels are kept, centred as the data (the EM fit).

    Returns
    -------
    Relabelling
        For `relabelled`.
    """
    moments = _moments([expected_statistics(data, p)[1] for p in draws.parameters(data.center)])
    estimates = _moments([expected_statistics(data, pivot)[1]])
    order = assign_all(_closeness(moments, estimates))[:, :, None]
    counts, means, squares = (np.take_along_axis(part, order, axis=1) for part in moments)
    total = counts.sum(axis=0, keepdims=True)
    total = np.where(total > 0, total, 1.0)
    means = (counts * means).sum(axis=0, keepdims=True) / total
    squares = squares.sum(axis=0, keepdims=True)
    permutations = assign_all(_closeness(moments, (total, means, squares)))
    return relabelling_of("data-based", draws, permutations)


def pra(draws: Draws, pivot: Draws, log_posterior: FloatArray) -> Relabelling:
    """Relabel every draw to be closest to the most probable one: pivotal reordering.

    Marin, Mengersen & Robert (2005), Handbook of Statistics 25, 459-507: the
    permutation with the largest scalar product with the draw of the largest posterior density,
    which is the one of the smallest distance. Proportions count as they are; means and the entries
    of covariances in standard deviations of the columns (under the draws) and their products.

    Parameters
    ----------
    draws : Draws
        S draws of K components.
    pivot : Draws
        One draw whose labels are kept (the EM fit).
    log_posterior : array (S,)
        Log posterior density of the draws, to a constant.

    Returns
    -------
    Relabelling
        For `relabelled`.
    """
    sd = column_sd(draws)
    components = points(draws, sd)
    best = components[np.argmax(log_posterior)]
    best = best[assign(-squared_distances(best, points(pivot, sd)[0]))]
    return relabelling_of("pra", draws, assign_all(-squared_distances(components, best)))


def ordering(draws: Draws, pivot: Draws, column: int | None = None) -> Relabelling:
    """Relabel by an identifiability constraint: components rank as the pivot's do.

    Diebolt & Robert (1994), J. R. Stat. Soc. B 56, 363-375. Where components overlap in what they
    are ordered by, this cuts through the posterior (Celeux, Hurn & Robert 2000, J. Am. Stat.
    Assoc. 95, 957-970): the other methods are better.

    Parameters
    ----------
    draws : Draws
        S draws of K components.
    pivot : Draws
        One draw whose labels are kept (the EM fit).
    column : int, optional
        Order by the means of this column; by the proportions if left out.

    Returns
    -------
    Relabelling
        For `relabelled`.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.mixture.draws import Draws
    >>> two = Draws(np.array([[0.2, 0.8], [0.7, 0.3]]), np.zeros((2, 2, 1)), np.ones((2, 2, 1)))
    >>> fit = Draws(np.array([[0.9, 0.1]]), np.zeros((1, 2, 1)), np.ones((1, 2, 1)))
    >>> ordering(two, fit).permutations.tolist()
    [[1, 0], [0, 1]]
    """
    rank = np.argsort(np.argsort(_quantity(pivot, column)[0], kind="stable"))
    permutations = np.argsort(_quantity(draws, column), axis=1, kind="stable")[:, rank]
    return relabelling_of("ordering", draws, permutations)


def _quantity(draws: Draws, column: int | None) -> FloatArray:
    return draws.weights if column is None else draws.means[:, :, column]


_Moments = tuple[FloatArray, FloatArray, FloatArray]


def _moments(statistics: list[Statistics]) -> _Moments:
    """Counts (S, K, 1), means (S, K, d) and summed squares about them (S, K, d) by column."""
    scatters = np.array([s.scatters for s in statistics])
    squares = as_diagonals(scatters, leading=2)
    counts = np.array([s.counts for s in statistics])[:, :, None]
    return counts, np.array([s.means for s in statistics]), squares


def _closeness(moments: _Moments, estimates: _Moments) -> FloatArray:
    """Minus the squared distances of the rows, in sd, (S, K, K): by estimate, by component."""
    counts, means, squares = moments
    (total,), (centres,), (spread,) = estimates
    variances = np.where(spread > 0, spread / np.where(total > 0, total, 1.0), np.inf)
    return np.stack(
        [
            -np.sum((squares + counts * (means - m) ** 2) / v, axis=2)
            for m, v in zip(centres, variances, strict=True)
        ],
        axis=1,
    )
