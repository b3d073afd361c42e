"""From a fit to its posterior: sampling from the mode at the fit, relabelling, checks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .._version import __version__
from ..data.chunks import are_in_chunks
from ..data.data import Data
from ..data.units import kept_units
from ..em.checkpoint import Checkpoint, kept_answers
from ..em.checks import as_fit
from ..em.result import Fit
from ..mixture.prior import Prior
from ..posterior.labels.methods import Method
from ..posterior.labels.relabel import check_method
from ..posterior.posterior import Posterior
from ..posterior.rows_elsewhere import MOST_ROWS
from ..utils.errors import ConvergenceAdvice
from ..utils.progress import waiting
from ..utils.validation import MOST_STEPS, check_at_least, check_choice, check_integer
from ..utils.warnings import warn
from .auto import MAX_TIME, Runs, Target, least_ess, settings_for, until_reached
from .compiled.sample import sample_directly, steps_to_a_draw
from .problem import PosteriorProblem, check_refinable
from .registry import Sampler, SamplerName, names_where, sampler_named
from .run.datatree import observed
from .run.settings import MOST_CHAINS, Settings

if TYPE_CHECKING:
    import pymc as pm

# Warm-up draws: in whitened coordinates there is little to learn.
_TUNE, _TUNE_WHITENED = 500, 200
# What weights can mean.
_MEANINGS = ("counts", "pseudo")
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
    model: pm.Model | None = None,
    sampler: SamplerName = "auto",
    min_ess: int | None = None,
    max_time: float | None = None,
    n_modes: int = 1,
    sample_weight: Any = None,
    weights: str | None = None,
    thin: int | None = None,
    relabel: Method = "ecr",
    target_accept: float = 0.8,
    random_seed: int | None = None,
    cores: int | None = None,
    checkpoint: str | Path | None = None,
    progressbar: bool = True,
) -> Posterior:
    """Sample the posterior of a fitted mixture, every chain started at the fit.

    The default samples until the draws are good: r-hat below 1.01 and `min_ess` effective draws,
    bulk and tail, of every element of pi, mu and Sigma and of quantities that no labels change, and
    no other problem. It begins with NUTS; where that is not enough, because components overlap or
    are nearly empty, Gibbs sampling follows, with more and more sweeps to a draw. Of rows in chunks
    Laplace's approximation comes before both.
    `Posterior.steps` has what was done. Where `max_time` ends it a warning says what is missing.

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
        Where the chains start, and whose labels the components keep. Also a fitted
        `GaussianMixture`, or a `Selection`, of which its best fit.
    draws, chains : int
        Draws kept per chain, and number of chains.
    tune : int, optional
        Warm-up draws per chain: 200 for "auto", "nutpie", which is whitened, and "gibbs", else
        500.
    prior : Prior, optional
        The fit's own prior, or `Prior.from_data(X)`, if left out.
    model : pymc.Model, optional
        Any PyMC model in which the rows X are drawn from a mixture: what `build_model` returns,
        with terms, priors or variables of your own, or one that you wrote with
        `bayesgmm.pymc.GaussianMixture`. Its posterior is sampled instead, from the fit, which then
        only says where to start and how the components are called. The model has its own prior.
        "auto" is "nutpie" then, once.
    sampler : str
        "auto", which chooses as above; or one that runs once: NUTS by "nutpie", "pymc", "numpyro"
        or "blackjax"; "gibbs" (Diebolt & Robert 1994), which converges where components overlap or
        axes are hardly determined, and NUTS does not; "laplace" (the normal density at the mode),
        "advi", "fullrank_advi" or "pathfinder", approximations corrected as far as their Pareto k
        allows; or "smc", which starts from the prior. `sampling.sample` says more. Three need `pip
        install 'bayesgmm[jax]'`: "numpyro", "blackjax" and "pathfinder".
    min_ess : int, optional
        For "auto": effective draws to reach, 100 a chain and at least 400 if left out. Where it is
        given as many more draws are kept as it needs; draws fewer than twice as many are not
        lengthened otherwise.
    max_time : float, optional
        For "auto": seconds, 100 if left out, after which no run is begun that would end later. The
        first run is always made. It is all that makes results depend on the machine's speed.
    n_modes : int
        For "auto", "nutpie", "gibbs" and "laplace": look for other modes of the posterior by MAP-EM
        from 30 random starts, and run `chains` chains in each of the n_modes highest, the fit's own
        first. "auto" makes one posterior of them: Gibbs sampling passes between them, or else each
        has the weight that bridge sampling gives it. Those of the others are not to be averaged
        unless the chains agree: `Posterior.chain_modes` has which chains are in which mode, and
        how high each is, and `Posterior.of_chains` takes one mode's.
    sample_weight : array-like (n,) or str, optional
        The weights of a fit that had some; and then
    weights : {"counts", "pseudo"}, optional
        what they mean: "counts", that a row stands so many times in the table, which costs what the
        different rows cost (but Gibbs sampling and leave-one-out repeat them, and need whole
        numbers); "pseudo", that they are a survey's: they are divided by their mean, and the draws
        get the sandwich's width about the mode (Savitsky & Toth 2016, Electron. J. Stat. 10,
        1677-1708; Williams & Savitsky 2021). Such a posterior has no evidence and no leave-one-out.
    thin : int, optional
        For "gibbs": sweeps to a draw, 10 if left out, in the warm-up too. Neighbouring sweeps are
        alike; where components overlap a hundred cost less than storing a draw that adds little.
    relabel : str
        How draws are relabelled: "ecr", "ecr-iterative-1", "ecr-iterative-2", "stephens",
        "data-based", "pra" or "ordering" (by the proportions). `Posterior.relabel` describes
        them, and relabels by another without sampling anew.
    target_accept : float
        Acceptance rate aimed at, between 0 and 1; higher means smaller steps, fewer divergences.
    random_seed : int, optional
        Seed of the chains.
    cores : int, optional
        Chains run at a time; the cores of the machine if left out.
    checkpoint : str or Path, optional
        For "auto", "nutpie", "gibbs" and "laplace": a file that keeps every chain that has ended
        (of "laplace" every 256 draws). The same call reads what is there, in another process too,
        and goes on to the same draws. Needs a whole number as random_seed. NUTS then runs each
        chain by itself, which gives other draws than without.
    progressbar : bool
        Show progress; False is silent.

    Returns
    -------
    Posterior
        Ctrl-C while it samples: of the draws made so far (`.interrupted`), if the sampler leaves
        any.

    Raises
    ------
    DataError, ValueError
        Data that do not belong to the fit, a degenerate fit, an argument out of range.
    NotImplementedError
        Weights, labels or noise where the sampler cannot have them.
    OSError, ValueError
        A checkpoint that cannot be written or read, is damaged, or is of another call, other data
        or another version.
    ModuleNotFoundError
        The sampler needs a library that is not installed.
    KeyboardInterrupt
        Interrupted before there were draws, or after the last one.

    Warns
    -----
    ConvergenceAdvice
        The chains have not converged, or found different modes; the message says what to do.
    InterruptionAdvice
        Interrupted; the message says how many draws there are.

    See Also
    --------
    Posterior : What `refine` returns.
    compare : Fits, grids and posteriors in one table.
    build_model : The posterior as a PyMC model to edit.
    sample_components : The posterior of the number of components.
    leave_out : Exact leave-one-out terms of rows that PSIS cannot leave out.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, random_seed=1)
    >>> posterior = bayesgmm.refine(X, fit, random_seed=1)  # doctest: +SKIP
    """
    chosen = sampler_named(sampler)
    if model is not None:
        chosen = _of_model(chosen, prior, n_modes, weights)
    settings = _settings(
        chosen, draws, tune, chains, random_seed, target_accept, cores, progressbar, thin
    )
    check_method(relabel)
    if weights is not None:
        check_choice("weights", weights, _MEANINGS)
    n_modes = _modes(n_modes, chosen)
    if checkpoint is not None:
        _check_keeping(chosen, model)
    target = _target(chosen, n_modes * settings.chains, min_ess, max_time)
    fit = as_fit(fit, apart=True)
    check_refinable(fit, weights, of_model=model is not None)
    settings = settings_for(settings, min_ess)
    settings.refuse_too_many(n_modes * fit.n_components * (1 + fit.d + fit.d**2))
    sample: Callable[[Sampler, Settings], xr.DataTree]
    fixed: dict[str, str] = {}
    data: Data | None = None
    if model is None:
        problem = PosteriorProblem.of(X, fit, prior, sample_weight, weights == "pseudo")
        _refuse_pseudo(problem, n_modes)
        sample, prior = partial(_sample_own, problem, n_modes), problem.prior
        data = problem.data
        fixed |= {"weights": weights} if weights else {}
        fixed |= {"fixed_labels": reason} if (reason := problem.fixed_labels) else {}
    else:
        sample = _sampling_of_model(X, fit, model)

    def posterior_of(tree: xr.DataTree) -> Posterior:
        with waiting("Labels and diagnostics", settings.progressbar):
            made = Posterior.assemble(tree, fit, prior, {
                "creation_library": "bayesgmm",
                "creation_library_version": __version__,
                "sampler": chosen.name,
                "tune": settings.tune,
                "random_seed": -1 if settings.random_seed is None else settings.random_seed,
                **fixed,
                **kept_units(X),
            })  # fmt: skip
            posterior = replace(made, rows=_elsewhere(data)).with_labels(relabel)
            posterior.diagnostics  # noqa: B018 - computed here, where it is shown that it is
        return posterior

    asked = {"sampler": chosen.name, "n_modes": n_modes, "weights": weights, "min_ess": min_ess}
    with _kept(checkpoint, data, fit, prior, settings, asked) as kept:
        settings = replace(settings, checkpoint=kept)
        if chosen.chooses:
            runs = Runs(
                sample, partial(steps_to_a_draw, problem), posterior_of, not problem.pseudo,
                are_in_chunks(problem.data),
            )  # fmt: skip
            posterior, stopped = until_reached(runs, settings, target)
        else:
            posterior, stopped = posterior_of(sample(chosen, settings)), ""
    if problems := [*posterior.diagnostics.problems, *([stopped] if stopped else [])]:
        warn(" ".join(problems), ConvergenceAdvice)
    return posterior


def _elsewhere(data: Data | None) -> Data | None:
    """The rows, where they are in chunks and more than a posterior's tree has."""
    keeps = data is not None and are_in_chunks(data) and data.n > MOST_ROWS
    return data if keeps else None


