"""Checks of the statistics that a sampler reports, whichever of them it has.

Betancourt (2016), arXiv:1604.00695, for E-FMI; Yao, Vehtari, Simpson & Gelman (2018), Proc. ICML,
5581-5590, for Pareto k as a diagnostic of approximations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...utils.display import beyond

MIN_EFMI = 0.3
# An approximation's draws are corrected by weights up to the first of these. Above the second the
# weights have no variance, and what is in the posterior's tails comes out too small: of 13 real
# cases between the two, 7 had a standard deviation of 0.25 to 0.79 of the posterior's; of 10
# below, none less than 0.86.
MAX_PARETO_K, GOOD_PARETO_K = 0.7, 0.5
MAX_EVIDENCE_GAP = 1.0
# Warn if so many draws should have an empty component, and fewer than this fraction of them do. One
# is enough: the mean of an empty component is so far away that it is seen in a standard deviation
# (0.19 without, 0.28 to 0.37 with 1 in 300), and the expected share was up to 4 times too small.
_WORTH_SEEING, _PART_SEEN = 1.0, 0.1
# Where it is not known how many should have one, more than this share is the edge of a region.
_SOME_DRAWS = 1e-3


@dataclass(frozen=True, slots=True)
class Check:
    """One statistic of a run: its name and value, which values are good, and else what to do.

    good is empty where every value is.
    """

    name: str
    value: float
    good: str
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.value:.3g}" + (f" (good: {self.good})" if self.good else "")


def engine_checks(stats: xr.Dataset) -> dict[str, Check]:
    """The checks of `sample_stats`, by the statistic, for those statistics that it has."""
    found = {name: check(stats[name]) for name, check in _CHECKS.items() if name in stats}
    if "empty_expected" in stats:
        found["empty_expected"] = _empty_components(stats)
    return found


def _divergences(diverging: xr.DataArray) -> Check:
    count = int(diverging.sum())
    problem = (
        f"{count} divergent transitions: the posterior has a narrow region the sampler cannot "
        "follow (often a nearly empty component); use sampler='gibbs', fewer components, a "
        "stronger prior, or a higher target_accept."
    )
    return Check("divergent transitions", count, "0", problem if count else "")


def _tree_depth(reached: xr.DataArray) -> Check:
    count = int(reached.sum())
    problem = (
        f"{count} draws reached the maximum tree depth: the posterior is strongly correlated; "
        "raise tune, or use sampler='gibbs'."
    )
    return Check("draws at the maximum tree depth", count, "0", problem if count else "")


def _efmi(energy: xr.DataArray) -> Check:
    from arviz_stats.base import array_stats

    value = float(np.min(array_stats.bfmi(energy.transpose("chain", "draw").to_numpy())))
    problem = (
        f"E-FMI is {beyond(value, MIN_EFMI, 2)} (at least {MIN_EFMI} is good): the chains explore "
        "the tails slowly; raise tune and draws."
    )
    return Check("smallest E-FMI", value, f"≥ {MIN_EFMI}", problem if value < MIN_EFMI else "")


def _pareto_k(k: xr.DataArray) -> Check:
    value = float(k.max())
    problem = f"Pareto k is {beyond(value, GOOD_PARETO_K, 2)} (at most {GOOD_PARETO_K} is good): "
    if value > MAX_PARETO_K:
        problem += (
            "the approximation leaves out part of the posterior, its draws could not be corrected, "
            "and their spread means little, however good their r-hat; "
        )
    else:
        problem += (
            "the draws are corrected, but the approximation's tails are too short for standard "
            "deviations and intervals, which may be too small, however good their r-hat; "
        )
    problem += "sample by sampler='auto', the default."
    good = f"≤ {GOOD_PARETO_K}"
    return Check("largest Pareto k", value, good, "" if value <= GOOD_PARETO_K else problem)


def _evidence(log_evidence: xr.DataArray) -> Check:
    value = float(np.ptp(log_evidence.to_numpy()))
    problem = (
        f"The chains' log evidences lie {beyond(value, MAX_EVIDENCE_GAP, 1)} apart (at most "
        f"{MAX_EVIDENCE_GAP:g} is good): too few particles to hold the posterior; raise draws, or "
        "use sampler='auto', the default."
    )
    good = f"≤ {MAX_EVIDENCE_GAP:g}"
    name = "gap between the chains' log evidences"
    return Check(name, value, good, problem if value > MAX_EVIDENCE_GAP else "")


def _nearly_empty(share: xr.DataArray) -> Check:
    """Whether chains touch a region that they enter seldom, and may miss most of in silence."""
    value = float(share)
    problem = (
        f"{100 * value:.1f} % of the draws have a component of fewer than two rows: this sampler "
        "passes seldom to where a component is nearly empty, and may miss most of it; standard "
        "deviations and tails may be too small, and r-hat does not show it. "
        "Use sampler='gibbs' with a large thin, fewer components, or a stronger prior."
    )
    name = "share of draws with a nearly empty component"
    return Check(name, value, f"≤ {_SOME_DRAWS:g}", problem if value > _SOME_DRAWS else "")


def _empty_components(stats: xr.Dataset) -> Check:
    """Whether draws have an empty component as often as the posterior should.

    Shown is what the draws have: Laplace's approximation of what they should have tells whether
    there are any, and is far too large where many are (1 for 0.27, of Old Faithful in four).
    """
    expected, drawn = (float(stats[name]) for name in ("empty_expected", "empty_drawn"))
    seen = expected * stats["lp"].size >= _WORTH_SEEING
    least = _PART_SEEN * expected if seen else 0.0
    problem = (
        f"The posterior probability that a component is empty, with the prior's mean and "
        f"covariance, is about {100 * expected:.1f} % by Laplace's approximation (several times "
        f"less where components overlap much), but {100 * drawn:.1f} % of the draws have one: "
        "standard deviations and tails are too small, and r-hat does not show it. "
        "Use sampler='gibbs' with a larger thin, fewer components, or a stronger prior."
    )
    name = "share of draws with a component as small as an empty component"
    good = f"≥ {least:.2g}" if least > 0 else ""
    return Check(name, drawn, good, problem if drawn < least else "")


_CHECKS = {
    "diverging": _divergences,
    "reached_max_treedepth": _tree_depth,
    "energy": _efmi,
    "pareto_k": _pareto_k,
    "log_marginal_likelihood": _evidence,
    "nearly_empty": _nearly_empty,
}
