"""Free coordinates of a mixture's variables, in which every draw is a vector of real numbers.

A vector holds, one after another, the logarithms of random hyperparameters, PyMC's simplex
coordinates of pi (Aitchison's centred log-ratios without the last), the logit of a share of noise
where there is one, the means about the data's
centre, and the coordinates of the covariances' variables. PyMC uses the same coordinates for
`build_model`'s model, but for the centre. Samplers move in these coordinates, and the evidence is
an integral over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..families.hyperparameters import Gamma
from ..families.parametrisation.base import Parametrisation
from ..families.parametrisation.transforms import Log, Logit, LogRatios, Offset, Transform
from ..mixture.prior import Prior
from ..utils.types import FloatArray


@dataclass(frozen=True, slots=True)
class Piece:
    """One variable: the shape of a value, and the transform to its coordinates."""

    name: str
    shape: tuple[int, ...]
    transform: Transform

    @property
    def free_shape(self) -> tuple[int, ...]:
        """The shape of a value's coordinates."""
        return self.transform.free_shape(self.shape)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return int(np.prod(self.free_shape))


@dataclass(frozen=True)
class Space:
    """The coordinates of all variables of a model.

    Attributes
    ----------
    pieces : tuple of Piece
        In the order of the coordinates.
    """

    pieces: tuple[Piece, ...]

    @classmethod
    def of(
        cls, parametrisation: Parametrisation, prior: Prior, center: FloatArray, noise: bool = False
    ) -> Space:
        """The space of `build_model`'s variables, for data centred there; with a share of noise."""
        k, d = parametrisation.n_components, parametrisation.d
        pieces = []
        if prior.random_concentration and k > 1:
            pieces.append(Piece("concentration", (), Log()))
        if isinstance(prior.scale, Gamma):
            pieces.append(Piece("scale", (d,), parametrisation.scale_transform(prior.scale)))
        if k > 1:
            pieces.append(Piece("pi", (k,), LogRatios()))
        if noise:
            pieces.append(Piece("noise_share", (), Logit()))
        pieces.append(Piece("mu", (k, d), Offset(center)))
        pieces += [
            Piece(v.name, parametrisation.shape(v), v.transform) for v in parametrisation.variables
        ]
        return cls(tuple(pieces))

    @property
    def size(self) -> int:
        """Number P of coordinates."""
        return sum(piece.size for piece in self.pieces)

    def log_measure(self, free: FloatArray) -> Any:
        """Log density (...) of the rotations' uniform distribution at coordinates (..., P).

        It differs among the several orientations of the same Sigma; nothing else in lp does.
        """
        total, at = np.zeros(free.shape[:-1]), 0
        for piece in self.pieces:
            part = free[..., at : at + piece.size].reshape((*free.shape[:-1], *piece.free_shape))
            total = total + piece.transform.log_measure(part)
            at += piece.size
        return total

    def values(self, free: FloatArray) -> dict[str, FloatArray]:
        """The variables (..., *shape) at coordinates (..., P)."""
        out, at = {}, 0
        for piece in self.pieces:
            part = free[..., at : at + piece.size].reshape((*free.shape[:-1], *piece.free_shape))
            out[piece.name] = piece.transform.backward(part)
            at += piece.size
        return out

    def free(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """The coordinates (..., P) of values (..., *shape) of each variable."""
        parts = []
        for piece in self.pieces:
            value = np.asarray(values[piece.name])
            front = value.shape[: value.ndim - len(piece.shape)]
            parts.append(piece.transform.forward(value).reshape(*front, piece.size))
        return np.concatenate(parts, axis=-1)