def _check_keeping(sampler: Sampler, model: pm.Model | None) -> None:
    """Refuse a checkpoint of what it cannot keep, or could not tell from something else."""
    if model is not None:
        raise ValueError(
            "a checkpoint cannot tell one PyMC model from another: leave checkpoint or model out."
        )
    if sampler.of_density is None and not sampler.chooses:
        able = " or ".join(map(repr, names_where(lambda s: s.of_density or s.chooses)))
        raise ValueError(f"{sampler.name!r} has no checkpoint: leave it out, or use {able}.")


def _kept(
    path: str | Path | None, data: Data | None, fit: Fit, prior: Prior | None, settings: Settings,
    asked: dict[str, Any],
) -> AbstractContextManager[Checkpoint | None]:  # fmt: skip
    """The checkpoint of a posterior; None without a path."""
    if path is None or data is None:
        return nullcontext()
    at = fit.mixture.parameters_about(np.zeros(fit.d))
    options = {
        "family": fit.model_name, "prior": prior, "draws": settings.draws, "tune": settings.tune,
        "chains": settings.chains, "thin": settings.thin, "nutpie": version("nutpie"),
        "target_accept": settings.target_accept,
        "fit": np.concatenate([at.weights, at.means.ravel(), at.covariances.ravel()]),
    }  # fmt: skip
    return kept_answers(path, data, "refine", asked | options, settings.random_seed)


