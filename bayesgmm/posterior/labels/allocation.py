"""Relabelling by which rows the components hold: ECR, its iterative forms, and Stephens' method.

The allocations of the rows are summed out of the model, so a draw has none. Where the published
algorithms take sampled allocations or their probabilities, the draw's responsibilities are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ...data.blocks import fits_in_memory
from ...data.data import Data
from ...kernels.e_step.contract import Parameters
from ...kernels.e_step.e_step import evaluate
from ...mixture.draws import Draws
from ...mixture.evaluation import responsibilities
from ...mixture.matching import assign, ecr_order, most_probable
from ...utils.types import FloatArray
from .matching import relabelling_of
from .relabelling import Relabelling

# So many rows are enough to match components; every draw takes one or several passes over them.
_MAX_ROWS = 20_000
_MAX_SWEEPS = 100


def ecr(data: Data, draws: Draws, pivot: Parameters) -> Relabelling:
    """Relabel by agreement of the rows' allocations with a pivot's.

    Papastamoulis & Iliopoulos (2010), J. Comput. Graph. Stat. 19, 313-331: the permutation of
    every draw that makes most rows keep the pivot's allocation, each row counting by its
    responsibility. Of more than 20 000 rows that many are used, the same random ones for every
    draw.

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
    rows, draws = _some_rows(data, draws)
    member = most_probable(_responsibilities(rows, pivot))
    orders = [ecr_order([(member, resp)]) for resp in responsibilities(rows, draws)]
    return relabelling_of("ecr", draws, np.array(orders))


def ecr_iterative_1(data: Data, draws: Draws, pivot: Parameters) -> Relabelling:
    """Relabel by agreement with the allocation that most draws have.

    Papastamoulis & Iliopoulos (2010), first iterative version (Papastamoulis 2016, J. Stat.
    Softw. 69, code snippet 1): a row's reference is the component it has in most relabelled
    draws; a draw's permutation is the one under which most rows have their reference's; by turns
    until no permutation changes. The loss is minus the number of rows, over all draws, that have
    their reference's. A draw's allocation of a row is its most probable component.

    The pivot is the first reference, so labels stay those of the fit. Of more than 20 000 rows
    that many are used, the same random ones for every draw.

    Parameters and result as of `ecr`.
    """
    return _fixed_point("ecr-iterative-1", data, draws, pivot, most_probable, most_probable)


def ecr_iterative_2(data: Data, draws: Draws, pivot: Parameters) -> Relabelling:
    """Relabel by agreement with the most probable allocation over the draws.

    As `ecr_iterative_1`, by probabilities (second iterative version): a row's reference is the
    component whose mean probability over the relabelled draws is largest, and rows count by
    their responsibilities.

    Parameters and result as of `ecr`.
    """
    return _fixed_point("ecr-iterative-2", data, draws, pivot, _as_is, most_probable)


def stephens(data: Data, draws: Draws, pivot: Parameters) -> Relabelling:
    """Relabel by the Kullback-Leibler divergence of allocation probabilities from their mean.

    Stephens (2000), J. R. Stat. Soc. B 62, 795-809, algorithm 2: with Q (n, K) the mean of the
    relabelled draws' responsibilities p, a draw's permutation minimises
    sum_ik p_ik log(p_ik / q_ik); by turns until no permutation changes. The loss is that sum over
    all draws, less sum p log p, which no permutation changes.

    The pivot's responsibilities are the first Q. Of more than 20 000 rows that many are used,
    the same random ones for every draw.

    Parameters and result as of `ecr`.
    """
    return _fixed_point("stephens", data, draws, pivot, _as_is, _log)


_Step = Callable[[FloatArray], FloatArray]


def _fixed_point(
    method: str, data: Data, draws: Draws, pivot: Parameters, allocate: _Step, refer: _Step
) -> Relabelling:
    """The relabelling by references and permutations in turn, each the best given the other.

    allocate turns a draw's responsibilities into its allocation, refer the mean of the relabelled
    allocations into a reference. Their agreement is the sum of their products; the loss is minus
    that.
    """
    rows, draws = _some_rows(data, draws)
    allocations = _Allocations(rows, draws, allocate)
    mean = allocate(_responsibilities(rows, pivot))
    components = np.arange(draws.n_components)
    permutations = np.full((len(draws), len(components)), -1)
    losses: list[float] = []
    converged = False
    while not converged and len(losses) < _MAX_SWEEPS:
        reference, mean = refer(mean), np.zeros_like(mean)
        before, loss = permutations.copy(), 0.0
        for s, allocation in enumerate(allocations):
            agreement = reference.T @ allocation
            permutations[s] = order = assign(agreement)
            loss -= float(agreement[components, order].sum())
            mean += allocation[:, order]
        mean /= len(draws)
        losses.append(loss)
        converged = np.array_equal(permutations, before)
    return relabelling_of(method, draws, permutations, tuple(losses), converged)


class _Allocations:
    """Every draw's allocation of the rows, (n, K): kept if they fit in memory, else recomputed."""

    def __init__(self, rows: Data, draws: Draws, allocate: _Step) -> None:
        self._rows, self._draws, self._allocate = rows, draws, allocate
        small = fits_in_memory(len(draws) * rows.n * draws.n_components)
        self._kept = list(self._made()) if small else None

    def __iter__(self) -> Iterator[FloatArray]:
        return self._made() if self._kept is None else iter(self._kept)

    def _made(self) -> Iterator[FloatArray]:
        for resp in responsibilities(self._rows, self._draws):
            yield self._allocate(resp)


def _some_rows(data: Data, draws: Draws) -> tuple[Data, Draws]:
    """At most _MAX_ROWS rows, always the same ones, and the draws that apply to them."""
    if data.n <= _MAX_ROWS:
        return data, draws
    chosen = np.sort(np.random.default_rng(0).choice(data.n, _MAX_ROWS, replace=False))
    return replace(data.take(chosen), weights=None), draws.of_rows(chosen)


def _responsibilities(rows: Data, parameters: Parameters) -> FloatArray:
    return evaluate(rows, parameters, responsibilities=True)[1]


def _as_is(probabilities: FloatArray) -> FloatArray:
    return probabilities


def _log(probabilities: FloatArray) -> FloatArray:
    """Logarithms; for 0 that of the smallest positive number."""
    return np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
