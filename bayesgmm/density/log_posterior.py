"""The log posterior density of a mixture, for samplers: nothing is compiled for a model.

    posterior = LogPosterior(data, parametrisation, prior)
    value, gradient = posterior(u)

It equals the density of `build_model`'s model in the same coordinates (`space.py`); the mathematics
is in `compiled.py`, that of the covariances in `covariances.py`.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from scipy.special import betaln

from ..data.data import Data
from ..families.hyperparameters import Gamma
from ..families.parametrisation.base import Parametrisation
from ..kernels.cholesky import inverse_factors
from ..kernels.compilation import Entry
from ..kernels.device.rows import DeviceRows
from ..kernels.e_step.centred import centred_pass
from ..kernels.e_step.contract import EStep, Parameters
from ..kernels.e_step.few_rows import Features, centred_form, few_rows_pass
from ..kernels.e_step.groups import Groups
from ..kernels.e_step.incomplete import incomplete_pass
from ..kernels.e_step.incomplete_centred import incomplete_centred_pass
from ..kernels.e_step.incomplete_rows import incomplete_rows_pass
from ..kernels.e_step.many_rows import many_rows_pass
from ..kernels.e_step.on_device import PythonPass, pass_on_device
from ..kernels.e_step.quadratic import QUADRATIC_MAX_COLUMNS, quadratic_pass
from ..kernels.stored.rows import StoredRows
from ..mixture.noise import Noise
from ..mixture.noise_in_chunks import statistics_beside
from ..mixture.prior import Prior
from ..utils.errors import DataError, DegenerateComponentError
from ..utils.matrices import diagonals
from ..utils.types import FloatArray, IntArray
from . import callbacks, compiled
from . import covariances as covariance_maps
from . import deviations as lkj_map
from .pruning import prune
from .space import Space

__all__ = ["LogPosterior", "Space"]

_COVARIANCE_MAPS = {
    "deviations": lkj_map.deviations,
    "variance": covariance_maps.variances,
    "bartlett": covariance_maps.bartlett,
    "axes": covariance_maps.axes,
}
# Pruning is worthwhile if at most this share of the pairs of a row and a component is left.
WORTH_PRUNING = 0.6
# Of a density that neither overflows nor underflows.
_LARGEST_LOG = 600.0


class LogPosterior:
    """Log posterior density and gradient in free coordinates, in compiled code.

    Parameters
    ----------
    data : Data
        Rows (n, d). Copied only if they are not contiguous or not in double precision.
    parametrisation : Parametrisation
        That of the covariances.
    prior : Prior
        The prior.
    noise : Noise, optional
        Noise beside the mixture; its share is independent of all else a priori.
    likelihood : bool
        False leaves the rows out: the density is the prior's.

    Attributes
    ----------
    data, parametrisation, prior, noise : Data, Parametrisation, Prior, Noise or None
        As given.
    space : Space
        The P coordinates.
    sizes, numbers, rows, weights : array
        The arrays that the compiled function reads; `table` (9,) has their addresses.
    callback : Entry
        The compiled function, as nutpie calls it.
    """

    callback: Entry = callbacks.density

    def __init__(
        self, data: Data, parametrisation: Parametrisation, prior: Prior, *,
        noise: Noise | None = None, likelihood: bool = True,
    ) -> None:  # fmt: skip
        self.data, self.parametrisation, self.prior = data, parametrisation, prior
        self.noise, self.log_noise = noise, _log_noise(noise, data)
        self._lock, self._changes = Lock(), 0
        self._kept_whole = ""
        self.space = Space.of(parametrisation, prior, data.center, noise is not None)
        self.weights = np.empty(0) if data.weights is None else contiguous(data.weights)
        fixed = parametrisation.packed(prior.of_covariances)
        self.numbers = np.concatenate(
            [
                data.scale, data.center, [_log_unit(data)], [self.log_noise, data.total],
                [*prior.noise_share, betaln(*prior.noise_share)],
                *_of_prior(prior, data.center), fixed,
            ]
        )  # fmt: skip
        few, self.rows = _rows(data, parametrisation) if likelihood else (None, np.empty(0))
        self.sizes = np.zeros(compiled.N_SIZES, dtype=np.int64)
        for place, value in (
            (compiled.N, data.n if likelihood and not _by_python(data) else 0),
            (compiled.D, data.d),
            (compiled.K, parametrisation.n_components),
            (compiled.ROWS, 1 if parametrisation.diagonal else data.d),
            (compiled.FREE, self.space.size),
            (compiled.SHARED, parametrisation.family.common),
            (compiled.MAP_ADDRESS, _COVARIANCE_MAPS[parametrisation.kind].address),
            (compiled.MAP_FIXED, len(fixed)),
            (compiled.FACTORING, inverse_factors.address),
            (
                compiled.RANDOM_CONCENTRATION,
                prior.random_concentration and parametrisation.n_components > 1,
            ),
            (compiled.RANDOM_SCALE, sum(p.size for p in self.space.pieces if p.name == "scale")),
            (
                compiled.SCALE_BY_SHARES,
                prior.of_covariances.random_scale and parametrisation.scale_by_shares,
            ),
            (compiled.CONJUGATE, prior.mean_strength is not None),
            (compiled.NOISE, noise is not None),
        ):
            self.sizes[place] = value
        self.on_device = self._python_pass() if likelihood and _by_python(data) else None
        if self.on_device is not None:
            self.sizes[compiled.PASS] = pass_on_device.address
            self.sizes[compiled.QUADRATIC] = self.on_device.address
        elif few is not None:
            self.sizes[compiled.PASS] = few_rows_pass.address
            self.sizes[compiled.BLOCKS : compiled.FEATURES + 1] = few
        elif likelihood and isinstance(data.groups, Groups):
            self.sizes[compiled.PASS] = incomplete_rows_pass.address
            self.sizes[compiled.QUADRATIC] = incomplete_pass.version(np.float64).address
            self.sizes = np.concatenate([self.sizes, _segments(data.groups, noise, self.sizes)])
        elif likelihood:
            self.sizes = _of_many_rows(self.sizes)

    def _python_pass(self) -> PythonPass:
        if self.noise is None:
            return PythonPass(self.data)
        return PythonPass(self.data, partial(_beside, self.data, self.noise))

    @property
    def size(self) -> int:
        """Number P of coordinates."""
        return self.space.size

    def __call__(self, free: FloatArray) -> tuple[float, FloatArray]:
        """The log density at coordinates (P,) and its gradient (P,); NaN where it is not defined.

        The interpreter's lock is released, so that threads may call at once.
        """
        while True:
            with self._lock:  # another thread may find a narrow component
                held, changes = self._arrays(), self._changes
                table = _table(held)
            _, value, gradient = callbacks.called(self.callback, free, table)
            if not self.narrow() and changes == self._changes:
                return value, gradient

    @property
    def slow(self) -> str:
        """Why each evaluation is a pass over rows in chunks; "" where none is."""
        passes = self.on_device is not None and isinstance(self.data.values, StoredRows)
        return (self._kept_whole or "no rows were left out") if passes else ""

    def units(self) -> FloatArray:
        """Units of the coordinates, (P,): the columns' scales for the means, else 1."""
        d = int(self.sizes[compiled.D])
        spread = [self.numbers[:d]] * int(self.sizes[compiled.K])
        parts = [spread if p.name == "mu" else np.ones(p.size) for p in self.space.pieces]
        return np.concatenate([np.ravel(part) for part in parts])

    def pruned(self, points: FloatArray, left_out: float) -> LogPosterior:
        """The same density without the pairs of a row and a component that do not matter.

        These are the pairs that `prune` leaves out. At the first of the points (S, P) the density
        and its gradient are this one's; at the others it is near, far from them it may differ by
        any amount. It is this one itself where nothing would be gained: with few rows, or where
        most pairs matter.
        """
        data, parametrisation = self.data, self.parametrisation
        in_chunks = isinstance(data.values, StoredRows)
        few = self.sizes[compiled.BLOCKS] > 0 or (self.sizes[compiled.N] == 0 and not in_chunks)
        wide = not parametrisation.diagonal and data.d > QUADRATIC_MAX_COLUMNS
        special = data.weights is not None or data.groups is not None or self.noise is not None
        if few or wide or special:
            self._kept_whole = "only complete rows of weight 1 in few columns can be left out"
            return self
        try:
            kept = prune(data, self.parameters(points), left_out)
        except DegenerateComponentError:
            return self
        if kept is None:
            self._kept_whole = "the rows between components would not fit in memory"
            return self
        share = kept.pairs / (data.n * parametrisation.n_components)
        if share > WORTH_PRUNING:
            self._kept_whole = f"{share:.0%} of the pairs of a row and a component matter"
            return self
        new = copy(self)
        if in_chunks:  # what is left is in memory
            new.on_device, new.sizes = None, _of_many_rows(self.sizes)
        new.rows = np.concatenate([kept.rows.ravel(), kept.owned.ravel()])
        new.sizes = np.concatenate([new.sizes[: compiled.N_SIZES], kept.segments.ravel()])
        new.sizes[compiled.N] = len(kept.rows)
        new.sizes[compiled.OWNED] = kept.owned.shape[1]
        new._set_log_unit(_log_unit(data) - kept.constant)
        return new

    def _set_log_unit(self, value: float) -> None:
        """Replace the number after scale and center, which the log-likelihood is reduced by."""
        self.numbers = self.numbers.copy()  # other densities have them too
        self.numbers[2 * self.data.d] = value

    def parameters(self, points: FloatArray) -> list[Parameters]:
        """The mixtures' parameters, in centred coordinates, at points (S, P)."""
        with np.errstate(over="ignore", invalid="ignore"):  # far out, where there is no density
            values = self.space.values(points)
            covariances = self.parametrisation.covariances(values, self.prior.of_covariances)
        if self.parametrisation.diagonal:
            covariances = diagonals(covariances)
        means = values["mu"] - self.data.center
        weights = values.get("pi", np.ones((len(points), 1)))
        return [
            Parameters(*(contiguous(value) for value in of_point))
            for of_point in zip(weights, means, covariances, strict=True)
        ]

    def whitened(self, origin: FloatArray, root: FloatArray) -> LogPosterior:
        """The same density in coordinates z, u = origin + root z, without the constant |root|.

        root (P, P) is lower triangular.
        """
        new = copy(self)
        new.sizes = self.sizes.copy()
        new.sizes[compiled.WHITENED] = 1
        new.numbers = np.concatenate([self.numbers, origin, root.ravel()])
        return new

    @property
    def table(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Addresses of the arrays for compiled code; valid as long as the object exists."""
        return _table(self._arrays())

    def _arrays(self) -> tuple[np.ndarray[Any, Any], ...]:
        return self.sizes, self.numbers, self.rows, self.weights

    def narrow(self) -> bool:
        """Whether a point had so narrow a component that a part of the code was missing.

        The part is present from then on; values computed before have to be computed again. An
        exception of the pass on a device is raised here.
        """
        if self.on_device is not None and self.on_device.failure is not None:
            raise self.on_device.failure
        with self._lock:
            if not self.sizes[compiled.ASKED_FOR_CENTRED]:
                return False
            few = self.sizes[compiled.BLOCKS] > 0
            part = centred_form if few else centred_pass.version(np.float64)
            if self.data.groups is not None:
                part = incomplete_centred_pass.version(np.float64)
            if self.sizes[compiled.OWNED]:  # rows were left out for the quadratic form
                self.sizes = self.sizes[: compiled.N_SIZES].copy()
                self.sizes[compiled.OWNED] = 0
                self.sizes[compiled.N] = self.data.n
                self._set_log_unit(_log_unit(self.data))
                if _by_python(self.data):  # all rows again: in chunks
                    self.on_device = self._python_pass()
                    self.sizes[compiled.PASS] = pass_on_device.address
                    self.sizes[compiled.QUADRATIC] = self.on_device.address
                else:
                    self.rows = contiguous(self.data.values).ravel()
            self.sizes[compiled.CENTRED] = part.address
            self.sizes[compiled.ASKED_FOR_CENTRED] = 0
            self._changes += 1
            return True


def _log_unit(data: Data) -> float:
    """What the log-likelihood in scaled coordinates is too high by.

    Where values are missing, each row has its own unit, which the pass knows.
    """
    return data.total * float(np.sum(np.log(data.scale))) if data.groups is None else 0.0


def _segments(groups: Groups, noise: Noise | None, sizes: IntArray) -> IntArray:
    """The groups of rows, as long as whole segments are."""
    packed = groups.packed if noise is None else groups.packed_beside(noise.of_groups(groups))
    whole = 3 + int(sizes[compiled.K])
    return np.append(packed, np.zeros(-len(packed) % whole, dtype=np.int64))


def _beside(data: Data, noise: Noise, parameters: Parameters, share: float) -> EStep:
    """The pass over rows in chunks beside a share of noise."""
    return statistics_beside(data, parameters, noise, share)


def _of_many_rows(sizes: IntArray) -> IntArray:
    """The sizes with the addresses of the pass over many rows in memory."""
    sizes = sizes.copy()
    sizes[compiled.PASS] = many_rows_pass.address
    sizes[compiled.QUADRATIC] = quadratic_pass.version(np.float64).address
    return sizes


def _by_python(data: Data) -> bool:
    """Whether passes are made in Python: over rows on a device or in chunks."""
    return isinstance(data.values, DeviceRows | StoredRows)


def _table(arrays: tuple[np.ndarray[Any, Any], ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    places = [number for a in arrays for number in (a.ctypes.data, a.size)]
    return np.array([*places, compiled.log_posterior.address], dtype=np.int64)


def contiguous(values: Any) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float64)


def _rows(
    data: Data, parametrisation: Parametrisation
) -> tuple[tuple[int, ...] | None, FloatArray]:
    """The rows as a pass reads them: the shape of their features or None, and the numbers."""
    if _by_python(data):
        return None, np.empty(0)
    features = Features(data)
    phi = features.diagonal if parametrisation.diagonal else features.full
    if phi.size:
        blocks, number, block = phi.shape
        return (blocks, block, number), phi.ravel()
    return None, contiguous(data.values).ravel()


def _log_noise(noise: Noise | None, data: Data) -> float:
    """The noise's log density as a pass reads it: in scaled coordinates.

    0 where groups or chunks have it, -inf where there is no noise.

    Raises
    ------
    DataError
        Rows that cannot have noise, or noise whose density is no double.
    """
    if noise is None:
        return -np.inf
    if isinstance(data.values, DeviceRows):
        raise DataError(
            "the posterior of a fit with noise needs rows in the processor's memory: leave the "
            "noise out, or pass a NumPy array."
        )
    if data.groups is not None or isinstance(data.values, StoredRows):
        return 0.0
    value = noise.log_density + float(np.sum(np.log(data.scale)))
    if abs(value) > _LARGEST_LOG:
        raise DataError(
            f"the noise's log density of {noise.log_density:.4g} is beyond double precision in the "
            "columns' scales: use fewer columns."
        )
    return value


def _of_prior(prior: Prior, center: FloatArray) -> list[Any]:
    """Concentration (2,), Psi (1 + d,), and b0 (d,), strength, root (d, d) of the means."""
    d = prior.d
    a, psi = prior.concentration, prior.scale
    concentration = [a.shape, float(a.rate)] if isinstance(a, Gamma) else [a, 0.0]
    fixed = np.zeros(d) if psi is None else np.diagonal(prior.expected_scale)
    of_psi = np.concatenate([[psi.shape], psi.rate] if isinstance(psi, Gamma) else [[0.0], fixed])
    root = np.eye(d)
    if prior.mean_covariance is not None:
        root = np.linalg.inv(np.linalg.cholesky(prior.mean_covariance))
    return [
        concentration, of_psi, prior.mean - center, [prior.mean_strength or 0.0], root.ravel(),
    ]  # fmt: skip