def _target(sampler: Sampler, chains: int, min_ess: int | None, max_time: float | None) -> Target:
    """What "auto" aims at; refused for others, which run once."""
    for name, value in (("min_ess", min_ess), ("max_time", max_time)):
        if value is not None and not sampler.chooses:
            raise ValueError(f"{name} is {value}: only sampler='auto' has a target; leave it out.")
    return Target(
        least_ess(chains) if min_ess is None else check_integer("min_ess", min_ess, 1, MOST_STEPS),
        MAX_TIME if max_time is None else check_at_least("max_time", max_time, 0.0),
    )


def _settings(
    sampler: Sampler, draws: int, tune: int | None, chains: int, random_seed: int | None,
    target_accept: float, cores: int | None, progressbar: bool, thin: int | None,
) -> Settings:  # fmt: skip
    """The settings, with this sampler's defaults where a number is left out."""
    if tune is None:
        tune = _TUNE_WHITENED if sampler.starts_in_modes else _TUNE
    if thin is None:
        thin = _THIN if sampler.has_sweeps else 1
    else:
        check_integer("thin", thin, 1)
        if not sampler.has_sweeps:
            those = " or ".join(map(repr, names_where(lambda s: s.has_sweeps)))
            raise ValueError(f"thin is {thin}: only sampler={those} has sweeps; leave it out.")
    return Settings(draws, tune, chains, random_seed, target_accept, cores, progressbar, thin)


