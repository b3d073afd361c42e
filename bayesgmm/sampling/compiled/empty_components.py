"""The posterior probability of an empty component, which chains may never visit unnoticed.

The mean and covariance of a component without rows follow the prior, which is wide. A chain may
never go there, or once in many thousand draws: then r-hat is 1 and quantiles are right, but
standard deviations are a fraction of what they should be. The probability can be computed without
draws. With n rows, that of a given one of K components to be empty is, exactly,

    p(X | K - 1) / p(X | K) * G(K a) G(n + (K - 1) a) / (G((K - 1) a) G(n + K a)), G = Gamma,

the ratio of the evidences times that of the Dirichlet-multinomial probabilities of the allocations.
Laplace's approximation gives the evidences well enough.

Where components share some parts of their covariances and not all, the constants of the priors are
left out of the evidences, and what an empty component's density integrates to, given what is
shared, comes in their place: its mean over the posterior of K - 1 components (`own_parts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, logsumexp

from ...density.log_posterior import LogPosterior
from ...density.mode import Mode
from ...em.problem import Problem
from ...em.run import run_em
from ...families.parametrisation.axes import Axes
from ...families.parametrisation.copies import log_copies
from ...kernels.e_step.contract import Parameters
from ...posterior.prior_influence import FEWEST_ROWS
from ...utils.errors import DegenerateComponentError
from ...utils.types import FloatArray
from ..problem import PosteriorProblem
from .gibbs import axes_state
from .own_parts import own_parts, own_prior

# Rows used first; all are used where these leave a doubt about which evidence is larger.
_FEW_ROWS = 4096
# Largest difference of log evidences, beyond that due to their numbers of parameters, that leaves
# a doubt.
_BEYOND_DOUBT = 30.0
# Iterations of EM with one component less, first and then to convergence, and its tolerance.
_SHORT, _LONG, _TOL = 30, 1000, 1e-8
# Nats by which log densities of different modes differ; less, and they differ only in labels.
_DIFFERENT = 0.01

# The largest share that Laplace's approximation tells of families that share some parts: of
# components that overlap more it is up to 35 times too large.
_LARGEST = 0.01
# Points of Laplace's approximation, and draws at each, by which an empty component's density is
# integrated.
_POINTS, _DRAWS = 100, 4


@dataclass(frozen=True, slots=True)
class InitialPoint:
    """A mode at which chains start, and the density in coordinates about it."""

    density: LogPosterior
    mode: Mode


type PointNear = Callable[[PosteriorProblem, Parameters], InitialPoint | None]


def share_empty(
    problem: PosteriorProblem, point: InitialPoint, point_near: PointNear
) -> float | None:
    """Posterior probability that some component is empty; None where it is not known.

    Parameters
    ----------
    problem : PosteriorProblem
        The posterior.
    point : InitialPoint
        Its mode next to the fit.
    point_near : function of PosteriorProblem and Parameters
        The mode next to parameters.
    """
    prior, k = problem.prior, problem.n_components
    if k == 1 or prior.random_concentration:
        return None
    if problem.noise is not None or problem.labelled:  # counts of rows that are not known then
        return None
    a, n = prior.expected_concentration, problem.data.total
    log_ways = gammaln(k * a) - gammaln((k - 1) * a)
    log_ways += gammaln(n + (k - 1) * a) - gammaln(n + k * a)
    log_ways -= _log_evidence(point)
    share = 0.0
    for other in _smaller_points(problem, point_near):
        of_empty = log_ways + _log_evidence(other) + _log_integral_of_own(other)
        share += np.exp(min(of_empty, 0.0))
    # the expected number of empty components; where that is not small, draws do have some
    share = float(min(1.0, k * share))
    return share if problem.family.conjugate or share < _LARGEST else None


def _smaller_points(problem: PosteriorProblem, point_near: PointNear) -> list[InitialPoint]:
    """The modes with one component less that EM finds from the components without one."""
    found: list[InitialPoint] = []
    for fewer in _with_one_less(problem):
        smaller = replace(problem, fitted=fewer, fitted_under_prior=True)
        other = point_near(smaller, fewer)
        if other is None or not other.mode.regular:
            continue
        heights = [known.mode.log_density for known in found]
        if all(abs(other.mode.log_density - height) > _DIFFERENT for height in heights):
            found.append(other)
    return found


def drawn_empty(
    problem: PosteriorProblem, values: Mapping[str, FloatArray], expected: float | None
) -> dict[str, float]:
    """The statistics of draws of the variables, given the share that is expected.

    Where that is not known, the share of draws with a component of few rows.
    """
    weights = values["pi"]
    if expected is None:
        of_components = 1.0 - np.asarray(values.get("noise_share", 0.0))
        fewest = weights.min(axis=-1) * of_components * problem.data.total
        return {"nearly_empty": float(np.mean(fewest < FEWEST_ROWS))}
    return {"empty_expected": expected, "empty_drawn": share_near_empty(problem, weights)}


def share_near_empty(problem: PosteriorProblem, weights: FloatArray) -> float:
    """Share of draws (..., K) of the proportions with one as small as an empty component's.

    That of an empty component is Beta(a, n + (K - 1) a), with a mean of about a / n.
    """
    a = problem.prior.expected_concentration
    return float(np.mean(weights.min(axis=-1) < (a + 3.0) / problem.data.total))


def _log_evidence(point: InitialPoint) -> float:
    """Log evidence by Laplace's approximation at one of the K! modes, and of their axes' copies.

    It lacks the constant of the covariances' prior where the density does.
    """
    mode, form = point.mode, point.density.parametrisation
    log_modes = gammaln(form.n_components + 1)
    if isinstance(form, Axes) and form.has_orientations:
        log_modes += log_copies(form)
    log_volume = 0.5 * len(mode.origin) * np.log(2 * np.pi)
    log_volume += np.sum(np.log(np.diagonal(mode.root)))
    return float(mode.log_density + log_volume + log_modes)


def _log_integral_of_own(point: InitialPoint) -> float:
    """Log of the mean integral of one more component's covariance; 0 where it is 1."""
    density, form = point.density, point.density.parametrisation
    if not isinstance(form, Axes):
        return 0.0
    prior, rng = density.prior, np.random.default_rng(0)
    of_own = own_prior(form.family, prior.inverse_wishart.dof, prior.inverse_wishart.expected_scale)
    z = rng.standard_normal((_POINTS, density.size))
    values = density.space.values(point.mode.origin + z @ point.mode.root.T)
    logs = []
    for i in range(_POINTS):
        at = {name: value[i] for name, value in values.items()}
        random = prior.inverse_wishart.random_scale
        psi = np.diag(at["scale"]) if random else prior.inverse_wishart.expected_scale
        state = axes_state(at, form.d)
        logs += [own_parts(rng, of_own, np.array(psi), state, 0, True) for _ in range(_DRAWS)]
    in_volumes = 0.5 * np.log(form.d) if form.power == form.d else 0.0
    return float(logsumexp(logs) - np.log(len(logs)) - in_volumes)


