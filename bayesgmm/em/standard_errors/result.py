"""Standard errors of a fit's parameters, and confidence intervals from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtri

from ...utils.matrices import diagonals
from ...utils.types import FloatArray
from ..noisy_fit import NoisyFit
from ..result import Fit

if TYPE_CHECKING:
    import pandas as pd


# Share of the replicates that may fail, move or not converge without a note in the advice.
_MANY = 0.05
# A standard deviation so many times that of a normal with the same quartiles is due to few values.
_HEAVY = 1.5
_QUARTILES = 1.349


class Estimates(NamedTuple):
    """One number for each parameter: weights (K,), means (K, d), covariances (K, d, d).

    noise (1,) is of the share of noise, empty without. There may be leading axes, as for
    replicates.
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    noise: FloatArray = np.empty(0)

    @classmethod
    def of(cls, fit: Fit) -> Estimates:
        """The estimates of a fit."""
        share = [fit.noise_share] if isinstance(fit, NoisyFit) else []
        return cls(fit.weights, fit.means, fit.covariances, np.array(share))

    def map(self, function: Callable[..., FloatArray], *others: Estimates) -> Estimates:
        """The function of each array (and of the others' array of that name)."""
        return Estimates(*(function(*arrays) for arrays in zip(self, *others, strict=True)))


