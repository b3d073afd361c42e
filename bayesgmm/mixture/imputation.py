"""What a mixture says about missing values: their conditional means, and draws of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from ..data.chunks import are_in_chunks, in_memory, random_rows
from ..data.data import Data
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate, expected_statistics
from ..kernels.e_step.groups import Groups
from ..utils.errors import DegenerateComponentError
from ..utils.matrices import as_full
from ..utils.types import FloatArray, IntArray

# Iterations of the fit of one Gaussian, and the gain per row that ends it.
_MOST_ITERATIONS, _ENOUGH = 500, 1e-9
# Columns from which starts are made without a covariance of them.
_MANY_COLUMNS = 100
# Of rows in chunks those that the one Gaussian is fitted to.
_SAMPLE = 20_000


def gaussian(data: Data) -> Parameters:
    """One Gaussian fitted to the values that are there, in centred coordinates.

    EM from uncorrelated columns (Little & Rubin 2002, section 11.2); where the covariance becomes
    singular, the last one that was not. Labels do not matter to it.
    """
    data = _without_labels(data)
    found = regular = Parameters(np.ones(1), np.zeros((1, data.d)), np.diag(data.sd**2)[None])
    before = -np.inf
    for _ in range(_MOST_ITERATIONS):
        try:
            loglik, s = expected_statistics(data, found)
        except DegenerateComponentError:
            return regular
        if loglik - before < _ENOUGH * data.total:
            break
        before, regular = loglik, found
        found = Parameters(np.ones(1), s.means, s.scatters / s.counts[:, None, None])
    return found


def _without_labels(data: Data) -> Data:
    """The data in groups by their columns alone."""
    groups = data.groups
    return replace(data, groups=groups.by_columns) if isinstance(groups, Groups) else data


def completed(data: Data) -> Data:
    """The data with their missing values filled in from one Gaussian, as EM's starts read them.

    Where the columns are many for its covariance, with the columns' means.
    """
    return completion(data)(data)


def completion(data: Data) -> Callable[[Data], Data]:
    """What fills in the missing values of the data, or of some rows of them, as `completed` does.

    The Gaussian of rows in chunks is that of a random sample.
    """
    if not data.incomplete:
        return _as_they_are
    data = _without_labels(random_rows(data, _SAMPLE) if are_in_chunks(data) else data)
    if data.d < min(data.n, _MANY_COLUMNS):
        parameters = gaussian(data)
    else:
        parameters = Parameters(np.ones(1), np.zeros((1, data.d)), data.sd[None] ** 2)
    return partial(_filled, parameters)


def _as_they_are(data: Data) -> Data:
    return data


def _filled(parameters: Parameters, data: Data) -> Data:
    """The rows with what they miss filled in by conditional means."""
    if not data.incomplete:
        return data
    data = _without_labels(in_memory(data))
    return data.filled(conditional_means(data, parameters) + data.center)


def conditional_means(data: Data, parameters: Parameters) -> FloatArray:
    """The rows with the means of what they miss given what they have, (n, d), centred."""
    out = np.asarray(data.values, dtype=np.float64) - data.center
    resp = evaluate(data, parameters, responsibilities=True)[1]
    for rows, missing, means, _ in _given(data, parameters):
        out[np.ix_(rows, missing)] = np.einsum("ik,kij->ij", resp[rows], means)
    return out


def with_own_values(data: Data, centred: FloatArray) -> FloatArray:
    """Centred rows in the user's units; values that were there are what they were, to the bit."""
    own = np.asarray(data.values, dtype=np.float64)
    return np.where(np.isnan(own), centred + data.center, own)


def rows_alike(data: Data, number: int, rng: np.random.Generator) -> IntArray:
    """So many of the data's rows that count, whose missing values and labels new rows take over.

    Row by row if they are as many, else drawn with replacement, by weight.
    """
    counted = np.ones(data.n) if data.counted is None else data.counted
    like = np.flatnonzero(counted)
    if data.weights is not None or len(like) != number:
        like = rng.choice(data.n, number, p=counted / counted.sum())
    return like


def drawn(data: Data, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
    """The rows with draws of what they miss given what they have, (n, d), centred."""
    out = np.asarray(data.values, dtype=np.float64) - data.center
    resp = evaluate(data, parameters, responsibilities=True)[1]
    for rows, missing, means, covariances in _given(data, parameters):
        edges = resp[rows].cumsum(axis=1)
        component = np.sum(rng.random((len(rows), 1)) * edges[:, -1:] >= edges, axis=1)
        noise = rng.standard_normal((len(rows), len(missing), 1))
        roots = np.linalg.cholesky(covariances)[component]
        found = means[component, np.arange(len(rows))] + (roots @ noise)[..., 0]
        out[np.ix_(rows, missing)] = found
    return out


def _given(
    data: Data, parameters: Parameters
) -> Iterator[tuple[IntArray, IntArray, FloatArray, FloatArray]]:
    """Of each group that misses something: its rows (m,) and the columns (q,) that they miss.

    Then the components' means (K, m, q) and covariances (K, q, q) of these, given the others.
    """
    groups = data.groups
    if not isinstance(groups, Groups):
        return
    covariances = as_full(parameters.covariances)
    for g, seen in enumerate(groups.observed):
        known, missing = np.flatnonzero(seen), np.flatnonzero(~seen)
        rows = groups.order[groups.bounds[g] : groups.bounds[g + 1]]
        if not len(missing):
            continue
        across = covariances[:, missing][:, :, known]
        within = covariances[:, known][:, :, known]
        slope = np.swapaxes(np.linalg.solve(within, np.swapaxes(across, 1, 2)), 1, 2)
        delta = np.asarray(data.values[np.ix_(rows, known)], dtype=np.float64)
        delta = (delta - data.center[known])[None] - parameters.means[:, None, known]
        means = parameters.means[:, None, missing] + delta @ np.swapaxes(slope, 1, 2)
        left = covariances[:, missing][:, :, missing] - slope @ np.swapaxes(across, 1, 2)
        yield rows, missing, means, left
