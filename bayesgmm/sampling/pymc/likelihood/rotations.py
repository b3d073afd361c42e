"""Rotations that are uniform (Haar) as a PyMC distribution, with coordinates for NUTS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform
from pytensor.graph import Variable
from pytensor.tensor.random.op import RandomVariable
from scipy.stats import special_ortho_group

from ....families.parametrisation.rotations import SOFTNESS, Cayley, Rotation, Turn, rotation
from ....utils.types import FloatArray

# Below this squared angle functions of it are taken by their series.
_SMALL = 1e-4


class RotationTransform(Transform):
    """Rotations about D0 as the strict lower triangle of a skew-symmetric S."""

    ndim_supp = 2

    def __init__(self, rotation: Rotation) -> None:
        self.rotation = rotation
        self.about = rotation.about
        self.d = rotation.about.shape[-1]
        self.lower = np.tril_indices(self.d, -1)

    def skew(self, value: Any) -> Any:
        """The skew-symmetric matrices of coordinates."""
        lower = pt.zeros((*value.shape[:-1], self.d, self.d))
        lower = lower[..., self.lower[0], self.lower[1]].set(value)
        return lower - pt.swapaxes(lower, -1, -2)

    def turn(self, value: Any) -> Any:
        """D0'D."""
        return pt.swapaxes(pt.as_tensor(self.about), -1, -2) @ value


class _Cayley(RotationTransform):
    name = "cayley"

    def forward(self, value: Any, *inputs: Any) -> Any:
        turn, unit = self.turn(value), np.eye(self.d)
        return pt.linalg.solve(unit + turn, unit - turn)[..., self.lower[0], self.lower[1]]

    def backward(self, value: Any, *inputs: Any) -> Any:
        skew, unit = self.skew(value), np.eye(self.d)
        return pt.as_tensor(self.about) @ pt.linalg.solve(unit + skew, unit - skew)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        _, log_det = pt.linalg.slogdet(np.eye(self.d) + self.skew(value))
        return self.rotation.constant - (self.d - 1) * log_det


class _Turn(RotationTransform):
    name = "turn"

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The shortest turn; inaccurate near half a turn, where no start is."""
        turn = self.turn(value)
        sines = 0.5 * (turn - pt.swapaxes(turn, -1, -2))[..., self.lower[0], self.lower[1]]
        cosine = 0.5 * (pt.trace(turn) if turn.ndim == 2 else pt.diagonal(turn, 0, -2, -1).sum(-1))
        cosine = cosine - (0.5 if self.d == 3 else 0.0)
        square = (sines**2).sum(axis=-1)
        safe = pt.switch(square > 0, square, 1.0)
        angle = pt.arctan2(pt.sqrt(safe), cosine)
        ratio = pt.switch(square > 0, angle / pt.sqrt(safe), 1.0)
        return sines * ratio[..., None]

    def backward(self, value: Any, *inputs: Any) -> Any:
        skew = self.skew(value)
        sine, versine = self._ratios((value**2).sum(axis=-1)[..., None, None])
        turn = np.eye(self.d) + sine * skew + versine * (skew @ skew)
        return pt.as_tensor(self.about) @ turn

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        square = (value**2).sum(axis=-1)
        u = pt.sqrt(pt.switch(square > 0, square, np.finfo(np.float64).tiny)) / SOFTNESS
        ends = u + pt.log(0.5 * (1 + pt.exp(-2 * u)) + np.cosh(np.pi / SOFTNESS) * pt.exp(-u))
        total = self.rotation.constant - ends
        return total if self.d == 2 else total + pt.log(self._ratios(square)[1])

    @staticmethod
    def _ratios(square: Any) -> tuple[Any, Any]:
        small = square < _SMALL
        t = pt.sqrt(pt.switch(small, 1.0, square))
        return (
            pt.switch(small, 1 - square / 6 + square**2 / 120, pt.sin(t) / t),
            pt.switch(small, 0.5 - square / 24 + square**2 / 720, 2 * (pt.sin(t / 2) / t) ** 2),
        )


_TRANSFORMS: dict[type[Rotation], type[RotationTransform]] = {Turn: _Turn, Cayley: _Cayley}


def rotation_transform(rotation: Rotation) -> Transform:
    """The coordinates of rotations about the given ones, for PyMC."""
    return _TRANSFORMS[type(rotation)](rotation)


class UniformRotationRV(RandomVariable):
    """Uniform rotations: the input is what their coordinates are about."""

    name = "uniform_rotation"
    signature = "(d,d)->(d,d)"
    dtype = "float64"
    _print_name = ("UniformRotation", "\\operatorname{UniformRotation}")

    @classmethod
    def rng_fn(cls, rng: np.random.Generator, about: FloatArray, size: Any) -> FloatArray:
        """Draw from Haar's measure."""
        shape = about.shape if size is None else (*size, *about.shape[-2:])
        number = int(np.prod(shape[:-2]))
        draws = special_ortho_group.rvs(shape[-1], size=number, random_state=rng)
        return np.asarray(draws).reshape(shape)


class UniformRotation(pm.Continuous):
    """Rotation matrices (..., d, d), uniform by Haar's measure, whose density is 1.

    Axes for `GaussianMixture`, shared or of each component: ``(D * variances) @ D.T`` is a
    covariance whose axes are the columns of D.

    Parameters
    ----------
    d : int, optional
        Number of columns, at least 2; given by `about` where that is.
    about : array (..., d, d), optional
        Rotations near which coordinates are made, and at which sampling starts; the identity if
        left out.
    **kwargs
        As of every distribution of PyMC: ``shape=(K, d, d)``, ``dims``.

    Notes
    -----
    Coordinates are the strict lower triangle of a skew-symmetric matrix: the turn's axis and angle
    for d = 2, 3, else Cayley's (Leon, Masse & Rivest 2006, J. Multivar. Anal. 97, 412-430).

    Examples
    --------
    >>> import pymc as pm, bayesgmm.pymc
    >>> with pm.Model():
    ...     D = bayesgmm.pymc.UniformRotation("D", 3)
    >>> D.type.shape
    (3, 3)
    """

    rv_op = UniformRotationRV()

    def __new__(
        cls, name: str, d: int | None = None, *, about: Any = None, **kwargs: Any
    ) -> pt.TensorVariable:
        """One variable in the open model."""
        center = _center(d, about)
        of_center = rotation(center)
        kwargs.setdefault("default_transform", rotation_transform(of_center))
        return super().__new__(cls, name, about=center, **kwargs)

    @classmethod
    def dist(cls, d: int | None = None, *, about: Any = None, **kwargs: Any) -> pt.TensorVariable:
        """One variable outside a model."""
        return super().dist([pt.as_tensor_variable(_center(d, about))], **kwargs)

    @staticmethod
    def support_point(rv: Variable, size: Variable, about: Variable) -> Variable:
        """What the coordinates are about."""
        return pt.broadcast_to(about, rv.shape)

    @staticmethod
    def logp(value: Variable, about: Variable) -> Variable:
        """Log density with respect to Haar's probability."""
        return pt.zeros_like(value[..., 0, 0])


def _center(d: int | None, about: Any) -> FloatArray:
    if about is not None:
        return np.asarray(about, dtype=np.float64)
    if d is None or d < 2:
        raise ValueError(f"d is {d}: rotations are of two columns or more.")
    return np.eye(d)
