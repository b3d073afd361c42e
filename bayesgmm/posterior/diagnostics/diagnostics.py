"""Convergence of chains, checked in the same way for every sampler.

Vehtari et al. (2021), Bayesian Anal. 16, 667-718, for r-hat and effective sample sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ...em.result import Fit
from ...mixture.draws import Draws
from ...mixture.evaluation import log_densities
from ...utils.display import Displayed, beyond
from ...utils.types import FloatArray
from .chain_modes import ChainModes, chain_modes
from .engine_checks import Check, engine_checks

if TYPE_CHECKING:
    import pandas as pd

MAX_RHAT = 1.01
MIN_ESS_PER_CHAIN = 100
_TAILS = (0.05, 0.95)
_PARAMETERS = ("pi", "mu", "Sigma")
_COMPONENT = "component"
_HYPERPARAMETERS = ("concentration", "scale")


@dataclass(frozen=True, slots=True)
class Quantity:
    """Convergence of one scalar quantity; invariant if no relabelling can change it."""

    name: str
    invariant: bool
    rhat: float
    ess_bulk: float
    ess_tail: float

    @property
    def ess(self) -> float:
        """The smaller effective sample size."""
        return min(self.ess_bulk, self.ess_tail)


@dataclass(frozen=True, slots=True, repr=False)
class Diagnostics(Displayed):
    """Convergence of a set of chains.

    Attributes
    ----------
    chains, draws : int
        Number of chains, and of draws in each.
    quantities : tuple of Quantity
        The elements of pi, mu and Sigma after relabelling, and what does not depend on labels:
        the log posterior density, the entropy of pi, random hyperparameters, a user's model's own
        variables, and the log density of the mixture at the fit's means and halfway from each to
        the nearest other one.
    modes : ChainModes
        Which chains are in the same mode.
    checks : dict of str to Check
        Checks of the sampler's own statistics, by name, as far as it has them: NUTS diverging,
        reached_max_treedepth and energy (E-FMI); an approximation pareto_k; SMC
        log_marginal_likelihood; and empty_expected, the share of draws with a component as small
        as one without rows, of which Laplace's approximation tells whether there are enough.
    """

    chains: int
    draws: int
    quantities: tuple[Quantity, ...]
    modes: ChainModes
    checks: dict[str, Check]

    @property
    def divergences(self) -> int | None:
        """Draws after a divergent transition; None for a sampler without any such statistic."""
        return int(self.checks["diverging"].value) if "diverging" in self.checks else None

    @property
    def max_treedepth_hits(self) -> int | None:
        """Draws at the maximum tree depth; None for a sampler without trees."""
        name = "reached_max_treedepth"
        return int(self.checks[name].value) if name in self.checks else None

    @property
    def rhat(self) -> float:
        """The largest r-hat of a relabelled parameter."""
        return self._worst_rhat(invariant=False).rhat

    @property
    def rhat_variable(self) -> str:
        """The parameter of the largest r-hat."""
        return self._worst_rhat(invariant=False).name

    @property
    def rhat_invariant(self) -> float:
        """The largest r-hat of a label-invariant quantity."""
        return self._worst_rhat(invariant=True).rhat

    @property
    def ess_bulk(self) -> float:
        """The smallest bulk effective sample size of any quantity."""
        return min(q.ess_bulk for q in self.quantities)

    @property
    def ess_tail(self) -> float:
        """The smallest tail effective sample size of any quantity."""
        return min(q.ess_tail for q in self.quantities)

    @property
    def table(self) -> pd.DataFrame:
        """All quantities, invariant ones first: invariant, r_hat, ess_bulk, ess_tail."""
        import pandas as pd

        rows = sorted(self.quantities, key=lambda q: not q.invariant)
        columns = ["invariant", "r_hat", "ess_bulk", "ess_tail"]
        return pd.DataFrame(
            [(q.invariant, q.rhat, q.ess_bulk, q.ess_tail) for q in rows],
            index=[q.name for q in rows], columns=columns,
        )  # fmt: skip

    def _title(self) -> str:
        return f"Convergence of {self.chains} chains of {self.draws} draws"

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("r-hat", f"at most {self.rhat:.3f} ({self.rhat_variable}), {self.rhat_invariant:.3f} "
             f"of label-invariant quantities; at most {MAX_RHAT} is good"),
            ("ESS", f"at least {self.ess_bulk:.0f} bulk, {self.ess_tail:.0f} tail; at least "
             f"{MIN_ESS_PER_CHAIN * self.chains} is good"),
            *((check.name, f"{check.value:.3g}" + (f"; good: {check.good}" if check.good else ""))
              for check in self.checks.values()),
            ("chains", str(self.modes)),
            ("problems", " ".join(self.problems) or "none found; .table has every quantity"),
        ]  # fmt: skip

    @property
    def problems(self) -> list[str]:
        """Problems, each with what to do about it; empty if there are none."""
        found = []
        if self.chains < 2:
            found.append("One chain only: run at least 4 (chains=4), or r-hat can show nothing.")
        found += self._disagreement()
        least, smallest = MIN_ESS_PER_CHAIN * self.chains, min(self.quantities, key=lambda q: q.ess)
        if smallest.ess < least and not self.modes.differ:  # across modes it means nothing
            found.append(
                f"Effective sample size of {smallest.name} is {beyond(smallest.ess, least, 0)} (at "
                f"least {least} is good): raise draws."
            )
        found += [check.problem for check in self.checks.values() if check.problem]
        return found

    def _disagreement(self) -> list[str]:
        """At most one sentence on a quantity in which the chains disagree."""
        if self.modes.differ:
            return [str(self.modes)]
        worst, invariant = self._worst_rhat(invariant=False), self._worst_rhat(invariant=True)
        if invariant.rhat > MAX_RHAT:
            return [
                f"R-hat of {invariant.name} is {beyond(invariant.rhat, MAX_RHAT, 3)} (at most "
                f"{MAX_RHAT} is good): the chains disagree even in label-invariant quantities; "
                "raise tune and draws, or use sampler='gibbs' with a large thin, which suits "
                "overlapping components; if it stays, use fewer components or a stronger prior."
            ]
        if worst.rhat > MAX_RHAT:
            return [
                f"R-hat of {worst.name} is {worst.rhat:.3f}, of label-invariant quantities at most "
                f"{invariant.rhat:.3f}: the chains agree on the mixture, and not yet on single "
                "components; raise draws. Where many draws were relabelled the labels are "
                "ambiguous: try another method of posterior.relabel, look at label-invariant "
                "quantities, or use fewer components."
            ]
        return []

    def _worst_rhat(self, invariant: bool) -> Quantity:
        chosen = [q for q in self.quantities if q.invariant == invariant]
        return max(chosen, key=lambda q: -math.inf if math.isnan(q.rhat) else q.rhat)


def diagnose(
    posterior: xr.Dataset, stats: xr.Dataset, fit: Fit, own: Sequence[str] = ()
) -> Diagnostics:
    """The diagnostics of relabelled draws and the sampler's statistics.

    The draws are of `pi`, `mu`, `Sigma`, and of a user's model's own variables.
    """
    of_components = [name for name in own if _COMPONENT in posterior[name].dims]
    density = stats["lp"].transpose("chain", "draw").to_numpy()
    invariant = varying([("log posterior", density), *invariants(posterior, fit)])
    for name in (*_HYPERPARAMETERS, *(name for name in own if name not in of_components)):
        invariant |= _elements(posterior[name]) if name in posterior else {}
    names = (*_PARAMETERS, *of_components)
    parameters = {k: v for name in names for k, v in _elements(posterior[name]).items()}
    quantities = [quantity_of(name, True, values) for name, values in invariant.items()]
    quantities += [quantity_of(name, False, values) for name, values in parameters.items()]
    chains = posterior["chain"].to_numpy().tolist()
    return Diagnostics(
        chains=posterior.sizes["chain"],
        draws=posterior.sizes["draw"],
        quantities=tuple(quantities),
        modes=chain_modes(parameters | invariant, density, chains),
        checks=engine_checks(stats),
    )


def quantity_of(name: str, invariant: bool, values: FloatArray) -> Quantity:
    """The convergence of a quantity from its draws (chain, draw)."""
    from arviz_stats.base import array_stats

    return Quantity(
        name,
        invariant,
        rhat=float(array_stats.rhat(values)) if len(values) > 1 else math.nan,
        ess_bulk=float(array_stats.ess(values, method="bulk")),
        ess_tail=float(array_stats.ess(values, method="tail", prob=_TAILS)),
    )


def invariants(posterior: xr.Dataset, fit: Fit) -> Iterable[tuple[str, FloatArray]]:
    """Functions of the mixture that do not depend on its components' order, (chain, draw)."""
    draws = Draws.from_dataset(posterior, fit.family)
    size = (posterior.sizes["chain"], posterior.sizes["draw"])
    weights = np.maximum(draws.weights, np.finfo(np.float64).tiny)
    yield "entropy of pi", -np.sum(weights * np.log(weights), axis=1).reshape(size)
    points = _points(fit)
    rows = fit.mixture.rows(np.array(list(points.values())))
    at = np.concatenate([values for _, values in log_densities(rows, draws)], axis=1)
    for name, values in zip(points, at.T, strict=True):
        yield f"log density {name}", values.reshape(size)


