"""Leave-one-out cross-validation of a mixture posterior, in blocks of rows.

Vehtari, Gelman & Gabry (2017), Stat. Comput. 27, 1413-1432. The pointwise log density is that of
the mixture (allocations summed out), and is never stored for all rows at once. ArviZ does the
smoothing, and the result has ArviZ's own type, so that `az.compare` takes it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from ...data.chunks import answers_of_chunks, are_in_chunks
from ...data.data import Data
from ...kernels.e_step.chunk_groups import GroupsOfChunks, groups_in
from ...kernels.stored.chunk import Chunk
from ...mixture.draws import Draws
from ...mixture.evaluation import log_densities
from ...utils.display import beyond
from ...utils.types import FloatArray, IntArray

if TYPE_CHECKING:
    from arviz_stats.utils import ELPDData


#: The group with the terms of rows that were left out exactly: elpd_i and mcse over obs_id.
EXACT = "left_out"
# A fifth of the draws is the tail that is smoothed, which takes five.
_FEWEST = 25


def psis_loo(
    data: Data,
    draws: Draws,
    n_chains: int,
    relative_efficiency: float,
    exact: xr.Dataset | None = None,
) -> ELPDData:
    """Expected log pointwise predictive density by Pareto-smoothed importance sampling.

    Parameters
    ----------
    data : Data
        The rows of the posterior.
    draws : Draws
        Its draws, S = n_chains times draws of a chain.
    n_chains : int
    relative_efficiency : float
        Effective over actual number of draws.
    exact : Dataset, optional
        Terms of rows that are known better, with their standard errors: elpd_i and mcse over
        obs_id.

    Returns
    -------
    arviz_stats ELPDData
        elpd, se, p, and pointwise elpd_i and pareto_k over obs_id; and mcse, the Monte Carlo
        standard error of elpd.

    Raises
    ------
    ValueError
        Fewer draws than a tail to smooth needs.
    """
    if len(draws) < _FEWEST:
        raise ValueError(
            f"{len(draws)} draws are too few for leave-one-out: refine with at least {_FEWEST}."
        )
    from arviz_stats.base import array_stats
    from arviz_stats.utils import ELPDDataLOO

    at = np.arange(data.n) if data.counted is None else np.flatnonzero(data.counted)
    known, errors = _known(exact, at)
    exactly = at[~np.isnan(known)]
    if are_in_chunks(data):
        nothing = replace(data, values=np.empty((0, data.d)), weights=None, groups=None)
        of_all = data.groups.elsewhere if isinstance(data.groups, GroupsOfChunks) else None
        work = _OfChunk(nothing, of_all, draws, relative_efficiency, exactly)
        terms = _together(answers_of_chunks(data, work))
    else:
        data = data.take(at) if len(at) < data.n else data  # without rows that have no value
        terms = _terms(data, draws, relative_efficiency, np.isnan(known))
    elpd_i, khat, p_i, influence = terms
    better = ~np.isnan(known)
    p_i[better] += elpd_i[better] - known[better]
    elpd_i[better], khat[better] = known[better], 0.0
    elpd, se, p, _ = array_stats.loo_summary(elpd_i, p_i)
    good_k = min(1 - 1 / np.log10(len(draws)), 0.7)
    by_chain = influence.reshape(n_chains, -1)
    obs: dict[str, Any] = {"dims": ["obs_id"], "coords": {"obs_id": at}}
    result = ELPDDataLOO(
        elpd=float(elpd),
        se=float(se),
        p=float(p),
        n_samples=len(draws),
        n_data_points=len(at),
        scale="log",
        warning=bool(np.any(khat > good_k)),
        good_k=good_k,
        elpd_i=xr.DataArray(elpd_i, name="elpd_i", **obs),
        pareto_k=xr.DataArray(khat, name="pareto_k", **obs),
    )
    mcse = np.std(by_chain) / np.sqrt(array_stats.ess(by_chain, method="mean"))
    result["mcse"] = float(np.hypot(mcse, np.sqrt(np.sum(errors**2))))
    return result


class _Terms(NamedTuple):
    """Rows' (n,) elpd, Pareto k and effective parameters; what each draw (S,) adds to the sum."""

    elpd_i: FloatArray
    khat: FloatArray
    p_i: FloatArray
    influence: FloatArray