def _modes(n_modes: int, sampler: Sampler) -> int:
    n_modes = check_integer("n_modes", n_modes, 1, MOST_CHAINS)
    if n_modes > 1 and not sampler.starts_in_modes:
        several = " or ".join(names_where(lambda s: s.starts_in_modes))
        raise ValueError(
            f"n_modes is {n_modes}: sampler {sampler.name!r} starts in one; use {several}."
        )
    return n_modes


def _refuse_pseudo(problem: PosteriorProblem, n_modes: int) -> None:
    """Refuse survey weights where the sandwich is not known, or there is no one mode."""
    if problem.pseudo and (problem.noise is not None or n_modes > 1):
        raise NotImplementedError(
            "weights='pseudo' goes with neither noise nor n_modes: leave them out."
        )


def _of_model(sampler: Sampler, prior: Prior | None, n_modes: int, weights: str | None) -> Sampler:
    """The sampler of a user's model: "auto" is "nutpie"; what makes no sense of one is refused."""
    if prior is not None:
        raise ValueError("prior is given, and so is model: the model has its own; leave prior out.")
    if weights is not None:
        raise ValueError(f"weights is {weights!r}: only the model says what its rows count for.")
    if n_modes != 1:
        raise ValueError(f"n_modes is {n_modes}: only one mode of a model is looked for.")
    if sampler.chooses:
        return sampler_named("nutpie")
    if sampler.of_free is None and sampler.of_model is None:
        usable = " or ".join(names_where(lambda s: s.of_free or s.of_model))
        raise ValueError(f"{sampler.name!r} samples no PyMC model: use {usable}.")
    return sampler


def _sampling_of_model(
    x: Any, fit: Fit, model: pm.Model
) -> Callable[[Sampler, Settings], xr.DataTree]:
    """What draws from the posterior of a user's model."""
    from .pymc.model_problem import ModelProblem  # PyMC takes seconds to import
    from .pymc.model_runs import sample_problem

    return partial(sample_problem, ModelProblem.of(x, fit, model))


def _sample_own(
    problem: PosteriorProblem, n_modes: int, sampler: Sampler, settings: Settings
) -> xr.DataTree:
    """Draws of the library's own posterior."""
    if sampler.of_density is None:
        return _sample_model(problem, sampler, settings)
    return sample_directly(problem, sampler, settings, n_modes)


def _sample_model(problem: PosteriorProblem, sampler: Sampler, settings: Settings) -> xr.DataTree:
    """Draws of the posterior through its PyMC model, about one mode."""
    from .pymc.model import pymc_model, values_to_start_at  # PyMC takes seconds to import
    from .pymc.sample import sample_model, tree_with_covariances

    model = pymc_model(problem)
    tree = sample_model(model, values_to_start_at(model, problem), sampler, settings)
    tree["observed_data"] = xr.DataTree(observed(problem.data))  # the model's may be repeated
    return tree_with_covariances(tree, problem.parametrisation, problem.prior)
