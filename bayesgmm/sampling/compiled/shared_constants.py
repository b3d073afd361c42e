"""How the prior's constant depends on K where components share some of volume, shape and axes.

Z_K is the integral of the prior's kernel over all covariances. It has a closed form, or is one
integral, unless axes are to be averaged over (decision 29); then Z_(K + 1) / Z_K is estimated by
bridge sampling between K components with a draw of one more's own parts (`own_parts.py`), and
K + 1 components, both by Gibbs sampling without rows. It is a smooth function of 1 / K.
"""

from __future__ import annotations

from functools import lru_cache

import numba as nb
import numpy as np

from ...families.family import Family, get_family
from ...families.inverse_wishart import InverseWishart
from ...families.letters import Letter
from ...families.log_constants import log_constant
from ...families.matrices import VARIABLE, copy_matrix
from ...families.rotations_prior import log_ratio_of_integrals
from ...kernels.compilation import BOOL, F2, FLOAT, INT, part
from ...utils.types import FloatArray, IntArray
from .gibbs_axes import AXES_STATE, AxesState, call_draw_axes, draw_axes
from .own_parts import OWN, call_own_parts, own_prior

# Up to this K every ratio is estimated, beyond it at a K so many times the last one.
_EVERY, _TIMES = 8, 1.4
# Sweeps without rows for a ratio, times K, at least so many, and those before that are not used;
# weights from each.
_SWEEPS, _LEAST, _BEFORE, _WEIGHTS = 40_000, 1000, 200, 4


def log_constants(prior: InverseWishart, family: Family, numbers: IntArray) -> FloatArray:
    """-log Z_K (M,) for K = 1, ..., M, the largest of the numbers, but for a term common to all.

    A random scale is at its mean. Where one K alone is possible nothing is needed, and all are 0.
    """
    most = int(numbers[-1])
    if len(numbers) == 1:
        return np.zeros(most)
    psi = prior.expected_scale
    values = np.linalg.eigvalsh(psi)
    if family.orientation == Letter.IDENTITY or np.ptp(np.log(values)) < 1e-12:
        return np.array([log_constant(prior, family, k).value for k in range(1, most + 1)])
    ratios = _log_ratios(family.name, prior.dof, most, tuple(np.log(values).tolist()))
    return -np.concatenate([[0.0], np.cumsum(ratios)])


@lru_cache(maxsize=64)
def _log_ratios(name: str, dof: float, most: int, logs: tuple[float, ...]) -> FloatArray:
    """Log Z_(K + 1) / Z_K (M - 1,), always the same; logs are those of Psi's eigenvalues."""
    rng = np.random.default_rng(0)
    psi = np.diag(np.exp(logs))
    family = get_family(name, len(psi))
    at, k = [], 1
    while k < most:
        at.append(k)
        k = max(k + 1, int(_TIMES * k)) if k >= _EVERY else k + 1
    at.append(most - 1) if at[-1] < most - 1 else None
    found = [_log_ratio(rng, family, dof, psi, k) for k in at]
    inverse = 1.0 / np.arange(1, most)
    return np.interp(-inverse, -1.0 / np.array(at), found)


def _log_ratio(
    rng: np.random.Generator, family: Family, dof: float, psi: FloatArray, k: int
) -> float:
    """Log Z_(K + 1) / Z_K."""
    weights = np.empty((2, max(_LEAST, _SWEEPS // k), _WEIGHTS))
    _fill_weights(rng, family, dof, psi, k, True, weights[0])
    _fill_weights(rng, family, dof, psi, k + 1, False, weights[1])
    forward, back = weights[0].ravel(), -weights[1].ravel()
    shift = np.median(forward)
    return float(shift + log_ratio_of_integrals(forward - shift, back + shift))


def _fill_weights(
    rng: np.random.Generator, family: Family, dof: float, psi: FloatArray, k: int, drawing: bool,
    weights: FloatArray,
) -> None:  # fmt: skip
    """Write log weights of one more component's own parts, or else of components that are there."""
    d, codes = len(psi), family.codes
    of_own = own_prior(family, dof, psi)
    volumes, shapes, axes = (k + 1 if letter == VARIABLE else 1 for letter in codes)
    log_shape = np.log(np.diagonal(psi))
    level = log_shape.mean()
    state = AxesState(
        np.full(volumes, np.exp(level) / (dof + 1.0)),
        np.tile(log_shape - level, (shapes, 1)),
        np.tile(np.eye(d), (axes, 1, 1)),
    )
    power = float(d) if codes.volume == codes.shape == VARIABLE else 1.0
    sweeps_without_rows(
        rng, draw_axes.address, power, k, drawing, _BEFORE, of_own, psi, state, weights
    )


@part(
    nb.void(nb.types.npy_rng, INT, FLOAT, INT, BOOL, INT, OWN, F2, AXES_STATE, F2), from_python=True
)
def sweeps_without_rows(  # type: ignore[no-untyped-def]
    rng, address, power, n_components, drawing, before, own, psi, state, weights
):
    """Write log weights (S, W) of own parts after each of S sweeps; `before` go ahead.

    state has room for one component more.
    """
    volumes, log_shapes, axes = state
    d = len(psi)
    present = AxesState(
        volumes[: n_components if own.letters.volume == VARIABLE else 1],
        log_shapes[: n_components if own.letters.shape == VARIABLE else 1],
        axes[: n_components if own.letters.orientation == VARIABLE else 1],
    )
    dofs = np.full(n_components, own.weight)
    scales = np.empty((n_components, d, d))
    for k in range(n_components):
        copy_matrix(psi, scales[k])
    covariances = np.empty((n_components, d, d))
    for s in range(len(weights) + before):
        call_draw_axes(address, (rng, power, dofs, scales, present, covariances))
        for i in range(weights.shape[1] if s >= before else 0):
            k = n_components if drawing else (s + i) % n_components
            place = (rng, own, psi, state, k, drawing)
            weights[s - before, i] = call_own_parts(own.drawing, place)
