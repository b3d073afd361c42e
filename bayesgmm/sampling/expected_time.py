"""How long a posterior will take, from a few evaluations of its density."""

from __future__ import annotations

import time
from typing import Any

from ..density.log_posterior import LogPosterior
from ..em.result import Fit
from ..mixture.prior import Prior
from ..utils.threads import default_threads
from .compiled.nuts import PASSES
from .problem import PosteriorProblem

# Seconds that any posterior takes, and evaluations that are timed.
_ALWAYS, _TIMED = 1.0, 5


def seconds_expected(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit,
    prior: Prior | None = None,
    *,
    draws: int = 1000,
    tune: int = 200,
    chains: int = 4,
) -> float:
    """Seconds that the first run of `refine` will take, roughly, on this machine as it is now.

    The density and its gradient are evaluated a few times, and 15 passes over the rows counted for
    a draw. Where components overlap the default goes on after it (`max_time` of `refine`).

    Parameters
    ----------
    X : array-like (n, d)
        The data of the fit.
    fit : Fit
        The fit whose posterior is meant.
    prior : Prior, optional
        As for `refine`.
    draws, tune, chains : int
        As for `refine`.

    Returns
    -------
    float

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm.sampling.expected_time import seconds_expected
    >>> X = bayesgmm.datasets.load_faithful()
    >>> seconds_expected(X, bayesgmm.fit(X, 2, random_seed=1)) < 60
    True
    """
    problem = PosteriorProblem.of(X, fit, prior)
    parametrisation = problem.parametrisation
    density = LogPosterior(problem.data, parametrisation, problem.prior)
    start = density.space.free(problem.initial_values(problem.fitted, parametrisation))
    density(start)  # compiles, if that has not been done
    begin = time.perf_counter()
    for _ in range(_TIMED):
        density(start)
    once = (time.perf_counter() - begin) / _TIMED
    at_a_time = min(chains, default_threads())
    return _ALWAYS + once * PASSES * chains * (draws + tune) / at_a_time