def _terms(
    data: Data, draws: Draws, relative_efficiency: float, estimated: NDArray[np.bool_]
) -> _Terms:
    """The terms of rows in memory; estimated (n,): the rows that count in the influence."""
    from arviz_stats.base import array_stats

    elpd_i, khat, p_i = (np.empty(data.n) for _ in range(3))
    influence = np.zeros(len(draws))
    for rows, values in log_densities(data, draws):
        by_row = values.T
        with warnings.catch_warnings():  # `unreliable` warns, and says what to do
            warnings.simplefilter("ignore", UserWarning)
            log_weights, khat[rows] = array_stats.psislw(by_row, r_eff=relative_efficiency)
        elpd_i[rows] = logsumexp(log_weights + by_row, axis=1)
        p_i[rows] = logsumexp(by_row, axis=1) - np.log(len(draws)) - elpd_i[rows]
        some = estimated[rows]
        influence += _influence(by_row[some], log_weights[some], elpd_i[rows][some])
    return _Terms(elpd_i, khat, p_i, influence)


@dataclass(frozen=True)
class _OfChunk:
    """The terms of a chunk's rows, made where the chunk is.

    nothing: the data without rows; known: of their groups; exactly: numbers of the rows whose terms
    are known better.
    """

    nothing: Data
    known: GroupsOfChunks | None
    draws: Draws
    relative_efficiency: float
    exactly: IntArray

    def __call__(self, chunk: Chunk) -> _Terms:
        groups = groups_in(self.known, chunk)
        rows = replace(self.nothing, values=chunk.values, groups=groups)
        counts = np.ones(rows.n, dtype=bool) if groups is None else ~groups.says_nothing
        if len(chunk.weights):
            counts &= chunk.weights > 0
        at = np.flatnonzero(counts)
        estimated = ~np.isin(chunk.first + at, self.exactly)
        rows = rows if len(at) == rows.n else rows.take(at)
        return _terms(rows, self.draws, self.relative_efficiency, estimated)


def _together(parts: Sequence[_Terms]) -> _Terms:
    """The terms of all rows."""
    *of_rows, influence = zip(*parts, strict=True)
    elpd_i, khat, p_i = map(np.concatenate, of_rows)
    return _Terms(elpd_i, khat, p_i, np.sum(influence, axis=0))


def _known(exact: xr.Dataset | None, at: IntArray) -> tuple[FloatArray, FloatArray]:
    """Known terms of the rows at those positions, NaN elsewhere, and their errors."""
    known, errors = np.full(len(at), np.nan), np.zeros(len(at))
    if exact is not None:
        rows = np.searchsorted(at, exact["obs_id"].to_numpy())
        known[rows], errors[rows] = exact["elpd_i"].to_numpy(), exact["mcse"].to_numpy()
    return known, errors


def bad_rows(loo: ELPDData) -> list[int]:
    """The rows that importance sampling cannot leave out."""
    khat = loo.pareto_k
    return [int(row) for row in khat["obs_id"].to_numpy()[~(khat.to_numpy() <= loo.good_k)]]


def _influence(by_row: FloatArray, log_weights: FloatArray, elpd_i: FloatArray) -> FloatArray:
    """What each draw adds to the rows' elpd, to first order: S w_is (p_is / p_i - 1), summed.

    The rows share the draws, so their errors are not independent: their sum, draw by draw, is the
    series whose mean has the error of elpd.
    """
    weighted = np.exp(log_weights + by_row - elpd_i[:, None])  # at most 1, whatever the densities
    return len(by_row.T) * np.sum(weighted - np.exp(log_weights), axis=0)


def unreliable(loo: ELPDData) -> str:
    """Which rows importance sampling cannot leave out, and what to do; "" if it can."""
    bad = bad_rows(loo)
    if not bad:
        return ""
    khat = loo.pareto_k.sel(obs_id=bad).to_numpy()
    worst = int(np.argmax(np.nan_to_num(khat, nan=np.inf)))
    row, n = bad[worst], len(loo.pareto_k)
    which = f"row {row} is" if len(bad) == 1 else f"{len(bad)} of {n} rows are"
    return (
        f"{which} too influential for leave-one-out by importance sampling: Pareto k of row "
        f"{row} is {beyond(khat[worst], loo.good_k, 2)} (at most {loo.good_k:.2f} is good). "
        "elpd_loo may be far off, and its errors mean little: posterior = "
        "bayesgmm.leave_out(posterior) leaves these rows out exactly; or compare by log_evidence "
        "or by cross-validation (select with cv=10)."
    )
