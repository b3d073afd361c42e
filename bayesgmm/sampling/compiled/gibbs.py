"""Gibbs sampling, for components that overlap, where NUTS hardly moves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event

import numpy as np
import xarray as xr

from ...data.chunks import in_memory
from ...data.data import Data
from ...density.log_posterior import LogPosterior
from ...density.mode import Mode
from ...families.hyperparameters import Gamma
from ...families.inverse_wishart import InverseWishart
from ...families.log_constants import scale_power
from ...families.parametrisation.axes import Axes, facing
from ...families.parametrisation.base import Parametrisation
from ...kernels.cholesky import inverse_factors
from ...kernels.e_step.arrays import MixtureArrays, View, only_read
from ...kernels.e_step.groups import Groups
from ...mixture.prior import Prior
from ...utils.matrices import as_full, diagonal_matrices
from ...utils.threads import default_threads, for_each_task
from ...utils.types import FloatArray
from ..run.chains import Keeping, chains_of
from ..run.kept import KeptChains, packed, unpacked
from ..run.settings import Settings
from . import gibbs_sweeps as compiled
from .gibbs_axes import AxesState, draw_axes
from .gibbs_groups import GroupedRows, grouped_rows
from .gibbs_lkj import draw_lkj, floors, narrow

_TITLE = "Gibbs sampling"


def gibbs(density: LogPosterior, mode: Mode, settings: Settings) -> tuple[FloatArray, xr.Dataset]:
    """Draws (chain, draw, P) of the density's coordinates, each after `thin` sweeps; lp of each.

    Every chain starts at the mode. An interruption keeps the most draws of the most chains.

    Raises
    ------
    KeyboardInterrupt
        Stopped before a chain had enough draws to judge it by.
    ValueError
        A component became too narrow for double precision.
    """
    return resumed_gibbs(density, mode, settings, np.tile(mode.origin, (settings.chains, 1)))


def resumed_gibbs(
    density: LogPosterior, mode: Mode, settings: Settings, points: FloatArray
) -> tuple[FloatArray, xr.Dataset]:
    """The same of chains that start at points (chain, P), or go on from there; the mode is unused.

    The coordinate `chain` of the statistics says which chains an interruption leaves.
    """
    kept = KeptChains.of_run(density, mode, settings, points)
    numbers, chains = chains_of(
        lambda c: _Chain(GibbsState.at(density, points[c]), settings.thin), settings, _TITLE,
        Keeping(f"{_TITLE}, states", kept, packed, unpacked),
    )  # fmt: skip
    like, threads = GibbsState.at(density, points[0]), settings.cores or default_threads()
    vectors, values = _in_coordinates(like, np.array(chains), threads)
    return vectors, xr.Dataset({"lp": (("chain", "draw"), values)}, {"chain": numbers})


def _in_coordinates(
    like: GibbsState, draws: FloatArray, threads: int
) -> tuple[FloatArray, FloatArray]:
    """Draws (chain, draw, Q), as states have them, in coordinates (chain, draw, P); lp of each.

    All of a chain at once: one by one they cost as much as the sweeps between two of them.
    """
    density, stop = like.density, Event()
    vectors, values = np.empty((*draws.shape[:2], density.size)), np.empty(draws.shape[:2])

    def of_chain(c: int) -> None:
        vectors[c] = like.coordinates(draws[c])
        for i, vector in enumerate(vectors[c]):
            if stop.is_set():
                break
            values[c, i] = density(vector)[0]

    for_each_task(of_chain, range(len(draws)), min(threads, len(draws)), stop.set)
    return vectors, values


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """A chain whose draws are `thin` sweeps apart."""

    state: GibbsState
    thin: int

    def step(self, rng: np.random.Generator) -> None:
        """Go on to the next draw."""
        self.state.sweep(rng, self.thin)

    def value(self) -> FloatArray:
        """The draw (Q,), as `GibbsState.numbers` has it."""
        return self.state.numbers()


@dataclass(frozen=True, slots=True, eq=False)
class GibbsState:
    """The state of a chain: arrays that sweeps overwrite, in the data's units about its centre."""

    density: LogPosterior
    rows: Data
    view: View
    grouped: GroupedRows
    prior: compiled.GibbsPrior
    hyper: compiled.Hyperparameters
    parts: compiled.CovarianceParts
    mixture: MixtureArrays

    @classmethod
    def at(cls, density: LogPosterior, point: FloatArray) -> GibbsState:
        """The state at a point (P,) in coordinates of the density."""
        data, parametrisation, prior = density.data, density.parametrisation, density.prior
        [start] = density.parameters(point[None])
        values = density.space.values(point)
        covariances = start.covariances
        if parametrisation.diagonal:
            covariances = covariances[:, None, :].copy()
        a, scale = prior.concentration, prior.scale
        b0_covariance = prior.mean_covariance  # none where the means depend on the covariances
        kinds = np.zeros(8, dtype=np.int64)
        kinds[compiled.COMMON] = parametrisation.family.common
        kinds[compiled.SPHERICAL] = parametrisation.family.spherical and data.d > 1
        kinds[compiled.CONJUGATE] = b0_covariance is None
        kinds[compiled.RANDOM_CONCENTRATION] = (
            prior.random_concentration and parametrisation.n_components > 1
        )
        kinds[compiled.RANDOM_SCALE] = prior.of_covariances.random_scale
        kinds[compiled.OF_LKJ] = prior.lkj is not None
        kinds[compiled.ONE_SCALE] = parametrisation.family.one_scale
        kinds[compiled.BY_AXES] = isinstance(parametrisation, Axes)
        numbers = np.zeros(7)
        if isinstance(a, Gamma):
            numbers[compiled.CONCENTRATION_SHAPE] = a.shape
            numbers[compiled.CONCENTRATION_RATE] = a.rate
        rates = np.zeros(data.d)
        if isinstance(scale, Gamma):
            numbers[compiled.SCALE_SHAPE] = scale.shape
            rates[:] = scale.rate
        numbers[compiled.STRENGTH] = prior.mean_strength or 0.0
        if prior.lkj is not None:
            for k in narrow(as_full(start.covariances), data.scale):
                raise _too_narrow(int(k))
        else:
            _write_numbers(numbers, parametrisation, prior.inverse_wishart)
        spread = np.eye(data.d) if b0_covariance is None else np.linalg.inv(b0_covariance)
        psi = np.zeros((data.d, data.d)) if scale is None else prior.expected_scale.copy()
        if isinstance(scale, Gamma):
            psi = np.diag(values["scale"])
        concentration = np.array([values.get("concentration", prior.expected_concentration)])
        rows = in_memory(data.repeated())
        groups = rows.groups if isinstance(rows.groups, Groups) else None
        return cls(
            density=density,
            rows=rows,
            view=View(only_read(data.center), only_read(1.0 / data.scale), only_read(np.empty(0))),
            grouped=grouped_rows(rows.values, groups, density.noise),
            prior=compiled.GibbsPrior(kinds, numbers, prior.mean - data.center, spread, rates),
            hyper=compiled.Hyperparameters(concentration, psi, _noise(density, values)),
            parts=_parts(values, parametrisation, prior, data.scale),
            mixture=MixtureArrays(start.weights, start.means, covariances),
        )

    def sweep(self, rng: np.random.Generator, times: int, counts: FloatArray | None = None) -> None:
        """Make so many sweeps; counts (K,) become the components' rows in the last one."""
        data = self.rows
        if counts is None:
            counts = np.empty(len(self.mixture.weights))
        rows = np.empty((0, data.d)) if self.grouped.allocating else np.asarray(data.values)
        bad = compiled.gibbs_sweeps(
            rows, self.view, rng, times, self.grouped, self.parts, self.prior, self.hyper,
            self.mixture, counts,
        )  # fmt: skip
        if bad != compiled.DRAWN:
            raise _too_narrow(bad)

    def numbers(self) -> FloatArray:
        """All that a draw is made of, one after the other (Q,)."""
        return np.concatenate([array.ravel() for array in self._drawn()])

    def coordinates(self, numbers: FloatArray) -> FloatArray:
        """States (S, Q), as `numbers` has them, in coordinates (S, P) of the density."""
        density, shapes = self.density, [array.shape for array in self._drawn()]
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        concentration, scale, noise, weights, means, *of_covariances = (
            part.reshape(len(numbers), *shape)
            for part, shape in zip(np.split(numbers, ends, axis=1), shapes, strict=True)
        )
        values = {
            "concentration": concentration[:, 0],
            "scale": scale,
            "pi": np.maximum(weights, np.finfo(np.float64).tiny),
            **({"noise_share": noise[:, 0]} if noise.size else {}),
            "mu": means + density.data.center,
            **self._of_covariances(of_covariances),
        }
        return density.space.free(values)

    def _drawn(self) -> tuple[FloatArray, ...]:
        """The arrays that a draw is made of."""
        hyper, mixture = self.hyper, self.mixture
        by_axes = isinstance(self.density.parametrisation, Axes)
        return (
            hyper.concentration, np.diagonal(hyper.psi), hyper.noise, mixture.weights,
            mixture.means, *(self.parts.state if by_axes else (mixture.covariances,)),
        )  # fmt: skip

    def _of_covariances(self, drawn: Sequence[FloatArray]) -> dict[str, FloatArray]:
        """The values of the covariances' variables, from all draws' covariances or axes."""
        parametrisation = self.density.parametrisation
        if isinstance(parametrisation, Axes):
            volumes, log_shapes, axes = drawn
            found = (volumes, np.exp(log_shapes), facing(axes, parametrisation.about))
            return {
                variable.name: value.reshape(len(value), *parametrisation.shape(variable))
                for variable, value in zip(parametrisation.variables, found, strict=False)
            }
        [covariances] = drawn
        if parametrisation.diagonal:
            covariances = diagonal_matrices(covariances[:, :, 0])
        return parametrisation.values_from(covariances, self.density.prior.of_covariances)


