"""The evidence of a posterior: log marginal likelihood of its data, with its error.

The posterior has K! equal copies, one for each order of the components. One of them is cut out by
a `Region`, integrated in the samplers' own free coordinates (`density.Space`) by one of three
methods (`integrals`), and log K! is added. Random hyperparameters are integrated out of the density
beforehand (`marginal_prior`). The proposal is fitted to the first half of every chain, and the
second half goes into the bridge (Gronau et al. 2017, J. Math. Psychol. 81, 80-97). Only the draws
of pi, mu and Sigma are needed, and no PyMC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import gammaln

from ...data.data import Data
from ...families import Family
from ...mixture.draws import Draws, NoisyDraws
from ...mixture.prior import Prior
from ...utils.display import beyond
from ...utils.errors import ConvergenceAdvice
from ...utils.types import FloatArray
from ...utils.validation import check_choice, random_stream
from ...utils.warnings import warn
from .integrals import Integral, Whitening, bridge, importance, laplace
from .proposal import Proposal
from .region import best_region, region_of_labels
from .target import Target

Method = Literal["bridge", "laplace", "importance"]

_MAX_ERROR = 0.5
_MAX_PARETO_K = 0.7
_MAX_RHAT = 1.05
# Least number of draws, over P, from which a covariance matrix in P coordinates is computed.
_DRAWS_PER_COORDINATE = 2
# Draws among which the start of the search for the mode is chosen.
_MODE_STARTS = 100
# Draws of the normal approximation from which its share in one order is estimated, and the share
# below which the orders overlap.
_NORMAL_DRAWS, _MIN_IN_ORDER = 10_000, 0.9
# Share of the posterior's draws where the proposal may have none.
_MAX_MISSED = 0.005


@dataclass(frozen=True, slots=True)
class Evidence:
    """Log marginal likelihood of the data under a model.

    Attributes
    ----------
    value : float
        Log of the integral of likelihood times prior, over all labellings.
    error : float
        Its Monte Carlo standard error; not a number for Laplace's approximation, whose
        error is not known.
    method : str
        "bridge", "laplace" or "importance".
    labelling : str
        The rule that picked one of the K! labellings (`evidence/region.py`); "" if K = 1.
    diagnostics : dict of name to number
        `cut`, the share of draws that were given another order than most (no harm in itself);
        `rhat`, the largest of the coordinates of draws in order; and the method's own
        (`integrals.py`; Laplace's `in_order`, the share of the normal density whose components
        are in the mode's order).
    problems : tuple of str
        Reasons not to trust it; empty if there are none.

    Examples
    --------
    >>> from bayesgmm.posterior.evidence.evidence import Evidence
    >>> Evidence(-1162.4682, 0.0061, "bridge", "ordered by the mean of waiting", {"cut": 0.0}, ())
    log evidence -1162.468, standard error 0.0061 (bridge sampling; ordered by the mean of waiting,
    all labellings)
    """

    value: float
    error: float
    method: Method
    labelling: str
    diagnostics: dict[str, float]
    problems: tuple[str, ...]

    def __repr__(self) -> str:
        error = "" if math.isnan(self.error) else f", standard error {self.error:.2g}"
        labels = f"; {self.labelling}, all labellings" if self.labelling else ""
        lines = [f"log evidence {self.value:.3f}{error} ({METHODS[self.method].name}{labels})"]
        return "\n  ".join([*lines, *self.problems])

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in repr(self).splitlines())


def evidence_of(
    data: Data,
    draws: Draws,
    n_chains: int,
    family: Family,
    prior: Prior,
    method: Method = "bridge",
    random_seed: int | None = None,
) -> Evidence:
    """The evidence, from draws of a posterior: see `Posterior.log_evidence`.

    Parameters
    ----------
    data : Data
        The rows (n, d).
    draws : Draws
        S draws of pi, mu and Sigma, chain after chain.
    n_chains : int
        Chains of equal length they come from.
    family, prior : Family, Prior
        Of the model.
    method : "bridge", "laplace" or "importance"
        How to integrate.
    random_seed : int, optional
        Seed of the proposal's draws.

    Raises
    ------
    ValueError
        An unknown method, too few draws for the model's parameters, or draws with a component
        that is exactly empty.

    Warns
    -----
    ConvergenceAdvice
        The evidence is not to be trusted; the message is in its `problems`.
    """
    check_choice("method", method, METHODS)
    rng = random_stream(random_seed)
    size = family.n_parameters(draws.n_components, data.d) + isinstance(draws, NoisyDraws)
    _refuse_unusable(draws, n_chains, size)
    copies = float(gammaln(draws.n_components + 1))
    if data.groups is not None and data.groups.admissible is not None:
        region, copies = region_of_labels(draws, data, family)
    else:
        region = best_region(draws, family, data.center, data.names)
    ordered = region.applied(draws)
    target = Target.about(ordered, data, family, prior, region)
    points = target.points(ordered).reshape(n_chains, -1, target.size)
    integral = METHODS[method].integrate(target, points, rng)
    diagnostics = {"cut": region.cut(draws), "rhat": _rhat(points), **integral.diagnostics}
    evidence = Evidence(
        integral.log_value + copies,
        float(np.hypot(integral.error, target.constant.error)), method,
        region.name if draws.n_components > 1 else "", diagnostics,
        tuple(_problems(integral, diagnostics)),
    )  # fmt: skip
    if evidence.problems:
        warn(" ".join(evidence.problems), ConvergenceAdvice)
    return evidence


def _bridge(target: Target, points: FloatArray, rng: np.random.Generator) -> Integral:
    """Bridge sampling: the second half of every chain against a proposal fitted to the first."""
    proposal, at_draws, late = _split(target, points, rng)
    at_proposals = target.log_ratios(proposal, at_draws.size, rng)
    return bridge(at_draws, at_proposals, _effective(late))


def _importance(target: Target, points: FloatArray, rng: np.random.Generator) -> Integral:
    """Importance sampling: the proposal is fitted to the first half of every chain.

    The second half shows what the proposal misses.
    """
    proposal, at_draws, _ = _split(target, points, rng)
    n_proposals = points.shape[0] * points.shape[1]
    return importance(target.log_ratios(proposal, n_proposals, rng), at_draws.ravel())


def _split(
    target: Target, points: FloatArray, rng: np.random.Generator
) -> tuple[Proposal, FloatArray, FloatArray]:
    """The proposal by the first half of every chain; log ratios at the second; the second."""
    early, late = np.array_split(points, [points.shape[1] // 2], axis=1)
    proposal = Proposal.of(early.reshape(-1, target.size), rng)
    free = late.reshape(-1, target.size)
    at_draws = target.log_joint(free) - proposal.log_density(free)
    return proposal, at_draws.reshape(late.shape[:2]), late


def _laplace(target: Target, points: FloatArray, rng: np.random.Generator) -> Integral:
    """Laplace's approximation at the mode nearest to the best of some draws.

    Only the part of the normal density with components in the mode's own order counts: the rest of
    it lies in the other copies, each of which has a normal density of its own.
    """
    free = points.reshape(-1, target.size)
    some = rng.choice(free, min(len(free), _MODE_STARTS), replace=False)
    start = some[np.argmax(target.log_joint(some))]
    normal = laplace(target.log_joint, start, Whitening.of(free))
    share, log_value = np.nan, np.nan
    if normal.curvature > 0:
        share = target.share_in_order(normal.mode, normal.sample(_NORMAL_DRAWS, rng))
        log_value = normal.log_integral + np.log(share)
    diagnostics = {"curvature": normal.curvature, "in_order": share}
    return Integral(float(log_value), np.nan, diagnostics)


class _Integration(NamedTuple):
    """A method of integration and its name in sentences."""

    name: str
    integrate: Callable[[Target, FloatArray, np.random.Generator], Integral]


METHODS = {
    "bridge": _Integration("bridge sampling", _bridge),
    "laplace": _Integration("Laplace's approximation", _laplace),
    "importance": _Integration("importance sampling", _importance),
}


def _refuse_unusable(draws: Draws, n_chains: int, size: int) -> None:
    least = max(2 * _DRAWS_PER_COORDINATE * size, 8 * n_chains)
    if len(draws) < least:
        raise ValueError(
            f"{len(draws)} draws are too few for the evidence of {size} free parameters: "
            f"draw at least {least}."
        )
    if empty := int(np.sum(np.any(draws.weights == 0, axis=1))):
        raise ValueError(
            f"{empty} draws have a component of proportion 0, whose logarithm is infinite: use "
            "fewer components, or a larger concentration in the prior."
        )


def _effective(points: FloatArray) -> float:
    """Median effective sample size of the coordinates, from (chains, draws, P)."""
    from arviz_stats.base import array_stats

    return float(np.median([array_stats.ess(q, method="mean") for q in np.moveaxis(points, 2, 0)]))


def _rhat(points: FloatArray) -> float:
    """Largest r-hat of the coordinates, from (chains, draws, P); not a number for one chain."""
    from arviz_stats.base import array_stats

    if len(points) == 1:
        return float("nan")
    return float(max(array_stats.rhat(q) for q in np.moveaxis(points, 2, 0)))


def _problems(integral: Integral, diagnostics: dict[str, float]) -> Iterator[str]:
    if math.isnan(integral.log_value):
        yield "The mode is not a regular maximum: use method='bridge'."
    if integral.error > _MAX_ERROR:
        yield (
            f"The standard error is {beyond(integral.error, _MAX_ERROR, 2)} (at most {_MAX_ERROR} "
            "is good): raise draws, or use fewer components."
        )
    if (pareto_k := diagnostics.get("pareto_k", 0.0)) > _MAX_PARETO_K:
        yield (
            f"Pareto k is {beyond(pareto_k, _MAX_PARETO_K, 2)} (at most {_MAX_PARETO_K} is good): "
            "few weights decide, and the error is too small: use method='bridge'."
        )
    if (missed := diagnostics.get("missed", 0.0)) > _MAX_MISSED:
        yield (
            f"{beyond(100 * missed, 100 * _MAX_MISSED, 1)}% of the draws (at most "
            f"{_MAX_MISSED:.1%} is good) lie where the proposal has hardly any: use "
            "method='bridge'."
        )
    if (in_order := diagnostics.get("in_order", 1.0)) < _MIN_IN_ORDER:
        yield (
            f"{beyond(100 * in_order, 100 * _MIN_IN_ORDER, 0)}% of the normal density at the mode "
            f"(at least {_MIN_IN_ORDER:.0%} is good) have the components in the mode's order: "
            "components coincide, and the posterior is not normal; use method='bridge'."
        )
    if (rhat := diagnostics["rhat"]) > _MAX_RHAT:
        yield (
            f"R-hat of the ordered draws is {beyond(rhat, _MAX_RHAT, 3)} (at most {_MAX_RHAT} is "
            "good): the chains disagree; raise tune and draws, or use fewer components."
        )
