"""From a fit to the posterior of the number of components."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._version import __version__
from ..data.chunks import in_memory
from ..em.checks import as_fit
from ..em.result import Fit
from ..families.hyperparameters import Gamma, concentration_or_gamma
from ..mixture.mixture_of_mixtures import MixtureOfMixtures
from ..mixture.prior import Prior
from ..mixture.prior_on_k import PriorOnK, as_prior_on_k
from ..posterior.components import ComponentsPosterior
from ..utils.errors import ConvergenceAdvice
from ..utils.warnings import warn
from .compiled.telescoping import telescoping
from .compiled.telescoping_tree import tree_of_components
from .problem import PosteriorProblem, check_refinable
from .run.settings import Settings

# Alpha of dynamic mixtures, if nothing else is asked for.
_ALPHA = Gamma(1.0, 2.0)
_ACCEPT = 0.8  # of no use here, but a run's settings have it


def sample_components(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Any,
    *,
    prior_on_k: PriorOnK | ArrayLike | None = None,
    dynamic: bool = True,
    concentration: float | Gamma | None = None,
    prior: Prior | None = None,
    draws: int = 1000,
    tune: int = 200,
    chains: int = 4,
    thin: int = 20,
    random_seed: int | None = None,
    cores: int | None = None,
    progressbar: bool = True,
) -> ComponentsPosterior:
    """Sample the posterior of a mixture and its number K of components, started at a fit.

    A mixture of finite mixtures: K has a prior of its own, and given K the proportions are
    Dirichlet(a, ..., a), and the components as in `refine`. The telescoping sampler alternates a
    sweep of Gibbs sampling given K with a draw of K given which rows belong together; it never
    has to propose a component that fits, as reversible jumps do. It serves all families.

    Parameters
    ----------
    X : array-like (n, d)
        The data of the fit.
    fit : Fit, Selection or GaussianMixture
        Family and start. Of a grid the family of the best fit; the chains start in turn from its
        fits of that family, the best first.
    prior_on_k : PriorOnK or array (M,), optional
        Prior of K, or probabilities of K = 1, ..., M; `PriorOnK.beta_negative_binomial(1, 4, 3)` if
        left out. `PriorOnK.fixed(10)` with a small concentration is a sparse finite mixture.
    dynamic : bool
        The Dirichlet's concentration is alpha / K, so that K+ need not grow with K, and K with K+
        tells of components that have not been seen; False: it is the same for all K, as in
        Richardson & Green (1997), where K and K+ are nearly the same.
    concentration : float or Gamma, optional
        Alpha, or the concentration itself if not dynamic. `Gamma(1, 2)`, or that of the prior, if
        left out.
    prior : Prior, optional
        Of means and covariances: the fit's own, or `Prior.from_data(X)`, if left out.
    draws, tune, chains : int
        Draws kept and warm-up draws per chain, and number of chains.
    thin : int
        Sweeps to a draw, in the warm-up too.
    random_seed : int, optional
        Seed of the chains: the same draws on any number of cores.
    cores : int, optional
        Chains run at a time; the cores of the machine if left out.
    progressbar : bool
        Show progress; False is silent.

    Returns
    -------
    ComponentsPosterior
        `.table` has p(K | data) and p(K+ | data) beside their priors; `.partition()`,
        `.coclustering()` and `.density()` average over K; `.given(K)` is an ordinary `Posterior`.
        Ctrl-C while it samples: of the draws made so far (`.interrupted`).

    Raises
    ------
    DataError, ValueError
        Data that do not belong to the fit, a degenerate or weighted fit, more components than the
        prior of K allows, an argument out of range, an LKJ prior of which more than a hundredth
        is too small for double precision, or under which components came to be that narrow.
    KeyboardInterrupt
        Interrupted before there were draws.

    Warns
    -----
    ConvergenceAdvice
        The chains have not converged; the message says what to do.
    InterruptionAdvice
        Interrupted; the message says how many draws there are.

    See Also
    --------
    ComponentsPosterior : What `sample_components` returns.
    PriorOnK : The prior of the number of components.
    select : All covariance structures with every number of components.
    refine : The posterior of the same mixture.

    References
    ----------
    Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Anal. 16, 1279-1307.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_galaxies()
    >>> grid = bayesgmm.select(X, range(1, 7), ["V"], random_seed=1, progressbar=False)
    >>> posterior = bayesgmm.sample_components(X, grid, random_seed=1)  # doctest: +SKIP
    >>> posterior.table  # doctest: +SKIP
    """
    settings = Settings(draws, tune, chains, random_seed, _ACCEPT, cores, progressbar, thin)
    best = as_fit(fit)
    check_refinable(best)
    if best.weighted:
        raise ValueError(
            "the fit is of rows with weights, and the sampler of K counts each row once: fit and "
            "pass the rows as often as they count (np.repeat(X, counts, axis=0))."
        )
    of_k = PriorOnK.beta_negative_binomial() if prior_on_k is None else as_prior_on_k(prior_on_k)
    starts = _starts(fit, best, of_k)
    rows = in_memory(best.mixture.rows(X))
    problems = [PosteriorProblem.of(rows, start, prior) for start in starts]
    prior = problems[0].prior
    if concentration is None:
        concentration = _ALPHA if dynamic else prior.concentration
    settings.refuse_too_many(of_k.max_components)
    of_all = MixtureOfMixtures(prior, of_k, concentration_or_gamma(concentration), dynamic)
    runs = telescoping(problems, of_all, settings)
    posterior = ComponentsPosterior.assemble(
        tree_of_components(runs, problems[0], of_all, settings), starts[0], of_all,
        {
            "creation_library": "bayesgmm",
            "creation_library_version": __version__,
            "sampler": "telescoping",
            "tune": settings.tune,
            "random_seed": -1 if settings.random_seed is None else settings.random_seed,
        },
    )  # fmt: skip
    if problems_found := posterior.diagnostics.problems:
        warn(" ".join(problems_found), ConvergenceAdvice)
    return posterior


def _starts(fit: Any, best: Fit, prior_on_k: PriorOnK) -> list[Fit]:
    """The fits that chains start from: of a grid those of the best one's family, best first."""
    grid = fit.top(len(fit.fits)) if hasattr(fit, "top") else [best]
    allowed = np.flatnonzero(prior_on_k.probabilities) + 1
    found = [
        other for other in grid if other.family == best.family and other.n_components <= allowed[-1]
    ]
    if not found:
        raise ValueError(
            f"the fit has {best.n_components} components, the prior of K allows at most "
            f"{allowed[-1]}: start from a smaller fit."
        )
    return found
