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
from .one_copy import OneCopy, Restricted
from .points import Points

# Effective share of the particles under a stage's weights. With PyMC's 0.5 labellings die out: for
# Old Faithful with two components the chains' log evidences lay 2.6 apart, with 0.8 at most 1.1.
_THRESHOLD = 0.8
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
        self.tempered_posterior = one.folded(self.tempered_posterior)
        prior, likelihood = self.prior_logp_func, self.likelihood_logp_func
        self.prior_logp_func = Restricted(prior, one.log_share)
        self.likelihood_logp_func = Restricted(
            likelihood, lambda vector: 0.0 if one.kept(vector) else np.inf
        )
        self.prior_logp = np.array([self.prior_logp_func(v) for v in self.tempered_posterior])

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
