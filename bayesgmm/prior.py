"""One prior for both sides: what EM maximises under it, PyMC samples from.

    pi ~ Dirichlet(a, ..., a)     mu_k ~ Normal(b0, B0)     Sigma_k ~ InverseWishart(nu, Psi)

On a constrained family the inverse-Wishart density is restricted to the family: its kernel
|Sigma|^-(nu+d+1)/2 exp(-tr(Psi Sigma^-1)/2) enters once per *distinct* covariance matrix, so a
covariance common to all components has one inverse-Wishart prior and not K of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, multigammaln

from .data import as_data
from .families import Family
from .kernels.contract import FloatArray, Parameters
from .pseudo_data import log_kernel

if TYPE_CHECKING:
    import pandas as pd

# Mean of the default covariance prior: (0.02^(1/2) range)^2, as the prior mean of Richardson &
# Green (1997, section 2.4), beta's mean over alpha - 1, gives for one column.
_COVARIANCE_IN_SQUARED_RANGES = 0.02


@dataclass(frozen=True, eq=False)
class Prior:
    """Prior of a Gaussian mixture, every hyperparameter open.

    Parameters
    ----------
    mean : array (d,)
        b0, prior mean of every component mean, in the data's units.
    mean_covariance : array (d, d) or (d,)
        B0, prior covariance (or variances) of every component mean.
    dof : float
        nu > d - 1, degrees of freedom of the inverse Wishart.
    scale : array (d, d) or (d,)
        Psi, scale matrix (or its diagonal) of the inverse Wishart, whose mean is
        Psi / (nu - d - 1).
    concentration : float
        a > 0 of the symmetric Dirichlet prior of the proportions; 1 is uniform.

    Raises
    ------
    ValueError
        A shape that does not fit, a matrix that is not positive definite, nu <= d - 1, a <= 0.

    Notes
    -----
    For one column InverseWishart(nu, Psi) is the inverse gamma of shape nu/2 and scale Psi/2:
    `Prior.univariate` takes those two. A diagonal family has independent inverse gammas of shape
    (nu + d - 1)/2 and scales Psi_jj/2, a spherical one an inverse gamma of shape
    d(nu + d + 1)/2 - 1 and scale tr(Psi)/2 (the restricted densities).

    Examples
    --------
    >>> from bayesgmm import Prior
    >>> prior = Prior(mean=[4, 76], mean_covariance=[12.25, 2809], dof=6, scale=[0.735, 168.54])
    >>> prior.scale.shape
    (2, 2)
    """

    mean: FloatArray
    mean_covariance: FloatArray
    dof: float
    scale: FloatArray
    concentration: float = 1.0

    def __post_init__(self) -> None:
        mean = np.atleast_1d(np.array(self.mean, dtype=np.float64))
        if mean.ndim != 1 or not np.all(np.isfinite(mean)):
            raise ValueError(f"prior mean is {self.mean!r}: pass one finite number per column.")
        d = len(mean)
        mean.flags.writeable = False
        object.__setattr__(self, "mean", mean)
        for field in ("mean_covariance", "scale"):
            object.__setattr__(self, field, _positive_definite(getattr(self, field), d, field))
        for field in ("dof", "concentration"):
            object.__setattr__(self, field, _number(getattr(self, field), field))
        if not (np.isfinite(self.dof) and self.dof > d - 1):
            raise ValueError(f"prior dof is {self.dof}: it must exceed d - 1 = {d - 1}.")
        if not (np.isfinite(self.concentration) and self.concentration > 0):
            raise ValueError(f"prior concentration is {self.concentration}: it must be positive.")

    @classmethod
    def from_data(cls, x: Any, columns: Sequence[str] | None = None) -> Prior:
        """Weakly informative default from the ranges R_j of the columns.

        a = 1; b0 the midranges and B0 = diag(R^2) (Richardson & Green 1997, JRSS B 59, 731-792,
        section 2.4); nu = d + 4 and Psi = 0.06 diag(R^2), so that the covariances have mean
        0.02 diag(R^2) (a standard deviation of 14 % of the range) and finite variance.

        Parameters
        ----------
        x : array-like (n, d)
            The data, as for `fit`.
        columns : sequence of str, optional
            Columns to use.
        """
        data = as_data(x, columns)
        ranges = data.high - data.low
        dof = data.d + 4.0
        mean = data.low + 0.5 * ranges
        psi = _COVARIANCE_IN_SQUARED_RANGES * (dof - data.d - 1.0) * ranges**2
        return cls(mean, ranges**2, dof, psi)

    @classmethod
    def univariate(
        cls, mean: float, variance: float, shape: float, scale: float, concentration: float = 1.0
    ) -> Prior:
        """Prior for one column: mu ~ Normal(mean, variance), sigma^2 ~ InverseGamma(shape, scale).

        Examples
        --------
        >>> from bayesgmm import Prior
        >>> Prior.univariate(mean=20, variance=100, shape=3, scale=20).dof
        6.0
        """
        return cls(np.array([mean]), np.array([variance]), 2 * shape, np.array([2 * scale]),
                   concentration)  # fmt: skip

    @property
    def d(self) -> int:
        """Number of columns."""
        return len(self.mean)

    def inverse_gamma(self, family: Family) -> tuple[float, FloatArray]:
        """Shape and scales of the variances' inverse-gamma prior in a diagonal or spherical family.

        Returns the shape and the scales: (1,) for a spherical family, (d,) for a diagonal one.
        """
        if family.spherical:
            shape = 0.5 * self.d * (self.dof + self.d + 1) - 1
            return shape, np.array([0.5 * np.trace(self.scale)])
        return 0.5 * (self.dof + self.d - 1), 0.5 * np.diagonal(self.scale).copy()

    def log_density(self, parameters: Parameters, family: Family, center: FloatArray) -> float:
        """Log prior density of the parameters (means given about `center`).

        With respect to the free elements of (pi, mu) and of the distinct covariances: all of
        Sigma's for full families, its variances for diagonal ones, lambda for spherical ones.
        Normalised for those; for a family that restricts Sigma in other ways the restricted
        density's constant is not known and left out.
        """
        n_components, d = parameters.means.shape
        covariances = parameters.covariances.reshape(n_components, -1, d)
        if family.spherical or family.diagonal:  # by their variances, whatever form they come in
            index = np.arange(d)
            if covariances.shape[1] > 1:
                covariances = covariances[:, index, index][:, None, :]
        kernel = log_kernel(
            *family.codes,
            self.packed(center),
            np.array(parameters.weights, dtype=np.float64, order="C"),
            np.array(parameters.means, dtype=np.float64, order="C"),
            np.array(covariances, dtype=np.float64, order="C"),
        )
        return float(kernel) + self.log_constant(family, n_components)

    def log_constant(self, family: Family, n_components: int) -> float:
        """What `log_density` has besides the kernel: a number for each family and K."""
        d, a = self.d, self.concentration
        total = float(gammaln(n_components * a) - n_components * gammaln(a))
        half_log_det = 0.5 * np.linalg.slogdet(self.mean_covariance)[1]
        total -= n_components * (float(half_log_det) + 0.5 * d * np.log(2 * np.pi))
        distinct = 1 if family.common else n_components
        if family.name in ("EEE", "VVV"):
            total += distinct * (
                0.5 * self.dof * float(np.linalg.slogdet(self.scale)[1])
                - 0.5 * self.dof * d * np.log(2.0)
                - float(multigammaln(0.5 * self.dof, d))
            )
        elif family.spherical or family.name in ("EEI", "VVI"):
            shape, scale = self.inverse_gamma(family)
            total += distinct * float(np.sum(shape * np.log(scale) - gammaln(shape)))
        return total

    def packed(self, center: FloatArray) -> FloatArray:
        """The hyperparameters about `center`, as compiled code reads them (`pseudo_data`)."""
        return np.concatenate([
            [self.concentration, self.dof],
            self.mean - center,  # rounded once, so that an offset of the data adds no noise
            self.mean_covariance.ravel(),
            np.linalg.cholesky(self.mean_covariance).ravel(),
            self.scale.ravel(),
        ])  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The hyperparameters as plain numbers and lists: Prior(**prior.to_dict()) is the same."""
        return {
            "mean": self.mean.tolist(),
            "mean_covariance": self.mean_covariance.tolist(),
            "dof": self.dof,
            "scale": self.scale.tolist(),
            "concentration": self.concentration,
        }

    def to_frame(self) -> pd.DataFrame:
        """The prior in words, one row per parameter."""
        import pandas as pd

        d = self.d
        a = f"{self.concentration:g}"
        rows = [
            ("pi", f"Dirichlet({a}, ..., {a})", "uniform" if self.concentration == 1 else ""),
            ("mu_k", f"Normal({_show(self.mean)}, {_show(self.mean_covariance)})",
             "independent of Sigma_k"),
            ("Sigma_k", f"InverseWishart({self.dof:g}, {_show(self.scale)})"
             if d > 1 else f"InverseGamma({self.dof / 2:g}, {self.scale[0, 0] / 2:g})",
             f"mean {_show(self.scale / (self.dof - d - 1))}" if self.dof > d + 1
             else "no finite mean"),
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["parameter", "prior", "note"])

    def __repr__(self) -> str:
        lines = (f"  {p:8s}~ {text}" for p, text, _ in self.to_frame().itertuples(index=False))
        return "Prior\n" + "\n".join(lines)


