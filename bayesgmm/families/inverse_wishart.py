"""The inverse Wishart prior of covariances, restricted to a family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.special import gammaln, multigammaln

from ..utils.types import FloatArray
from ..utils.validation import number
from .family import Family
from .hyperparameters import Gamma, gamma_or, positive_definite, show


@final
@dataclass(frozen=True, eq=False)
class InverseWishart:
    """Sigma ~ InverseWishart(nu, Psi), whose mean is Psi / (nu - d - 1).

    dof is nu > d - 1; scale is Psi (d, d), a vector (d,) that stands for its diagonal, or a `Gamma`
    of one or d rates: Psi is then diagonal and random. A family that restricts Sigma has the
    restricted density: a diagonal one independent inverse gammas of shape (nu + d - 1)/2 and scales
    Psi_jj/2, a spherical one an inverse gamma of shape d(nu + d + 1)/2 - 1 and scale tr(Psi)/2.

    Raises
    ------
    ValueError
        nu <= d - 1, or a scale that is not a positive definite matrix of d columns.
    """

    d: int
    dof: float
    scale: FloatArray | Gamma

    def __post_init__(self) -> None:
        dof = number(self.dof, "prior dof")
        if not (np.isfinite(dof) and dof > self.d - 1):
            raise ValueError(f"prior dof is {dof}: it must exceed d - 1 = {self.d - 1}.")
        object.__setattr__(self, "dof", dof)
        object.__setattr__(self, "scale", _scale(gamma_or(self.scale), self.d))

    @property
    def random_scale(self) -> bool:
        """Whether Psi is random itself."""
        return isinstance(self.scale, Gamma)

    @property
    def expected_scale(self) -> FloatArray:
        """Psi (d, d), or its prior mean if it is random."""
        return np.diag(self.scale.mean) if isinstance(self.scale, Gamma) else self.scale

    def inverse_gamma(self, family: Family, scale: Any = None) -> tuple[float, Any]:
        """Shape and scales of the variances' inverse-gamma prior in a diagonal or spherical family.

        Returns the shape and the scales: (1,) for a spherical family, (d,) for a diagonal one.
        scale (..., d) is Psi's diagonal where that is random; left out, that of `expected_scale`.
        """
        psi = np.diagonal(self.expected_scale) if scale is None else scale
        if family.spherical:
            return 0.5 * self.d * (self.dof + self.d + 1) - 1, 0.5 * psi.sum(-1, keepdims=True)
        return 0.5 * (self.dof + self.d - 1), 0.5 * psi

    def log_constant(self, family: Family) -> float:
        """Log normalising constant of one covariance's density; 0 where it is not known."""
        if not family.conjugate:
            return 0.0
        if family.spherical or family.diagonal:
            shape, scale = self.inverse_gamma(family)
            return float(np.sum(shape * np.log(scale) - gammaln(shape)))
        half = 0.5 * self.dof
        log_det = float(np.linalg.slogdet(self.expected_scale)[1])
        return half * log_det - half * self.d * np.log(2.0) - float(multigammaln(half, self.d))

    def in_words(self) -> tuple[str, str, str]:
        """The parameter, its distribution and a note."""
        d, psi = self.d, self.scale
        if isinstance(psi, Gamma):
            scale, half = "diag(scale)", "scale / 2"
        else:
            scale, half = show(psi), f"{psi[0, 0] / 2:g}"
        text = f"InverseWishart({self.dof:g}, {scale})"
        if d == 1:
            text = f"InverseGamma({self.dof / 2:g}, {half})"
        note = "no finite mean"
        if self.dof > d + 1:
            note = f"mean {show(self.expected_scale / (self.dof - d - 1))}"
        return "Sigma_k", text, note


def _scale(value: Any, d: int) -> FloatArray | Gamma:
    if not isinstance(value, Gamma):
        return positive_definite(value, d, "prior scale")
    if np.shape(value.rate) not in ((), (d,)):
        raise ValueError(
            f"prior scale has rates of shape {np.shape(value.rate)}: for {d} columns pass one "
            f"number or ({d},)."
        )
    return Gamma(value.shape, np.broadcast_to(value.rate, (d,)))
