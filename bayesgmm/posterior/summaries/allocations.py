"""The component of each row, draw by draw: responsibilities, and allocations drawn from them.

Both work in blocks of rows: an array of draws x rows x components is never made.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ...data.data import Data
from ...mixture.draws import Draws
from ...mixture.evaluation import responsibilities
from ...utils.types import FloatArray, IntArray
from ...utils.validation import tail_probabilities
from .intervals import summarise

Allocations = NDArray[np.int16]


def responsibility_intervals(data: Data, draws: Draws, ci_prob: float) -> xr.Dataset:
    """Mean, sd and interval of every responsibility, and how often it is the row's largest.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    draws : Draws
        S draws of K components.
    ci_prob : float
        Probability of the equal-tailed interval.

    Returns
    -------
    Dataset
        mean, sd, lower, upper and most_probable over (obs_id, component); component -1 is noise.
    """
    labels, names = np.arange(draws.n_columns), _names(draws)
    return _summaries(data, draws, ci_prob, labels).assign_coords(component=names)


def class_intervals(data: Data, draws: Draws, starts: IntArray, ci_prob: float) -> xr.Dataset:
    """The same of classes, to which components belong one after another.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    draws : Draws
        S draws of the components of all classes.
    starts : int array (C,)
        The first component of each class.
    ci_prob : float
        Probability of the equal-tailed interval.

    Returns
    -------
    Dataset
        mean, sd, lower, upper and most_probable over (obs_id, class).
    """
    return _summaries(data, draws, ci_prob, starts).rename(component="class")


def _summaries(data: Data, draws: Draws, ci_prob: float, starts: IntArray) -> xr.Dataset:
    """Summaries of responsibilities, summed over the components from each start to the next."""
    tail_probabilities(ci_prob)
    names = ("mean", "sd", "lower", "upper", "most_probable")
    out = {name: np.empty((data.n, len(starts))) for name in names}
    for rows, block in data.blocks(len(draws) * draws.n_columns):
        values = _responsibilities(block, draws.of_rows(rows))
        if len(starts) < draws.n_columns:
            values = np.add.reduceat(values, starts, axis=2)
        first = np.argmax(values, axis=2)[:, :, None] == np.arange(len(starts))
        for name, value in (
            summarise(values, ci_prob) | {"most_probable": first.mean(axis=0)}
        ).items():
            out[name][rows] = value
    return xr.Dataset(
        {name: (("obs_id", "component"), value) for name, value in out.items()},
        coords={"obs_id": np.arange(data.n), "component": np.arange(len(starts))},
    )


def cluster_intervals(
    data: Data, rows: Data, labels: NDArray[np.int64], draws: Draws, ci_prob: float
) -> xr.Dataset:
    """Mean, sd and interval of the rows' responsibilities, summed by clusters of the data.

    Parameters
    ----------
    data : Data
        Rows of the clusters, with labels (n,) from 0. Every component of a draw stands for the
        cluster that has most of its rows, by their responsibilities.
    rows : Data
        Rows to classify.
    draws : Draws
        S draws; those with fewer components have the others with proportion 0.
    ci_prob : float
        Probability of the equal-tailed interval.

    Returns
    -------
    Dataset
        mean, sd, lower and upper over (obs_id, cluster).
    """
    tail_probabilities(ci_prob)
    n_clusters = int(labels.max()) + 1
    member = (labels[:, None] == np.arange(n_clusters)).astype(np.float64)
    stands_for = np.array([np.argmax(member.T @ r, axis=0) for r in responsibilities(data, draws)])
    out = {name: np.empty((rows.n, n_clusters)) for name in ("mean", "sd", "lower", "upper")}
    for part, block in rows.blocks(len(draws) * (n_clusters + draws.n_components)):
        values = np.zeros((len(draws), block.n, n_clusters))
        for s, resp in enumerate(responsibilities(block, draws)):
            for k, c in enumerate(stands_for[s]):
                values[s, :, c] += resp[:, k]
        for name, value in summarise(values, ci_prob).items():
            out[name][part] = value
    return xr.Dataset(
        {name: (("obs_id", "cluster"), value) for name, value in out.items()},
        coords={"obs_id": np.arange(rows.n), "cluster": np.arange(n_clusters)},
    )


def _names(draws: Draws) -> IntArray:
    """The components' numbers, and -1 for noise."""
    numbers = np.arange(draws.n_columns)
    return np.where(numbers < draws.n_components, numbers, -1)


def _responsibilities(data: Data, draws: Draws) -> FloatArray:
    """Responsibilities under every draw, (S, n, K), with noise (S, n, K + 1)."""
    values = np.empty((len(draws), data.n, draws.n_columns))
    for s, resp in enumerate(responsibilities(data, draws)):
        values[s] = resp
    return values


def sampled_allocations(data: Data, draws: Draws, rng: np.random.Generator) -> Allocations:
    """A component for every row from every draw's responsibilities, (n, S).

    The components of a draw are numbered by falling weight, not by their labels, so that the same
    random numbers give the same groups of rows however the draws are labelled. Noise comes last,
    as one group.
    """
    allocations = np.empty((data.n, len(draws)), dtype=np.int16)
    for s, resp in enumerate(responsibilities(data, draws)):
        order = np.argsort(-draws.weights[s], kind="stable")
        share = resp[:, [*order, *range(draws.n_components, draws.n_columns)]]
        beyond = rng.random((data.n, 1)) >= np.cumsum(share[:, :-1], axis=1)
        allocations[:, s] = np.sum(beyond, axis=1)
    return allocations
