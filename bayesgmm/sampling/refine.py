"""From a fit to its posterior: sample from the fit's mode on, settle the labels, check."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, get_args

import xarray as xr

from .._version import __version__
from ..data.data import Data
from ..em.result import Fit
from ..em.status import Status
from ..mixture.prior import Prior
from ..posterior.labels.relabel import Method, check_method
from ..posterior.posterior import Posterior
from ..utils.errors import ConvergenceAdvice
from ..utils.validation import check_integer
from ..utils.warnings import warn
from .compiled.sample import ENGINES, sample_directly
from .initial import prior_of
from .run.settings import Sampler, Settings, check_sampler

# Warm-up draws: in whitened coordinates there is little to learn.
_TUNE, _TUNE_WHITENED = 500, 200
# Sweeps of Gibbs sampling to a draw, which costs more to keep than many sweeps over few rows.
_THIN = 10


def refine(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit,
    *,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    prior: Prior | None = None,
    sampler: Sampler = "nutpie",
    n_modes: int = 1,
    thin: int | None = None,
    relabel: Method = "ecr",
    target_accept: float = 0.8,
    random_seed: int | None = None,
    cores: int | None = None,
    progressbar: bool = True,
) -> Posterior:
    """Sample the posterior of a fitted mixture, every chain started at the fit.

    The allocations are summed out (the marginal mixture), so NUTS sees only pi, mu and the
    covariances. A fit without this prior is first moved to the posterior's mode next to it (by
    MAP-EM, labels kept): a maximum of the likelihood can lie far from where the posterior is.
    "nutpie" and "laplace" sample the density in compiled code, whitened by its curvature at the
    mode, and "gibbs" draws allocations and parameters in turn; they compile nothing for a new
    model. The others sample `build_model`'s PyMC model, which has the same density. Draws are
    relabelled to the fit's components, and convergence is checked whatever the sampler.

    Parameters
    ----------
    X : array-like (n, d)
        The data of the fit.
    fit : Fit
        Where the chains start, and whose labels the components keep.
    draws, chains : int
        Draws kept per chain, and number of chains.
    tune : int, optional
        Warm-up draws per chain: 200 for "nutpie", which is whitened, and "gibbs", else 500.
    prior : Prior, optional
        The fit's own prior, or `Prior.from_data(X)`, if left out.
    sampler : str
        The engine: NUTS by "nutpie", "pymc", "numpyro" or "blackjax"; "gibbs" (Diebolt & Robert
        1994), which converges where components overlap and NUTS does not, for families without
        axes of their own (E, V, EII, VII, EEI, VVI, EEE, VVV); "laplace" (the normal density at
        the mode), "advi", "fullrank_advi" or "pathfinder", approximations corrected as far as
        their Pareto k allows; or "smc", which starts from the prior. `sampling.sample` says more.
        Three need `pip install 'bayesgmm[jax]'`: "numpyro", "blackjax" and "pathfinder".
    n_modes : int
        For "nutpie", "gibbs" and "laplace": look for other modes of the posterior by MAP-EM from
        30 random starts, and run `chains` chains in each of the n_modes highest, the fit's own
        first. Their averages mean nothing together: `Posterior.chain_modes` tells which chains are
        in which, and how high each is, and `Posterior.of_chains` takes one mode's.
    thin : int, optional
        For "gibbs": sweeps to a draw, 10 if left out, in the warm-up too. Neighbouring sweeps are
        alike; where components overlap a hundred cost less than storing a draw that tells little.
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
    NotImplementedError
        A prior that the family cannot have (`build_model`), or "gibbs" or "smc" for a family
        whose prior cannot be drawn from.
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
    check_sampler(sampler, get_args(Sampler))
    if tune is None:
        tune = _TUNE_WHITENED if sampler in ENGINES else _TUNE
    for name, value, least in (
        ("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1), ("n_modes", n_modes, 1),
        ("thin", 1 if thin is None else thin, 1),
    ):  # fmt: skip
        check_integer(name, value, least)
    if thin is not None and sampler != "gibbs":
        raise ValueError(f"thin is {thin}: only sampler='gibbs' has sweeps; leave it out.")
    if n_modes > 1 and sampler not in ENGINES:
        raise ValueError(
            f"n_modes is {n_modes}: sampler {sampler!r} starts in one; use {' or '.join(ENGINES)}."
        )
    check_method(relabel)
    if not 0 < target_accept < 1:
        raise ValueError(f"target_accept is {target_accept!r}: pass a number between 0 and 1.")
    if fit.status is Status.DEGENERATE:
        raise ValueError(f"the fit cannot be refined: {fit.advice}")
    if fit.weighted:
        raise ValueError(
            "the fit is of rows with weights, which a posterior does not know: fit without weights "
            "(repeat rows that count several times), and refine that fit."
        )
    data = fit.mixture.rows(X)
    prior = prior_of(data, fit, prior)
    if sampler in ("gibbs", "smc") and not fit.family.conjugate:
        raise NotImplementedError(
            f"{sampler!r} draws from a family's prior or from what it becomes, which is not known "
            f"for {fit.family.name}: use sampler='nutpie'."
        )
    sweeps = (thin or _THIN) if sampler == "gibbs" else 1
    settings = Settings(draws, tune, chains, random_seed, target_accept, cores, progressbar, sweeps)
    if sampler in ENGINES:
        tree = sample_directly(data, fit, prior, sampler, settings, n_modes)
    else:
        tree = _sample_model(data, fit, prior, sampler, settings)
    posterior = Posterior.assemble(tree, fit, prior, {
        "creation_library": "bayesgmm",
        "creation_library_version": __version__,
        "sampler": sampler,
        "tune": tune,
        "random_seed": -1 if random_seed is None else random_seed,
    }).relabel(relabel)  # fmt: skip
    if problems := posterior.diagnostics.problems:
        warn(" ".join(problems), ConvergenceAdvice)
    return posterior


def _sample_model(
    data: Data, fit: Fit, prior: Prior, sampler: Any, settings: Settings
) -> xr.DataTree:
    """The same of the PyMC model."""
    from .pymc.model import build_model, initial_point  # PyMC takes seconds to import
    from .pymc.sample import add_covariances, sample

    model = build_model(data, fit, prior)
    start = initial_point(model, fit, prior)
    options = asdict(settings)
    del options["thin"]
    tree = sample(model, start, sampler=sampler, **options)
    return add_covariances(tree, fit.family, prior)