def _show(x: FloatArray) -> str:
    """Numbers to four digits; a diagonal matrix by its diagonal."""
    if x.ndim == 2:
        diagonal = np.diagonal(x)
        if len(x) == 1:
            return f"{x[0, 0]:.4g}"
        if np.array_equal(x, np.diag(diagonal)):
            return f"diag{_show(diagonal.copy())}"
        return "[" + ", ".join(_show(row) for row in x) + "]"
    if len(x) == 1:
        return f"{x[0]:.4g}"
    return "(" + ", ".join(f"{v:.4g}" for v in x) + ")"


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"prior {name} is {value!r}: pass a number.") from None


def _positive_definite(value: ArrayLike, d: int, name: str) -> FloatArray:
    """A (d, d) positive definite matrix; a vector stands for its diagonal."""
    matrix = np.array(value, dtype=np.float64)
    if matrix.ndim == 0 and d == 1:
        matrix = matrix.reshape(1)
    if matrix.ndim == 1 and len(matrix) == d:
        matrix = np.diag(matrix)
    if matrix.shape != (d, d):
        raise ValueError(
            f"prior {name} has shape {np.shape(value)}: for {d} columns pass ({d},) or ({d}, {d})."
        )
    symmetric = np.allclose(matrix, matrix.T, rtol=1e-10, atol=0)
    scale = np.sqrt(np.abs(np.diagonal(matrix)))
    if (
        not symmetric
        or not np.all(np.isfinite(matrix))
        or not np.all(np.diagonal(matrix) > 0)
        or np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] <= 1e-14
    ):
        raise ValueError(f"prior {name} is not symmetric positive definite: {matrix.tolist()}.")
    matrix.flags.writeable = False
    return matrix