@dataclass(frozen=True, eq=False)
class StandardErrors:
    """Standard errors of a fit's parameters.

    Attributes
    ----------
    fit : Fit
        The estimates.
    method : str
        "bootstrap", "weighted", "parametric", "jackknife", "information" or "sandwich".
    se : Estimates
        Standard errors of proportions (K,), means (K, d) and covariances (K, d, d), in the units
        of these; also as `weights`, `means`, `covariances` and `noise_share`.
    replicates : Estimates or None
        The replicates' estimates, (B, K), (B, K, d) and (B, K, d, d), in the fit's labels; None
        for the jackknife, the information and the sandwich.
    failed : int
        Replicates that ended at or beside a singular covariance; they are left out.
    unconverged : int
        Replicates stopped by max_iter; they are included.
    moved : int
        Replicates whose components came out in another order than the fit's, and were put back.
    notes : tuple of str
        Reasons for care that the information gives; `advice` has all.
    interrupted : bool
        Whether Ctrl-C stopped the replicates: there are fewer than were asked for.
    """

    fit: Fit
    method: str
    se: Estimates
    replicates: Estimates | None = None
    failed: int = 0
    unconverged: int = 0
    moved: int = 0
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def weights(self) -> FloatArray:
        """Standard errors of the proportions, (K,)."""
        return self.se.weights

    @property
    def means(self) -> FloatArray:
        """Standard errors of the means, (K, d)."""
        return self.se.means

    @property
    def covariances(self) -> FloatArray:
        """Standard errors of the covariances, (K, d, d); 0 where the family fixes them."""
        return self.se.covariances

    @property
    def noise_share(self) -> float:
        """Standard error of the share of noise; 0 of a fit without."""
        return float(self.se.noise.sum())

    def interval(self, level: float = 0.95) -> tuple[Estimates, Estimates]:
        """Lower and upper ends of the confidence intervals, each parameter for itself.

        Percentiles of the replicates; without these normal ones, of the proportions on the
        logit and of the variances on the log scale.

        Raises
        ------
        ValueError
            A level outside (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"level is {level!r}: pass a number between 0 and 1, such as 0.95.")
        tails = (0.5 * (1 - level), 0.5 * (1 + level))
        if self.replicates is not None:
            low, high = (
                self.replicates.map(lambda a, q=q: np.asarray(np.quantile(a, q, axis=0)))
                for q in tails
            )
            return low, high
        low, high = (self._normal(float(ndtri(q))) for q in tails)
        return low, high

    def _normal(self, z: float) -> Estimates:
        """Estimates plus z standard errors, on scales that keep them within their ranges."""
        pi, variances = self.fit.weights, diagonals(self.fit.covariances)
        covariances = self.fit.covariances + z * self.covariances
        i = np.arange(self.fit.d)
        covariances[:, i, i] = variances * np.exp(z * self.covariances[:, i, i] / variances)
        noise = _on_logits(Estimates.of(self.fit).noise, z * self.se.noise)
        weights = _on_logits(pi, z * self.weights)
        return Estimates(weights, self.fit.means + z * self.means, covariances, noise)

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row per parameter: estimate, standard error and ends of the interval.

        Columns: component, parameter ("pi", "mean waiting", "var waiting", "cov eruptions,
        waiting"), estimate, se, low, high.
        """
        import pandas as pd

        fit, (low, high) = self.fit, self.interval(level)
        arrays = [Estimates.of(fit), self.se, low, high]
        rows = [
            [fit.components[k], name, *(getattr(array, field)[k, *index] for array in arrays)]
            for k in range(fit.n_components)
            for name, field, index in self._parameters()
        ]
        if isinstance(fit, NoisyFit):
            rows.append(["noise", "pi", *(float(array.noise[0]) for array in arrays)])
        columns = ["component", "parameter", "estimate", "se", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def _parameters(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Name, array and place in it of every parameter of a component."""
        names, d = self.fit.names, self.fit.d
        out: list[tuple[str, str, tuple[int, ...]]] = [("pi", "weights", ())]
        out += [(f"mean {name}", "means", (j,)) for j, name in enumerate(names)]
        out += [(f"var {name}", "covariances", (j, j)) for j, name in enumerate(names)]
        if not (self.fit.family.diagonal or self.fit.family.spherical):
            pairs = ((i, j) for i in range(d) for j in range(i + 1, d))
            out += [(f"cov {names[i]}, {names[j]}", "covariances", (i, j)) for i, j in pairs]
        return out

    @property
    def advice(self) -> str:
        """Reasons for care with these standard errors; "" if there are none."""
        notes = list(self.notes)
        if self.replicates is None:
            return " ".join(notes)
        made = len(self.replicates.weights) + self.failed
        if self.interrupted:
            notes.append(f"Interrupted after {made} replicates.")
        if self.failed:
            note = f"{self.failed} of {made} replicates had no sound fit and are left out"
            if self.failed > _MANY * made:
                note += (
                    ": the rest understate the spread, so do not rely on these standard errors; "
                    "use fewer components, a family with fewer parameters, or a prior"
                )
            notes.append(note + ".")
        if self.unconverged > _MANY * made:
            notes.append(
                f"{self.unconverged} of {made} replicates were stopped by max_iter: raise it."
            )
        if self.moved > _MANY * made:
            notes.append(
                f"{self.moved} of {made} replicates had their components in another order: they "
                "are hard to tell apart, and parameters of single components mean little."
            )
        heavy = self._heavy()
        if heavy:
            notes.append(
                f"The standard errors of {heavy} are due to few replicates far from the others: "
                "use the intervals."
            )
        return " ".join(notes)

    def _heavy(self) -> str:
        """The component and parameter with the longest-tailed replicates; "" if none is long."""
        if self.replicates is None or len(self.replicates.weights) < 20:
            return ""
        worst, what = _HEAVY, ""
        for k in range(self.fit.n_components):
            for name, field, index in self._parameters():
                values = getattr(self.replicates, field)[:, k, *index]
                q1, q3 = np.quantile(values, [0.25, 0.75])
                ratio = np.std(values) * _QUARTILES / (q3 - q1) if q3 > q1 else 0.0
                if ratio > worst:
                    worst, what = float(ratio), f"component {k} (first among them: {name})"
        return what

    def to_text(self, level: float = 0.95) -> str:
        """The estimates, their standard errors and intervals of this level, to print."""
        lines = [self._title(), self.advice, ""]
        table = self.to_frame(level).to_string(index=False, float_format=lambda v: f"{v:.4g}")
        return "\n".join(line for line in lines if line) + "\n" + str(table)

    def _title(self) -> str:
        fit = self.fit
        text = f"Standard errors by {self.method}, {fit.model_name}, K = {fit.n_components}"
        if self.replicates is not None:
            text += f", {len(self.replicates.weights)} replicates"
        return text

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, border=0, float_format=lambda v: f"{v:.4g}")
        advice = f"<p>{escape(self.advice)}</p>" if self.advice else ""
        return f"<p><b>{escape(self._title())}</b></p>{advice}{table}"


def _on_logits(shares: FloatArray, away: FloatArray) -> FloatArray:
    """Shares moved by so much, to first order, on the scale of their logits."""
    odds = np.exp(away / np.where(shares < 1, shares * (1 - shares), 1.0))
    return np.asarray(shares * odds / (1 - shares + shares * odds))