def _too_narrow(k: int) -> ValueError:
    return ValueError(
        f"component {k} became too narrow for Gibbs sampling in double precision: use "
        "sampler='nutpie', fewer components, or a prior with a larger scale."
    )


def _noise(density: LogPosterior, values: dict[str, FloatArray]) -> FloatArray:
    """The share of noise, its log density as a pass reads it, its prior; nothing without noise."""
    if density.noise is None:
        return np.empty(0)
    return np.array([float(values["noise_share"]), density.log_noise, *density.prior.noise_share])


def _write_numbers(
    numbers: FloatArray, parametrisation: Parametrisation, prior: InverseWishart
) -> None:
    """Write what sweeps read of the inverse Wishart."""
    family = parametrisation.family
    numbers[compiled.SCALE_POWER] = scale_power(
        prior.dof, family, parametrisation.n_components, parametrisation.d
    )
    numbers[compiled.DOF] = prior.dof
    if isinstance(parametrisation, Axes):
        numbers[compiled.POWER] = parametrisation.power
    elif parametrisation.diagonal:
        numbers[compiled.DOF] = prior.inverse_gamma(family)[0]


def axes_state(values: Mapping[str, FloatArray], d: int) -> AxesState:
    """Volumes, shapes and axes as compiled code has them; empty where there are none."""
    return AxesState(
        np.array(values.get("volume", ())).reshape(-1),
        np.log(values.get("shape", ())).reshape(-1, d),
        np.array(values.get("orientation", ())).reshape(-1, d, d),
    )


def _parts(
    values: Mapping[str, FloatArray],
    parametrisation: Parametrisation,
    prior: Prior,
    scale: FloatArray,
) -> compiled.CovarianceParts:
    """The same, or the numbers of an LKJ prior, with the addresses of what handles them."""
    state = axes_state(values, parametrisation.d)
    drawing, lkj = 0, np.empty(0)
    if len(state.volumes):
        drawing = draw_axes.address
    elif prior.lkj is not None:
        drawing = draw_lkj.address
        lkj = np.concatenate([parametrisation.packed(prior.lkj), floors(scale)])
    return compiled.CovarianceParts(inverse_factors.address, drawing, state, lkj)
