"""What a report says of noise: how much there is, and what another density of it would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.data import Data
from ..em.noise_sensitivity import noise_sensitivity
from ..em.noisy_fit import NoisyFit
from ..em.result import Fit

if TYPE_CHECKING:
    import pandas as pd

# Densities that are tried, relative to the fit's; a share of rows that move with the nearest of
# them beyond which the noise is said to rest on its density.
_FACTORS = (0.01, 0.1, 0.3, 1.0, 3.0)
_NEAR, _MANY = (0.3, 3.0), 0.05


@dataclass(frozen=True, slots=True, eq=False)
class NoiseReport:
    """The noise of a fit, the rows n_rows of n that are most probably noise, and `table`.

    The table is that of `noise_sensitivity`.
    """

    fit: NoisyFit
    n_rows: float
    n: float
    table: pd.DataFrame

    @classmethod
    def of(cls, data: Data, fit: Fit) -> NoiseReport | None:
        """What there is to say; None of a fit without noise."""
        if not isinstance(fit, NoisyFit):
            return None
        table = noise_sensitivity(data, fit, _FACTORS, sample_weight=data.weights)
        return cls(fit, float(table.loc[1.0, "noise_rows"]), data.size, table)

    def sentences(self) -> list[str]:
        """How much noise there is, what it is, and how much that rests on its density."""
        fit = self.fit
        how = "one over the volume of the data" if fit.volume_estimated else "as given"
        text = [
            f"A uniform component stands for rows that belong to none of the others: its share is "
            f"{fit.noise_share:.1%}, and {self.n_rows:.10g} of {self.n:.10g} rows are most "
            f"probably noise. Its density is {fit.noise_density:.3g} everywhere ({how}).",
        ]
        moved = self.table.loc[list(_NEAR), "moved"].to_numpy() / self.n
        if np.any(moved > _MANY):
            text.append(
                f"That rests on this density: with one of {_NEAR[0]:g} or {_NEAR[1]:g} times as "
                f"much up to {moved.max():.0%} of the rows change between components and noise. "
                "Whether such rows are noise is then not in the data."
            )
        else:
            text.append(
                f"It hardly rests on this density: with one of {_NEAR[0]:g} or {_NEAR[1]:g} times "
                f"as much at most {moved.max():.1%} of the rows change."
            )
        return text

    def shown(self) -> pd.DataFrame:
        """The table in words, a row for each density relative to the fit's."""
        found = self.table.drop(columns="loglik").rename(
            columns={"noise_rows": "rows of noise", "moved": "rows that change"}
        )
        shown = found.map(lambda value: f"{value:.3g}").rename_axis(None)
        return shown.set_axis([f"{factor:g} times" for factor in found.index])
