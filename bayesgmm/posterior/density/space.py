"""Free coordinates of a mixture's variables: every draw a vector of real numbers, and back.

A vector holds, one after another, the logarithms of random hyperparameters, PyMC's simplex
coordinates of pi (Aitchison's centred log-ratios without the last), the means about the data's
centre, and the coordinates of the covariances' variables. Where PyMC samples `build_model`'s model,
it moves in the same coordinates, but for the centre.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...families.parametrisation.axes import Axes
from ...families.parametrisation.base import Parametrisation, Variable
from ...mixture.prior import Prior
from ...utils.types import FloatArray

_Map = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Piece:
    """One variable: the shape of a value, that of its coordinates, and the way between."""

    name: str
    shape: tuple[int, ...]
    free_shape: tuple[int, ...]
    forward: _Map
    backward: _Map

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
    def of(cls, form: Parametrisation, prior: Prior, center: FloatArray) -> Space:
        """The space of `build_model`'s variables, for data centred there."""
        k, d = form.n_components, form.d
        pieces = []
        if "concentration" in prior.random and k > 1:
            pieces.append(Piece("concentration", (), (), np.log, np.exp))
        if "scale" in prior.random:
            pieces.append(Piece("scale", (d,), (d,), np.log, np.exp))
        if k > 1:
            pieces.append(Piece("pi", (k,), (k - 1,), _to_ratios, _to_simplex))
        pieces.append(
            Piece("mu", (k, d), (k, d), partial(np.add, -center), partial(np.add, center))
        )
        pieces += [_covariance_piece(form, variable) for variable in form.variables]
        return cls(tuple(pieces))

    @property
    def size(self) -> int:
        """Number P of coordinates."""
        return sum(piece.size for piece in self.pieces)

    def values(self, free: FloatArray) -> dict[str, FloatArray]:
        """The variables (..., *shape) at coordinates (..., P)."""
        out, at = {}, 0
        for piece in self.pieces:
            part = free[..., at : at + piece.size].reshape((*free.shape[:-1], *piece.free_shape))
            out[piece.name] = piece.backward(part)
            at += piece.size
        return out

    def free(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """The coordinates (P,) of one value of each variable."""
        parts = [piece.forward(np.asarray(values[piece.name])).ravel() for piece in self.pieces]
        return np.concatenate(parts)


def _covariance_piece(form: Parametrisation, variable: Variable) -> Piece:
    shape, d = form.shape(variable), form.d
    if variable.coordinates == "log":
        return Piece(variable.name, shape, shape, np.log, np.exp)
    if variable.coordinates == "log_shape":
        return Piece(variable.name, shape, (*shape[:-1], d - 1), _to_contrasts, _to_shape)
    if isinstance(form, Axes) and variable.coordinates == "cayley":
        about = form.about if len(shape) == 3 else form.about[0]
        ways = partial(_to_skew, about), partial(_to_axes, about)
        return Piece(variable.name, shape, (*shape[:-2], d * (d - 1) // 2), *ways)
    return Piece(variable.name, shape, shape, _same, _same)


def _same(value: FloatArray) -> FloatArray:
    return value


def _to_ratios(pi: FloatArray) -> FloatArray:
    logs = np.log(pi)
    return logs[..., :-1] - logs.mean(axis=-1, keepdims=True)


def _to_simplex(free: FloatArray) -> FloatArray:
    full = np.concatenate([free, -free.sum(axis=-1, keepdims=True)], axis=-1)
    full = np.exp(full - full.max(axis=-1, keepdims=True))
    return full / full.sum(axis=-1, keepdims=True)


def _to_contrasts(shape: FloatArray) -> FloatArray:
    """Logarithms that sum to 0, as one number less, orthonormally (PyMC's `ZeroSumTransform`)."""
    logs = np.log(shape)
    d = shape.shape[-1]
    return logs[..., :-1] - logs[..., -1:] * (np.sqrt(d) / (np.sqrt(d) + d))


def _to_shape(free: FloatArray) -> FloatArray:
    d = free.shape[-1] + 1
    total = free.sum(axis=-1, keepdims=True)
    shift = total / (np.sqrt(d) + d)
    return np.exp(np.concatenate([free - shift, -total / np.sqrt(d)], axis=-1))


def _to_skew(about: FloatArray, axes: FloatArray) -> FloatArray:
    """Strict lower triangle of S, D = D0 (I - S)(I + S)^-1."""
    turn = np.swapaxes(about, -1, -2) @ axes
    unit = np.eye(turn.shape[-1])
    skew = np.linalg.solve(unit + turn, unit - turn)
    return skew[..., *np.tril_indices(len(unit), -1)]


def _to_axes(about: FloatArray, free: FloatArray) -> FloatArray:
    d = about.shape[-1]
    skew = np.zeros((*free.shape[:-1], d, d))
    skew[..., *np.tril_indices(d, -1)] = free
    skew = skew - np.swapaxes(skew, -1, -2)
    return about @ np.linalg.solve(np.eye(d) + skew, np.eye(d) - skew)
