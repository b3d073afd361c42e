"""The prior of VEE, EVE, VVE, EEV, VEV and EVV: its draws, and its constant's average over axes.

The kernel's integral depends on the eigenvalues of Psi through an average over rotations, which is
1 where they are equal. There the orientations are uniform, and all else is known; from there the
eigenvalues go to those of Psi in steps, as large as neighbouring densities allow. Chains follow by
Gibbs sampling: precisions along the axes given these, and the axes given the precisions, two at a
time, by a von Mises distribution of twice their angle. The ratio of two neighbours' constants is
estimated by bridge sampling between them (Meng & Wong 1996, Stat. Sinica 6, 831-860), with the
precisions integrated out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple, final

import numpy as np
from scipy.special import expit
from scipy.stats import special_ortho_group

from ..utils.types import FloatArray
from .equal_volumes import EqualVolumes, draw_contrasts
from .family import Family

# Chains of the constant's estimate: numbers in their axes, at most and at least so many chains.
_NUMBERS, _MOST, _LEAST = 200_000, 16_384, 512
# Groups of chains, of which each is an estimate of its own.
_GROUPS = 16
# Standard deviation of the log ratio of neighbouring densities.
_SPREAD = 0.7
# Sweeps at each step and, for draws, after the last.
_SWEEPS, _LAST_SWEEPS = 20, 40
# Bisections of a step, and fixed-point iterations of the bridge.
_HALVINGS, _ROUNDS = 30, 50


@dataclass(frozen=True, eq=False)
class RotationsPrior(ABC):
    """Orientations D (S, M, d, d), S of them at a time, and precisions p along the axes.

    M is 1 where all components share D, else K. weight is nu + d + 1; psi (d,) are Psi's
    eigenvalues, in whose frame the axes are, and `along` (S, M, d) are (D'Psi D)_jj. While chains
    run p is (S, 1, d): given these, the axes do not depend on how it is divided among components.
    """

    n_components: int
    d: int
    weight: float
    own_axes: ClassVar[bool]

    @property
    def power(self) -> float:
        """A, with which the kernel's integral at t Psi is t^-A times that at Psi."""
        return 0.5 * self.n_components * self.d * self.weight - 1

    def pooled(
        self, rng: np.random.Generator, along: FloatArray, last: FloatArray | None
    ) -> FloatArray:
        """Draws of p given the axes: gamma variables."""
        total = 0.5 * along.sum(axis=1, keepdims=True)
        return np.asarray(rng.standard_gamma(self.power / self.d, total.shape) / total)

    @abstractmethod
    def precisions(self, rng: np.random.Generator, along: FloatArray, p: FloatArray) -> FloatArray:
        """The precisions (S, K, d) of all components along their axes, given these and p."""

    def given_axes(self, rng: np.random.Generator, along: FloatArray) -> FloatArray:
        """Draws of the precisions (S, K, d) given the axes alone."""
        p = None
        for _ in range(_LAST_SWEEPS):
            p = self.pooled(rng, along, p)
        assert p is not None
        return self.precisions(rng, along, p)

    def log_density(self, along: FloatArray, p: FloatArray) -> FloatArray:
        """Log density (S,) of the axes, all else integrated out, but for a constant."""
        return np.asarray(-self.power / self.d * np.log(along.sum(axis=1)).sum(axis=1))

    def log_ratio(
        self, axes: FloatArray, p: FloatArray, now: FloatArray, to: FloatArray
    ) -> FloatArray:
        """Log of the density at psi `to` over that at `now`, of chains with the second."""
        along, other = _along(axes, now), _along(axes, to)
        moved = p * (along.sum(axis=1) / other.sum(axis=1))[:, None]
        return self.log_density(other, moved) - self.log_density(along, p)

    def sweep(
        self, rng: np.random.Generator, axes: FloatArray, p: FloatArray, psi: FloatArray
    ) -> FloatArray:
        """Turn the axes, in place, two at a time; return new precisions."""
        for i in range(self.d):
            for j in range(i):
                first, second = axes[..., i].copy(), axes[..., j].copy()
                half = 0.25 * (p[..., i] - p[..., j])
                cosine = half * ((first**2 - second**2) @ psi)
                sine = half * 2 * ((first * second) @ psi)
                twice = rng.vonmises(np.arctan2(-sine, -cosine), np.hypot(cosine, sine))
                c, s = np.cos(0.5 * twice)[..., None], np.sin(0.5 * twice)[..., None]
                axes[..., i], axes[..., j] = c * first + s * second, c * second - s * first
        return self.pooled(rng, _along(axes, psi), p)

    def start(self, rng: np.random.Generator, size: int) -> tuple[FloatArray, FloatArray]:
        """Axes and precisions where all eigenvalues are 1, by which all chains begin."""
        number = self.n_components if self.own_axes else 1
        axes = special_ortho_group.rvs(self.d, size=size * number, random_state=rng)
        axes = np.reshape(axes, (size, number, self.d, self.d))
        p = None
        for _ in range(_SWEEPS):
            p = self.pooled(rng, _along(axes, np.ones(self.d)), p)
        return axes, np.asarray(p)

    def draw(
        self, rng: np.random.Generator, psi: FloatArray, size: int
    ) -> tuple[FloatArray, FloatArray]:
        """Axes, and precisions (S, K, d), of so many chains that know nothing of each other."""
        axes, p = self.start(rng, size)
        logs = np.log(psi) - np.log(psi).mean()
        for time in self.path(psi).times[1:]:
            for _ in range(_SWEEPS):
                p = self.sweep(rng, axes, p, np.exp(time * logs))
        p = p * np.exp(-np.log(psi).mean())
        for _ in range(_LAST_SWEEPS):
            p = self.sweep(rng, axes, p, psi)
        return axes, self.precisions(rng, _along(axes, psi), p)

    def path(self, psi: FloatArray) -> Path:
        """The way to the eigenvalues psi, which is made once."""
        ratios = np.sort(np.log(psi) - np.log(psi).mean())
        return _path(type(self), self.n_components, self.d, self.weight, tuple(ratios.tolist()))


@final
class CommonAxesOwnVariances(RotationsPrior):
    """VVE."""

    own_axes = False

    @property
    def power(self) -> float:
        """K d (w / 2 - 1): the density is of every variance."""
        return self.n_components * self.d * (0.5 * self.weight - 1)

    def precisions(self, rng: np.random.Generator, along: FloatArray, p: FloatArray) -> FloatArray:
        """Gamma variables."""
        size = (len(along), self.n_components, self.d)
        return rng.standard_gamma(0.5 * self.weight - 1, size) / (0.5 * along)


@final
class CommonAxesOwnVolumes(RotationsPrior):
    """VEE."""

    own_axes = False

    @property
    def power(self) -> float:
        """K (d w / 2 - 1): the density is of every volume."""
        return self.n_components * (0.5 * self.d * self.weight - 1)

    def precisions(self, rng: np.random.Generator, along: FloatArray, p: FloatArray) -> FloatArray:
        """The pooled ones, divided by a Dirichlet distribution, for all axes alike."""
        shares = np.full(self.n_components, self.power / self.n_components)
        return rng.dirichlet(shares, len(p))[..., None] * p


@final
class CommonAxesEqualVolumes(RotationsPrior):
    """EVE."""

    own_axes = False

    def precisions(self, rng: np.random.Generator, along: FloatArray, p: FloatArray) -> FloatArray:
        """Gamma variables of equal products."""
        groups = EqualVolumes(self.n_components, self.d, self.power)
        return np.asarray(np.exp(groups.draw(rng, len(along))) / (0.5 * along))


@final
class OwnAxesEqualVolumes(RotationsPrior):
    """EEV."""

    own_axes = True

    def precisions(self, rng: np.random.Generator, along: FloatArray, p: FloatArray) -> FloatArray:
        """The same in all components."""
        return np.repeat(p, self.n_components, axis=1)


@final
class OwnAxesOwnVolumes(RotationsPrior):
    """VEV, whose p is (S, K, d) throughout."""

    own_axes = True

    @property
    def power(self) -> float:
        """K (d w / 2 - 1): the density is of every volume."""
        return self.n_components * (0.5 * self.d * self.weight - 1)

    def pooled(
        self, rng: np.random.Generator, along: FloatArray, last: FloatArray | None
    ) -> FloatArray:
        """Volumes given the shape, and the shape given the volumes: gamma variables both.

        The shape's own size is free while it is drawn, and is then part of the volumes.
        """
        shape = 1.0 / along.mean(axis=1) if last is None else last[:, 0]
        rates = 0.5 * (along * shape[:, None]).sum(axis=2)
        inverse_volumes = rng.standard_gamma(self.power / self.n_components, rates.shape) / rates
        rate = 0.5 * (along * inverse_volumes[..., None]).sum(axis=1)
        shape = rng.standard_gamma(self.power / self.d, rate.shape) / rate
        return inverse_volumes[..., None] * shape[:, None]

    def precisions(self, rng: np.random.Generator, along: FloatArray, p: FloatArray) -> FloatArray:
        """P itself."""
        return p

    def log_density(self, along: FloatArray, p: FloatArray) -> FloatArray:
        """Log density of the axes and the shape, the volumes integrated out."""
        shape = p[:, :1]
        of_volumes = np.log((along * shape).sum(axis=2)).sum(axis=1)
        power = self.power / self.n_components
        return np.asarray(self.power / self.d * np.log(shape).sum(axis=(1, 2)) - power * of_volumes)


@final
class OwnAxesOwnShapes(RotationsPrior):
    """EVV, whose p is (S, K, d) throughout, with equal products."""

    own_axes = True

    def pooled(
        self, rng: np.random.Generator, along: FloatArray, last: FloatArray | None
    ) -> FloatArray:
        """The size of all given the shapes, a gamma variable; then the shapes given the volume."""
        if last is None:
            groups = EqualVolumes(self.n_components, self.d, self.power)
            return np.asarray(np.exp(groups.draw(rng, len(along))) / (0.5 * along))
        rate = 0.5 * (along * last).sum(axis=(1, 2))
        size = np.log(rng.standard_gamma(self.power, len(rate)) / rate)
        level = size[:, None] + np.log(last).mean(axis=2)
        of_axes = np.log(0.5 * along)
        each = level + of_axes.mean(axis=2)
        y = draw_contrasts(rng, each.ravel(), self.d).reshape(along.shape) + each[..., None]
        return np.asarray(np.exp(y - of_axes))

    def precisions(self, rng: np.random.Generator, along: FloatArray, p: FloatArray) -> FloatArray:
        """P itself."""
        return p

    def log_ratio(
        self, axes: FloatArray, p: FloatArray, now: FloatArray, to: FloatArray
    ) -> FloatArray:
        """With p moved along, its products kept equal, and its size integrated out."""
        along, other = _along(axes, now), _along(axes, to)
        shift = np.log(along / other)
        size = shift.mean(axis=(1, 2))
        moved = p * np.exp(shift - shift.mean(axis=2, keepdims=True) + size[:, None, None])
        trace, after = (along * p).sum(axis=(1, 2)), (other * moved).sum(axis=(1, 2))
        return np.asarray(self.power * (size - np.log(after / trace)))


_PRIORS: dict[str, Callable[[int, int, float], RotationsPrior]] = {
    "VEE": CommonAxesOwnVolumes,
    "EVV": OwnAxesOwnShapes,
    "VVE": CommonAxesOwnVariances,
    "EVE": CommonAxesEqualVolumes,
    "EEV": OwnAxesEqualVolumes,
    "VEV": OwnAxesOwnVolumes,
}


def rotations_prior(family: Family, n_components: int, d: int, dof: float) -> RotationsPrior | None:
    """The prior of a family with axes of its own and no inverse Wishart; None for another."""
    kind = _PRIORS.get(family.name)
    return kind(n_components, d, dof + d + 1) if kind else None


class Path(NamedTuple):
    """The log of the average at the end of the way from equal eigenvalues, its error, the steps."""

    log_integral: float
    error: float
    times: tuple[float, ...]


@lru_cache(maxsize=256)
def _path(
    kind: type[RotationsPrior], n_components: int, d: int, weight: float, logs: tuple[float, ...]
) -> Path:
    prior, ratios = kind(n_components, d, weight), np.array(logs)
    if np.ptp(ratios) < 1e-12:
        return Path(0.0, 0.0, (0.0,))
    rng = np.random.default_rng(0)
    number = n_components if kind.own_axes else 1
    size = int(np.clip(_NUMBERS // (d * d * number), _LEAST, _MOST)) // _GROUPS * _GROUPS
    axes, p = prior.start(rng, size)
    times, groups, total = [0.0], np.zeros(_GROUPS), 0.0
    while times[-1] < 1.0:
        now = np.exp(times[-1] * ratios)
        times.append(_next_time(prior, axes, p, times[-1], ratios))
        to = np.exp(times[-1] * ratios)
        forward = prior.log_ratio(axes, p, now, to)
        for _ in range(_SWEEPS):
            p = prior.sweep(rng, axes, p, to)
        back = prior.log_ratio(axes, p, to, now)
        total += log_ratio_of_integrals(forward, back)
        pairs = zip(np.split(forward, _GROUPS), np.split(back, _GROUPS), strict=True)
        groups += [log_ratio_of_integrals(*pair) for pair in pairs]
    error = float(groups.std(ddof=1) / np.sqrt(_GROUPS))
    return Path(float(total), error, tuple(times))


def _next_time(
    prior: RotationsPrior, axes: FloatArray, p: FloatArray, time: float, ratios: FloatArray
) -> float:
    """The latest time whose log ratio varies no more than it may."""
    now, low, high = np.exp(time * ratios), time, 1.0
    trial = high
    for _ in range(_HALVINGS):
        spread = prior.log_ratio(axes, p, now, np.exp(trial * ratios)).std()
        low, high = (trial, high) if spread <= _SPREAD else (low, trial)
        if low == 1.0 or high - low < 0.05 * (low - time):
            break
        trial = 0.5 * (low + high)
    return low


def log_ratio_of_integrals(forward: FloatArray, back: FloatArray) -> float:
    """Log ratio of two integrals from as many draws of both densities (Meng & Wong 1996)."""
    log_ratio = 0.0
    for _ in range(_ROUNDS):
        gain = np.log(expit(forward - log_ratio).mean() / expit(back + log_ratio).mean())
        log_ratio += gain
        if abs(gain) < 1e-10:
            break
    return float(log_ratio)


def _along(axes: FloatArray, psi: FloatArray) -> FloatArray:
    """(D'Psi D)_jj (S, M, d) in the frame of Psi's own axes."""
    return np.asarray(np.swapaxes(axes**2, -1, -2) @ psi)
