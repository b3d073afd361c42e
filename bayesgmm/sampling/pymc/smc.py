"""Sequential Monte Carlo by PyMC: from the prior to the posterior, chain by chain.

Minson, Simons & Beck (2013), Geophys. J. Int. 194, 1701-1726. Every chain is a run of its own from
draws of the prior, not from the start, and finds all labellings of the components, or as many as it
can. PyMC's kernel is called from here, in one process: an interruption keeps the chains that are
complete, and every draw's log density is at hand.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from scipy.stats import Covariance, multivariate_normal

from ...utils.progress import progress
from ...utils.types import FloatArray
from ..run.settings import Settings
from .one_copy import OneCopy
from .points import Points

# Effective share of the particles under a stage's weights. With PyMC's 0.5 labellings die out: for
# Old Faithful with two components the chains' log evidences lay 2.6 apart, with 0.8 at most 1.1.
_THRESHOLD = 0.8
# Metropolis steps in a stage. PyMC stops where a tenth of the correlations with the
# start no longer falls, noise or not, after 6 on average: log evidences are then 0.2 too small.
_STEPS = 20
# Added to the correlations' diagonal, as few particles may lie in a plane; PyMC's is for variances.
_RIDGE = 1e-6


def smc(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """Draws by SMC, with independent Metropolis-Hastings steps in every stage; no `tune`."""
    points = Points(model, start)
    seeds = np.random.SeedSequence(settings.random_seed).spawn(settings.chains + 1)
    kernel = _Kernel(
        settings.draws, model=model, threshold=_THRESHOLD,
        random_seed=int(seeds[0].generate_state(1)[0] % 2**31),
    )  # fmt: skip
    runs = []
    with progress("Sequential Monte Carlo", settings.chains, settings.progressbar) as tick:
        try:
            for seed in seeds[1:]:
                kernel.initialize(None, np.random.default_rng(seed))
                runs.append(_run(kernel))
                tick()
        except KeyboardInterrupt:
            if not runs:
                raise KeyboardInterrupt("stopped before a chain was complete") from None
    vectors, density, evidence, rate, stages = map(np.array, zip(*runs, strict=True))
    posterior = points.posterior(vectors)
    stats = xr.Dataset({
        "lp": (("chain", "draw"), density),
        "log_marginal_likelihood": ("chain", evidence),
        "acceptance_rate": ("chain", rate),
        "stages": ("chain", stages),
    })  # fmt: skip
    stats = stats.assign_coords({name: posterior[name] for name in ("chain", "draw")})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


class _Kernel(pm.smc.kernels.IMH):
    """PyMC's kernel: proposals do not depend on units, one copy of each Sigma's axes is kept."""

    tempered_posterior: FloatArray
    prior_logp_func: Any
    likelihood_logp_func: Any
    tempered_posterior_logp: FloatArray
    prior_logp: FloatArray
    likelihood_logp: FloatArray
    proposal_dist: Any
    acc_rate: float

    def __init__(self, draws: int, *, model: pm.Model, **options: Any) -> None:
        super().__init__(draws, model=model, **options)
        self.one_copy = OneCopy.of(model, self.var_info)

    def initialize_population(self) -> dict[str, FloatArray]:
        """Draws of the prior, of which PyTensor says that some are made by Python."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Numba will use object mode")
            drawn: dict[str, FloatArray] = super().initialize_population()
        return drawn

    def setup_kernel(self) -> None:
        """Move the particles to the copies that are kept, and let none leave these."""
        if (one := self.one_copy) is None:
            return
        vectors = self.tempered_posterior = one.folded(self.tempered_posterior)
        self.prior_logp = np.array([float(self.prior_logp_func(v)) for v in vectors])
        self.prior_logp -= one.log_share(vectors)

    def mutate(self) -> None:
        """Independent Metropolis-Hastings steps, as many in every stage."""
        now, total = self.proposal_dist.logpdf(self.tempered_posterior), 0.0
        for _ in range(_STEPS):
            new = self.proposal_dist.rvs(self.draws, random_state=self.rng).reshape(self.draws, -1)
            log_q = self.proposal_dist.logpdf(new)
            prior, likelihood = self._log_densities(new)
            density = prior + self.beta * likelihood
            ratio = density - self.tempered_posterior_logp + now - log_q
            taken = np.log(1.0 - self.rng.random(self.draws)) < ratio
            for held, proposed in (
                (self.tempered_posterior, new), (self.tempered_posterior_logp, density),
                (self.prior_logp, prior), (self.likelihood_logp, likelihood), (now, log_q),
            ):  # fmt: skip
                held[taken] = proposed[taken]
            total += float(taken.mean())
        self.acc_rate = total / _STEPS

    def _log_densities(self, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log prior density and log likelihood (S,); -inf and 0 at copies that are not kept."""
        prior, likelihood = np.full(len(vectors), -np.inf), np.zeros(len(vectors))
        one, kept = self.one_copy, np.arange(len(vectors))
        if one is not None:
            kept = np.flatnonzero(one.kept(vectors))
        for i in kept:
            prior[i] = self.prior_logp_func(vectors[i])
            likelihood[i] = self.likelihood_logp_func(vectors[i])
        if one is not None:
            prior[kept] -= one.log_share(vectors[kept])
        return prior, likelihood

    def tune(self) -> None:
        """Propose from a normal density with the particles' mean and covariance."""
        particles = self.tempered_posterior
        sd = np.maximum(particles.std(axis=0), np.finfo(np.float64).tiny)
        correlation = np.cov(particles / sd, rowvar=False).reshape(len(sd), -1)
        lower = np.linalg.cholesky(correlation + _RIDGE * np.eye(len(sd)))
        covariance = Covariance.from_cholesky(sd[:, None] * lower)
        self.proposal_dist = multivariate_normal(particles.mean(axis=0), covariance)


def _run(kernel: _Kernel) -> tuple[FloatArray, FloatArray, float, float, int]:
    """A run: particles, their log density, log evidence, acceptance rate, number of stages."""
    while kernel.beta < 1:
        kernel.update_beta_and_weights()
        kernel.step()
    density = kernel.prior_logp + kernel.likelihood_logp
    evidence, rate = kernel.log_marginal_likelihood, kernel.acc_rate
    return kernel.tempered_posterior, density, evidence, rate, kernel.iteration
