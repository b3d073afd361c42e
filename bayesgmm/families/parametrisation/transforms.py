"""Transforms: values of a variable as free real numbers, and back.

Values and coordinates may have any axes in front, as draws have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.special import expit, logit

from ...utils.types import FloatArray


class Transform(ABC):
    """A map from the values of a variable to coordinates that may be any real numbers."""

    @abstractmethod
    def forward(self, value: FloatArray) -> FloatArray:
        """The coordinates of values."""

    @abstractmethod
    def backward(self, free: FloatArray) -> FloatArray:
        """The values at coordinates."""

    def free_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the coordinates of one value, from that of the value."""
        return shape

    def log_measure(self, free: FloatArray) -> Any:
        """Log density at coordinates of a measure of which the values know nothing: none here."""
        return 0.0


@final
@dataclass(frozen=True, slots=True)
class Identity(Transform):
    """Real numbers, their own coordinates."""

    def forward(self, value: FloatArray) -> FloatArray:
        """The values."""
        return value

    def backward(self, free: FloatArray) -> FloatArray:
        """The coordinates."""
        return free


@final
@dataclass(frozen=True, slots=True)
class Log(Transform):
    """Positive numbers by their logarithms."""

    def forward(self, value: FloatArray) -> FloatArray:
        """Logarithms."""
        return np.asarray(np.log(value))

    def backward(self, free: FloatArray) -> FloatArray:
        """Exponentials."""
        return np.asarray(np.exp(free))


@final
@dataclass(frozen=True, slots=True)
class Logit(Transform):
    """Shares by the logarithms of their odds."""

    def forward(self, value: FloatArray) -> FloatArray:
        """Log odds."""
        return np.asarray(logit(value))

    def backward(self, free: FloatArray) -> FloatArray:
        """The shares."""
        return np.asarray(expit(free))


@final
@dataclass(frozen=True, slots=True)
class LogRatios(Transform):
    """Numbers that sum to 1 by Aitchison's centred log-ratios without the last; PyMC's simplex."""

    def forward(self, value: FloatArray) -> FloatArray:
        """Logarithms about their mean."""
        logs = np.log(value)
        return np.asarray(logs[..., :-1] - logs.mean(axis=-1, keepdims=True))

    def backward(self, free: FloatArray) -> FloatArray:
        """The proportions."""
        full = np.concatenate([free, -free.sum(axis=-1, keepdims=True)], axis=-1)
        full = np.exp(full - full.max(axis=-1, keepdims=True))
        return np.asarray(full / full.sum(axis=-1, keepdims=True))

    def free_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number less."""
        return (*shape[:-1], shape[-1] - 1)


@final
@dataclass(frozen=True, slots=True)
class SumAndShares(Transform):
    """Positive numbers by the logarithm of their sum, and the log-ratios of their shares in it.

    For numbers of which the data determine only the sum: with a gamma prior of shape below 1, the
    posterior of two logarithms is concentrated on an L, along each arm of which one of the two is
    arbitrarily small; in these coordinates it lies along a straight line. The Jacobian is d times
    that of the logarithms.
    """

    def forward(self, value: FloatArray) -> FloatArray:
        """The coordinates."""
        total = value.sum(axis=-1, keepdims=True)
        return np.concatenate([np.log(total), LogRatios().forward(value / total)], axis=-1)

    def backward(self, free: FloatArray) -> FloatArray:
        """The numbers."""
        return np.asarray(np.exp(free[..., :1]) * LogRatios().backward(free[..., 1:]))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Multiple(Transform):
    """A multiple t / h of given numbers (d,), by log t."""

    rates: FloatArray

    def forward(self, value: FloatArray) -> FloatArray:
        """The logarithm."""
        return np.asarray(np.log(value[..., :1] * self.rates[0]))

    def backward(self, free: FloatArray) -> FloatArray:
        """The numbers."""
        return np.asarray(np.exp(free) / self.rates)

    def free_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number."""
        return (*shape[:-1], 1)


@final
@dataclass(frozen=True, slots=True)
class LogShape(Transform):
    """Positive numbers whose product is 1, by orthonormal coordinates of their logarithms.

    These sum to 0, so that there is one coordinate less; PyMC's `ZeroSumTransform`.
    """

    def forward(self, value: FloatArray) -> FloatArray:
        """The coordinates of the logarithms."""
        logs, d = np.log(value), value.shape[-1]
        return np.asarray(logs[..., :-1] - logs[..., -1:] * (np.sqrt(d) / (np.sqrt(d) + d)))

    def backward(self, free: FloatArray) -> FloatArray:
        """The numbers."""
        d = free.shape[-1] + 1
        total = free.sum(axis=-1, keepdims=True)
        shift = total / (np.sqrt(d) + d)
        return np.asarray(np.exp(np.concatenate([free - shift, -total / np.sqrt(d)], axis=-1)))

    def free_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number less."""
        return (*shape[:-1], shape[-1] - 1)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Offset(Transform):
    """Numbers about a centre (d,)."""

    center: FloatArray

    def forward(self, value: FloatArray) -> FloatArray:
        """Values less the centre."""
        return np.asarray(value - self.center)

    def backward(self, free: FloatArray) -> FloatArray:
        """Coordinates plus the centre."""
        return np.asarray(free + self.center)
