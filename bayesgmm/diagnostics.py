"""Have the chains converged? Our own checks, the same for every sampler.

Vehtari et al. (2021), Bayesian Anal. 16, 667-718, for r-hat and effective sample sizes;
Betancourt (2016), arXiv:1604.00695, for E-FMI.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from .kernels.contract import FloatArray

MAX_RHAT = 1.01
MIN_ESS_PER_CHAIN = 100
MIN_EFMI = 0.3
_TAILS = (0.05, 0.95)
_PARAMETERS = ("pi", "mu", "Sigma")


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Convergence of a set of chains.

    r-hat and effective sample sizes are the worst over the elements of pi, mu and Sigma after
    relabelling, and over the log posterior density, which no relabelling can change.
    """

    chains: int
    draws: int
    rhat: float
    rhat_variable: str
    rhat_invariant: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    max_treedepth_hits: int
    efmi: float

    @property
    def problems(self) -> list[str]:
        """What is wrong, each with what to do; empty when nothing is."""
        found = []
        if self.chains < 2:
            found.append("One chain only: run at least 4 (chains=4), or r-hat can show nothing.")
        if self.rhat > MAX_RHAT and self.rhat_invariant <= MAX_RHAT:
            found.append(
                f"R-hat of {self.rhat_variable} is {self.rhat:.3f}, of the log density "
                f"{self.rhat_invariant:.3f}: the components' labels are not settled (they overlap, "
                "or there are too many); look at label-invariant quantities or use fewer."
            )
        elif max(self.rhat, self.rhat_invariant) > MAX_RHAT:
            found.append(
                f"R-hat is {max(self.rhat, self.rhat_invariant):.3f} (at most {MAX_RHAT} is good): "
                "the chains disagree; raise tune and draws, and if it stays, the chains are in "
                "different modes: use fewer components or a stronger prior."
            )
        least = MIN_ESS_PER_CHAIN * self.chains
        if min(self.ess_bulk, self.ess_tail) < least:
            found.append(
                f"Effective sample size is {min(self.ess_bulk, self.ess_tail):.0f} (at least "
                f"{least} is good): raise draws."
            )
        if self.divergences:
            found.append(
                f"{self.divergences} divergent transitions: the posterior has a narrow region the "
                "sampler cannot follow (often a nearly empty component); use fewer components, a "
                "stronger prior, or a higher target_accept."
            )
        if self.max_treedepth_hits:
            found.append(
                f"{self.max_treedepth_hits} draws reached the maximum tree depth: the posterior is "
                "strongly correlated; raise tune."
            )
        if self.efmi < MIN_EFMI:
            found.append(
                f"E-FMI is {self.efmi:.2f} (at least {MIN_EFMI} is good): the chains explore the "
                "tails slowly; raise tune and draws."
            )
        return found


def diagnose(posterior: xr.Dataset, stats: xr.Dataset) -> Diagnostics:
    """Check relabelled draws (`pi`, `mu`, `Sigma`) and the sampler's statistics."""
    from arviz_stats.base import array_stats

    rhat, bulk, tail, names = [], [], [], []
    for name in _PARAMETERS:
        for label, values in _elements(posterior[name]):
            rhat.append(_rhat(values))
            bulk.append(float(array_stats.ess(values, method="bulk")))
            tail.append(float(array_stats.ess(values, method="tail", prob=_TAILS)))
            names.append(label)
    density = stats["lp"].transpose("chain", "draw").to_numpy()
    worst = int(np.nanargmax(rhat)) if not np.all(np.isnan(rhat)) else 0
    return Diagnostics(
        chains=posterior.sizes["chain"],
        draws=posterior.sizes["draw"],
        rhat=float(rhat[worst]),
        rhat_variable=names[worst],
        rhat_invariant=_rhat(density),
        ess_bulk=float(np.nanmin([*bulk, array_stats.ess(density, method="bulk")])),
        ess_tail=float(np.nanmin([*tail, array_stats.ess(density, method="tail", prob=_TAILS)])),
        divergences=int(stats["diverging"].sum()),
        max_treedepth_hits=int(stats["reached_max_treedepth"].sum()),
        efmi=float(np.min(array_stats.bfmi(stats["energy"].transpose("chain", "draw").to_numpy()))),
    )


def relative_efficiency(posterior: xr.Dataset) -> float:
    """Mean effective over actual number of draws of pi, mu and Sigma, at most 1."""
    from arviz_stats.base import array_stats

    ess = [
        float(array_stats.ess(values, method="mean"))
        for name in _PARAMETERS
        for _, values in _elements(posterior[name])
    ]
    total = posterior.sizes["chain"] * posterior.sizes["draw"]
    return min(1.0, float(np.mean(ess)) / total)


def _elements(variable: xr.DataArray) -> list[tuple[str, FloatArray]]:
    """The (chain, draw) arrays of the elements that vary, symmetric ones once."""
    array = variable.transpose("chain", "draw", ...).to_numpy()
    out = []
    for index in np.ndindex(*array.shape[2:]):
        if len(index) == 3 and index[1] > index[2]:
            continue
        values = array[(slice(None), slice(None), *index)]
        if np.ptp(values) > 0:
            out.append((f"{variable.name}[{', '.join(map(str, index))}]", values))
    return out


def _rhat(values: FloatArray) -> float:
    from arviz_stats.base import array_stats

    return float(array_stats.rhat(values)) if values.shape[0] > 1 else float("nan")