def _points(fit: Fit) -> dict[str, FloatArray]:
    """The fit's means, and the points halfway from each to the nearest other one."""
    means, k = fit.means, range(fit.n_components)
    points = {f"at mean {i}": means[i] for i in k}
    scaled = means / fit.mixture.scale
    for i in k:
        others = [j for j in k if j != i]
        if others:
            j = min(others, key=lambda j: float(np.sum((scaled[i] - scaled[j]) ** 2)))
            a, b = sorted((i, j))
            points[f"between means {a} and {b}"] = (means[a] + means[b]) / 2
    return points


def varying(elements: Iterable[tuple[str, FloatArray]]) -> dict[str, FloatArray]:
    """The elements that are not constant over the draws."""
    return {name: values for name, values in elements if np.ptp(values) > 0}


def relative_efficiency(posterior: xr.Dataset, fit: Fit) -> float:
    """Mean effective over actual number of draws, at most 1, whatever the labels.

    Of the entropy of pi and the mixture's density at and between the fit's means.
    """
    from arviz_stats.base import array_stats

    ess = [
        float(array_stats.ess(values, method="mean"))
        for values in varying(invariants(posterior, fit)).values()
    ]
    total = posterior.sizes["chain"] * posterior.sizes["draw"]
    return min(1.0, float(np.mean(ess)) / total)


def _elements(variable: xr.DataArray) -> dict[str, FloatArray]:
    """The (chain, draw) arrays of the elements that vary, symmetric ones once."""
    ordered = variable.transpose("chain", "draw", ...)
    array = ordered.to_numpy()
    along = [ordered[dim].to_numpy().tolist() for dim in ordered.dims[2:]]

    def name(index: tuple[int, ...]) -> str:
        places = ", ".join(str(labels[i]) for labels, i in zip(along, index, strict=True))
        return f"{variable.name}[{places}]".removesuffix("[]")

    return varying(
        (name(index), array[(..., *index)])
        for index in np.ndindex(*array.shape[2:])
        if len(index) < 3 or index[1] <= index[2]
    )