def _with_one_less(problem: PosteriorProblem) -> Iterator[Parameters]:
    """EM's results from the components without one, except those that are clearly too low."""
    data, family, k = problem.data, problem.family, problem.n_components
    step = 1 + (data.n - 1) // _FEW_ROWS
    some = data.take(slice(None, None, step))
    some = replace(some, values=np.ascontiguousarray(some.values))
    whole = Problem(data, family, problem.prior.for_em)
    em = whole if step == 1 else whole.of_rows(some)
    more = family.n_parameters(k, data.d) - family.n_parameters(k - 1, data.d)
    least = run_em(em, problem.fitted, max_iter=0, tol=_TOL).objective
    least -= _BEYOND_DOUBT + 0.5 * more * np.log(some.n)
    for left_out in range(k):
        try:
            found = run_em(em, _without(problem.fitted, left_out), max_iter=_SHORT, tol=_TOL)
            if found.objective > least:
                yield run_em(whole, found.parameters, max_iter=_LONG, tol=_TOL).parameters
        except DegenerateComponentError:
            continue


def _without(parameters: Parameters, k: int) -> Parameters:
    """The components except k, with proportions that sum to 1."""
    weights, means, covariances = (
        np.delete(values, k, axis=0)
        for values in (parameters.weights, parameters.means, parameters.covariances)
    )
    return Parameters(weights / weights.sum(), means, covariances)
