"""From a fit to its posterior: build the model, sample it from the fit, settle the labels."""

from __future__ import annotations

import warnings
from typing import Any

from ._version import __version__
from .em import Status
from .errors import ConvergenceAdvice
from .fitting import whole
from .labels import Method, check_method
from .model import build_model, initial_point
from .posterior import Posterior
from .prior import Prior
from .result import Fit
from .sampling import Sampler, add_covariances, check_sampler, sample


def refine(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit,
    *,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    prior: Prior | None = None,
    sampler: Sampler = "nutpie",
    relabel: Method = "ecr",
    target_accept: float = 0.8,
    random_seed: int | None = None,
    cores: int | None = None,
    progressbar: bool = True,
) -> Posterior:
    """Sample the posterior of a fitted mixture with PyMC, every chain started at the fit.

    The allocations are summed out (the marginal mixture), so NUTS sees only pi, mu and the
    covariances. A fit without this prior is first moved to the posterior's mode next to it (by
    MAP-EM, labels kept): a maximum of the likelihood can lie far from where the posterior is.
    Draws are relabelled to the fit's components, and convergence is checked whatever the sampler.

    Parameters
    ----------
    X : array-like (n, d)
        The data of the fit.
    fit : Fit
        Where the chains start, and whose labels the components keep.
    draws, tune, chains : int
        Draws kept and warm-up draws per chain, and number of chains.
    prior : Prior, optional
        The fit's own prior, or `Prior.from_data(X)`, if left out.
    sampler : str
        The engine: NUTS by "nutpie", "pymc", "numpyro" or "blackjax"; "advi", "fullrank_advi" or
        "pathfinder", approximations corrected as far as their Pareto k allows; or "smc", which
        starts from the prior. `sampling.sample` says more. Three need
        `pip install 'bayesgmm[jax]'`: "numpyro", "blackjax" and "pathfinder".
    relabel : str
        How the labels are settled: "ecr", "ecr-iterative-1", "ecr-iterative-2", "stephens",
        "data-based", "pra" or "ordering" (by the proportions). `Posterior.relabel` describes
        them, and relabels by another without sampling anew.
    target_accept : float
        Acceptance rate aimed at, between 0 and 1; higher means smaller steps, fewer divergences.
    random_seed : int, optional
        Seed of the chains.
    cores : int, optional
        Chains run at a time; the cores of the machine if left out.
    progressbar : bool
        Show progress; False is silent.

    Returns
    -------
    Posterior

    Raises
    ------
    DataError, ValueError
        Data that do not belong to the fit, a degenerate fit, an argument out of range.
    ModuleNotFoundError
        The engine needs a library that is not installed.

    Warns
    -----
    ConvergenceAdvice
        The chains have not converged, or found different modes; the message says what to do.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, random_seed=1)
    >>> posterior = bayesgmm.refine(X, fit, random_seed=1)  # doctest: +SKIP
    """
    for name, value, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
        whole(name, value, least)
    check_sampler(sampler)
    check_method(relabel)
    if not 0 < target_accept < 1:
        raise ValueError(f"target_accept is {target_accept!r}: pass a number between 0 and 1.")
    if fit.status is Status.DEGENERATE:
        raise ValueError(f"the fit cannot be refined: {fit.advice}")
    data = fit.mixture.rows(X)
    prior = prior or fit.prior or Prior.from_data(data)
    model = build_model(data, fit, prior)
    tree = sample(
        model, initial_point(model, fit, prior), draws=draws, tune=tune, chains=chains,
        random_seed=random_seed, sampler=sampler, target_accept=target_accept, cores=cores,
        progressbar=progressbar,
    )  # fmt: skip
    tree = add_covariances(tree, fit.family, prior)
    posterior = Posterior.assemble(tree, fit, prior, {
        "creation_library": "bayesgmm",
        "creation_library_version": __version__,
        "sampler": sampler,
        "tune": tune,
        "random_seed": -1 if random_seed is None else random_seed,
    }).relabel(relabel)  # fmt: skip
    if problems := posterior.diagnostics.problems:
        warnings.warn(" ".join(problems), ConvergenceAdvice, stacklevel=2)
    return posterior
