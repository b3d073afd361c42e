"""Hyperparameters of a prior: a number, a matrix, or itself random (`Gamma`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from ..utils.types import FloatArray
from ..utils.validation import positive, real_array


@final
@dataclass(frozen=True, eq=False)
class Gamma:
    """A hyperparameter that is random: Gamma(shape, rate), of mean shape / rate.

    Parameters
    ----------
    shape : float
        Positive.
    rate : float or array (d,)
        Positive: one number, or one for each column (independent gammas).

    Raises
    ------
    ValueError
        A shape or rate that is not positive and finite.

    Examples
    --------
    >>> from bayesgmm import Gamma
    >>> Gamma(1, 20).mean
    0.05
    """

    shape: float
    rate: float | FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", positive(self.shape, "Gamma shape"))
        rate = real_array(self.rate, "Gamma rate")
        if rate.ndim > 1 or not np.all(np.isfinite(rate) & (rate > 0)):
            raise ValueError(
                f"Gamma rate is {self.rate!r}: pass a positive number, or one for each column."
            )
        rate.flags.writeable = False
        object.__setattr__(self, "rate", rate if rate.ndim else float(rate))

    @property
    def mean(self) -> float | FloatArray:
        """Shape / rate."""
        return self.shape / self.rate

    def times(self, factor: float) -> Gamma:
        """The distribution of `factor` times the hyperparameter.

        Parameters
        ----------
        factor : float
            A positive number.

        Returns
        -------
        Gamma
        """
        return Gamma(self.shape, self.rate / factor)

    def draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        """Draws (size,), or (size, d) where there is a rate for each column.

        Parameters
        ----------
        rng : Generator
            The random stream.
        size : int
            Number of draws.

        Returns
        -------
        array (size,)
        """
        return rng.gamma(self.shape, size=(size, *np.shape(self.rate))) / self.rate

    def to_dict(self) -> dict[str, Any]:
        """Shape and rate as plain numbers and lists.

        Returns
        -------
        dict
        """
        return {"shape": self.shape, "rate": np.asarray(self.rate).tolist()}

    def __str__(self) -> str:
        return f"Gamma({self.shape:.4g}, {show(np.atleast_1d(self.rate))})"


def gamma_or(value: Any) -> Any:
    """The value, or the Gamma that its dictionary (`Gamma.to_dict`) stands for."""
    return Gamma(**value) if isinstance(value, Mapping) else value


def plain(value: Any) -> Any:
    """A hyperparameter as numbers, texts and lists."""
    if hasattr(value, "to_dict"):  # a Gamma, an LKJ
        return value.to_dict()
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


def concentration_or_gamma(value: Any) -> float | Gamma:
    """A Dirichlet concentration: a positive number, or one that is random."""
    value = gamma_or(value)
    if not isinstance(value, Gamma):
        return positive(value, "prior concentration")
    if np.ndim(value.rate) > 0:
        raise ValueError(f"prior concentration is {value}: it is one number, pass one rate.")
    return value


def positive_definite(value: ArrayLike, d: int, name: str) -> FloatArray:
    """A (d, d) positive definite matrix, read-only; a vector stands for its diagonal."""
    matrix = real_array(value, name)
    if matrix.ndim == 0 and d == 1:
        matrix = matrix.reshape(1)
    if matrix.ndim == 1 and len(matrix) == d:
        matrix = np.diag(matrix)
    if matrix.shape != (d, d):
        raise ValueError(
            f"{name} has shape {np.shape(value)}: for {d} columns pass ({d},) or ({d}, {d})."
        )
    symmetric = np.allclose(matrix, matrix.T, rtol=1e-10, atol=0)
    scale = np.sqrt(np.abs(np.diagonal(matrix)))
    if (
        not symmetric
        or not np.all(np.isfinite(matrix))
        or not np.all(np.diagonal(matrix) > 0)
        or np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] <= 1e-14
    ):
        raise ValueError(
            f"{name} is not symmetric positive definite: {matrix.tolist()}; pass a covariance, or "
            "positive variances."
        )
    matrix.flags.writeable = False
    return matrix


def show(x: FloatArray) -> str:
    """Numbers to four digits; a diagonal matrix by its diagonal."""
    if x.ndim == 2:
        diagonal = np.diagonal(x)
        if len(x) == 1:
            return f"{x[0, 0]:.4g}"
        if np.array_equal(x, np.diag(diagonal)):
            return f"diag{show(diagonal.copy())}"
        return "[" + ", ".join(show(row) for row in x) + "]"
    if len(x) == 1:
        return f"{x[0]:.4g}"
    return "(" + ", ".join(f"{v:.4g}" for v in x) + ")"
