"""Sequential Monte Carlo by PyMC: from the prior to the posterior, chain by chain.

Minson, Simons & Beck (2013), Geophys. J. Int. 194, 1701-1726. Every chain is a run of its own from
draws of the prior, not from the start, and finds all labellings of the components, or as many as it
can. PyMC's kernel is driven from here, in one process: an interruption keeps the chains that
are complete, and the kernel knows every draw's log density.
"""

from __future__ import annotations

import warnings

import numpy as np
import pymc as pm
import xarray as xr

from ..errors import ConvergenceAdvice
from ..kernels.contract import FloatArray
from ..progress import progress
from .points import Points
from .settings import Settings

# Share of the particles that a stage's weights must leave effective. PyMC's 0.5 lets labellings
# die out: evidences of Old Faithful with two components 2.6 apart, with 0.8 at most 1.1.
_THRESHOLD = 0.8


def smc(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """Independent Metropolis-Hastings steps in every stage; `tune` does not matter."""
    points = Points(model, start)
    seeds = np.random.SeedSequence(settings.random_seed).spawn(settings.chains + 1)
    kernel = pm.smc.kernels.IMH(
        settings.draws, model=model, threshold=_THRESHOLD,
        random_seed=int(seeds[0].generate_state(1)[0] % 2**31),
    )  # fmt: skip
    vectors, density, stats = [], [], []
    with progress("Sequential Monte Carlo", settings.chains, settings.progressbar) as tick:
        try:
            for seed in seeds[1:]:
                kernel.initialize(None, np.random.default_rng(seed))
                n_stages = _run(kernel)
                vectors.append(kernel.tempered_posterior)
                density.append(kernel.prior_logp + kernel.likelihood_logp)
                stats.append((kernel.log_marginal_likelihood, kernel.acc_rate, n_stages))
                tick()
        except KeyboardInterrupt:
            _say_what_is_kept(len(stats), settings)
    evidence, rate, stages = zip(*stats, strict=True)
    posterior = points.posterior(np.array(vectors))
    of_chains = xr.Dataset({
        "lp": (("chain", "draw"), np.array(density)),
        "log_marginal_likelihood": ("chain", np.array(evidence)),
        "acceptance_rate": ("chain", np.array(rate)),
        "stages": ("chain", np.array(stages)),
    })  # fmt: skip
    coords = {name: posterior[name] for name in ("chain", "draw")}
    return xr.DataTree.from_dict(
        {"posterior": posterior, "sample_stats": of_chains.assign_coords(coords)}
    )


def _run(kernel: pm.smc.kernels.IMH) -> int:
    """From the prior to the posterior; returns the number of stages."""
    while kernel.beta < 1:
        kernel.update_beta_and_weights()
        kernel.step()
    return int(kernel.iteration)


def _say_what_is_kept(n_chains: int, settings: Settings) -> None:
    if n_chains == 0:
        raise KeyboardInterrupt("stopped before a chain was complete")
    warnings.warn(
        f"sampling was interrupted: {n_chains} of {settings.chains} chains are complete, and kept.",
        ConvergenceAdvice,
        stacklevel=4,
    )
