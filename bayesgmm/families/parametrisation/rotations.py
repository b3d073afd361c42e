"""Coordinates of rotations about a given one: by angle and axis for d <= 3, else Cayley's."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.special import gammaln

from ...utils.types import FloatArray
from .transforms import Transform

#: Scale s of the weights w(t) of turns, in radians. Compiled code holds it: `kernels/cache.py`
#: knows this file by the word compilation.
SOFTNESS = 0.5
_MOST_COLUMNS = 3
# Below this squared angle functions of it are taken by their series.
_SMALL = 1e-4


class Rotation(Transform):
    """Rotations by the strict lower triangle of a skew-symmetric S, 0 at D0, about (..., d, d)."""

    about: FloatArray

    @property
    @abstractmethod
    def constant(self) -> float:
        """Log of the normalising constant of Haar's density in the coordinates."""

    @abstractmethod
    def log_measure(self, free: FloatArray) -> Any:
        """Log density (...) of Haar's probability measure, summed over the rotations."""

    def log_share(self, free: FloatArray) -> Any:
        """Log of the share (...) of Haar's measure that these coordinates have of their rotations'.

        Summed over the rotations; inf where others of the same rotation are nearer to 0. A density
        less it is one of the nearest coordinates alone.
        """
        return np.zeros(free.shape[: free.ndim - self.about.ndim + 1])

    def free_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number for each pair of columns."""
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)

    def skew(self, free: FloatArray) -> FloatArray:
        """The skew-symmetric S (..., d, d) of coordinates."""
        d = self.about.shape[-1]
        lower = np.zeros((*free.shape[:-1], d, d))
        lower[..., *np.tril_indices(d, -1)] = free
        return lower - np.swapaxes(lower, -1, -2)

    def _of_all(self, each: FloatArray) -> FloatArray:
        """The sum over the rotations of each draw."""
        return np.asarray(each.sum(axis=-1)) if self.about.ndim > 2 else each


@final
@dataclass(frozen=True, slots=True, eq=False)
class Turn(Rotation):
    """Rotations in two or three columns by angle and axis, D = D0 exp(S), t = |S| / sqrt(2).

    Every rotation is many turns, t + 2 pi m about one axis. Haar's measure is divided among them
    by weights that sum to 1, w(t) = sinh c / (cosh c + cosh(t / s)) with c = pi / s: nearly 1 up
    to half a turn, and soon 0 beyond (they are a logistic distribution function's increments over
    a whole turn). So half a turn, which gives the same axes, is a point like any other.
    """

    about: FloatArray

    @property
    def constant(self) -> float:
        """Log of the constant of w(t), for d = 3 of w(t) (1 - cos t) / t^2."""
        d, c = self.about.shape[-1], np.pi / SOFTNESS
        return float(np.log(np.sinh(c)) - (np.log(2 * np.pi) if d == 2 else np.log(4 * np.pi**2)))

    def forward(self, value: FloatArray) -> FloatArray:
        """The triangles of the shortest turns, by rows."""
        turn = np.swapaxes(self.about, -1, -2) @ value
        if turn.shape[-1] == 2:
            return np.asarray(np.arctan2(turn[..., 1, :1], turn[..., 0, :1]))
        from scipy.spatial.transform import Rotation as Turns

        x, y, z = np.moveaxis(Turns.from_matrix(turn.reshape(-1, 3, 3)).as_rotvec(), -1, 0)
        return np.stack([z, -y, x], axis=-1).reshape(*turn.shape[:-2], 3)

    def backward(self, free: FloatArray) -> FloatArray:
        """The rotations, by Rodrigues' formula."""
        skew, square = self.skew(free), np.sum(free**2, axis=-1)[..., None, None]
        sine, versine = _ratios(square)
        turn = np.eye(self.about.shape[-1]) + sine * skew + versine * (skew @ skew)
        return np.asarray(self.about @ turn)

    def log_measure(self, free: FloatArray) -> Any:
        """Log density (...) of Haar's measure times w(t), summed over the rotations."""
        square = np.sum(free**2, axis=-1)
        u, c = np.sqrt(square) / SOFTNESS, np.pi / SOFTNESS
        ends = np.logaddexp(np.log(np.cosh(c)), np.logaddexp(u, -u) - np.log(2.0))
        each = self.constant - ends
        if self.about.shape[-1] > 2:
            each = each + np.log(_ratios(square)[1])
        return self._of_all(each)

    def log_share(self, free: FloatArray) -> Any:
        """Log of w(t), summed over the rotations; inf beyond half a turn."""
        t, c = np.sqrt(np.sum(free**2, axis=-1)), np.pi / SOFTNESS
        ends = np.logaddexp(
            np.log(np.cosh(c)), np.logaddexp(t / SOFTNESS, -t / SOFTNESS) - np.log(2.0)
        )
        return self._of_all(np.where(t <= np.pi, np.log(np.sinh(c)) - ends, np.inf))


def _ratios(square: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Functions of the angle: sin t / t and (1 - cos t) / t^2 from squared angles t^2."""
    small = square < _SMALL
    t = np.sqrt(np.where(small, 1.0, square))
    sine = np.where(small, 1 - square / 6 + square**2 / 120, np.sin(t) / t)
    versine = np.where(small, 0.5 - square / 24 + square**2 / 720, 2 * (np.sin(t / 2) / t) ** 2)
    return sine, versine


@final
@dataclass(frozen=True, slots=True, eq=False)
class Cayley(Rotation):
    """Rotations D = D0 (I - S)(I + S)^-1, with Haar density proportional to |I + S|^-(d - 1).

    Leon, Masse & Rivest (2006), J. Multivar. Anal. 97, 412-430.
    """

    about: FloatArray

    @property
    def constant(self) -> float:
        """Log of the constant with which |I + S|^-(d - 1) integrates to 1."""
        d = self.about.shape[-1]
        i = np.arange(2, d + 1)
        volume = np.sum(np.log(2.0) + 0.5 * i * np.log(np.pi) - gammaln(0.5 * i))
        return float(0.5 * d * (d - 1) * np.log(2.0) - volume)

    def forward(self, value: FloatArray) -> FloatArray:
        """The triangles, by rows."""
        turn = np.swapaxes(self.about, -1, -2) @ value
        unit = np.eye(turn.shape[-1])
        skew = np.linalg.solve(unit + turn, unit - turn)
        return np.asarray(skew[..., *np.tril_indices(len(unit), -1)])

    def backward(self, free: FloatArray) -> FloatArray:
        """The rotations."""
        unit, skew = np.eye(self.about.shape[-1]), self.skew(free)
        return np.asarray(self.about @ np.linalg.solve(unit + skew, unit - skew))

    def log_measure(self, free: FloatArray) -> Any:
        """Log density (...) of Haar's measure, summed over the rotations."""
        d = self.about.shape[-1]
        log_dets = np.linalg.slogdet(np.eye(d) + self.skew(free))[1]
        return self._of_all(self.constant - (d - 1) * log_dets)


def rotation(about: FloatArray) -> Rotation:
    """The coordinates of rotations about given ones (..., d, d)."""
    return Turn(about) if about.shape[-1] <= _MOST_COLUMNS else Cayley(about)
