"""Convergence of chains whose number of components changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from ..em.result import Fit
from ..utils.display import Displayed, beyond
from .diagnostics.diagnostics import (
    MAX_RHAT,
    MIN_ESS_PER_CHAIN,
    Quantity,
    invariants,
    quantity_of,
    varying,
)

if TYPE_CHECKING:
    import pandas as pd

#: Quantities of every draw, by their names in the tree.
COUNTED = {
    "n_components": "K",
    "n_filled": "K+",
    "concentration": "concentration",
    "loglik": "log-likelihood",
}


@dataclass(frozen=True, slots=True, repr=False)
class ComponentsDiagnostics(Displayed):
    """Convergence of quantities that do not depend on labels.

    Attributes
    ----------
    chains, draws : int
        Number of chains, and of draws in each.
    quantities : tuple of Quantity
        K, the number of components that hold rows, the concentration if it is random, the
        log-likelihood, the entropy of pi, and the log density at and between the fit's means.
    """

    chains: int
    draws: int
    quantities: tuple[Quantity, ...]

    @property
    def rhat(self) -> float:
        """The largest r-hat."""
        return max((q.rhat for q in self.quantities if not math.isnan(q.rhat)), default=math.nan)

    @property
    def ess(self) -> float:
        """The smallest effective sample size, bulk or tail."""
        return min((q.ess for q in self.quantities), default=math.nan)

    @property
    def table(self) -> pd.DataFrame:
        """All quantities: r_hat, ess_bulk, ess_tail."""
        import pandas as pd

        return pd.DataFrame(
            [(q.rhat, q.ess_bulk, q.ess_tail) for q in self.quantities],
            index=[q.name for q in self.quantities], columns=["r_hat", "ess_bulk", "ess_tail"],
        )  # fmt: skip

    @property
    def problems(self) -> list[str]:
        """Problems, each with what to do about it; empty if there are none."""
        found = []
        if self.chains < 2:
            found.append("One chain only: run at least 4 (chains=4), or r-hat can show nothing.")
        for q in sorted(self.quantities, key=lambda q: -q.rhat)[:1]:
            if q.rhat > MAX_RHAT:
                found.append(
                    f"R-hat of {q.name} is {beyond(q.rhat, MAX_RHAT, 3)} (at most {MAX_RHAT} is "
                    "good): the chains disagree; raise thin, draws and tune."
                )
        least = MIN_ESS_PER_CHAIN * self.chains
        for q in sorted(self.quantities, key=lambda q: q.ess)[:1]:
            if q.ess < least:
                found.append(
                    f"Effective sample size of {q.name} is {beyond(q.ess, least, 0)} (at least "
                    f"{least} is good): raise thin or draws."
                )
        return found

    def _title(self) -> str:
        return f"Convergence of {self.chains} chains of {self.draws} draws"

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("r-hat", f"at most {self.rhat:.3f}; at most {MAX_RHAT} is good"),
            ("ESS", f"at least {self.ess:.0f}; {MIN_ESS_PER_CHAIN * self.chains} is good"),
            ("problems", " ".join(self.problems) or "none found; .table has every quantity"),
        ]


def diagnose_components(posterior: xr.Dataset, fit: Fit) -> ComponentsDiagnostics:
    """The diagnostics of draws of different numbers of components."""
    counted = [
        (label, posterior[name].transpose("chain", "draw").to_numpy().astype(float))
        for name, label in COUNTED.items()
        if name in posterior
    ]
    found = varying([*counted, *invariants(posterior, fit)])
    return ComponentsDiagnostics(
        posterior.sizes["chain"],
        posterior.sizes["draw"],
        tuple(quantity_of(name, True, values) for name, values in found.items()),
    )
