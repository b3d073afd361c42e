"""The several orientations and shapes of one Sigma: how many there are, and one picked of them.

Axes in another order, or reversed, give the same covariances. A rule that looks at the axes alone,
whatever their order and directions, picks one of these copies; the copies have equal integrals.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

from ...utils.types import FloatArray
from ..letters import Letter
from .axes import Axes

# Cosines of axes that are the same differ from 1 by rounding only.
_SAME = 1e-6


def log_copies(form: Axes) -> float:
    """Log of the number of rotations and shapes that make the same covariances.

    An order of the axes, for each component where shapes and axes are its own, and for each D signs
    whose product the order determines.
    """
    both_own = form.family.shape == form.family.orientation == Letter.VARIABLE
    orders = form.n_components if both_own else 1
    signs = len(form.about) * (form.d - 1) * np.log(2.0)
    return float(orders * gammaln(form.d + 1) + signs)


def nearest_copy(form: Axes, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The copy of values (S, ...) whose axes are nearest to those the coordinates are about.

    Axes are matched in the order in which the squared cosines have the largest sum, and point the
    same way, but for the one furthest off if they would not be a rotation.
    """
    _, shape_name, axes_name = form.names
    shape, axes = values[shape_name], values[axes_name]
    own_axes = form.family.orientation == Letter.VARIABLE
    axes = axes if own_axes else axes[:, None]
    cosines = np.swapaxes(form.about, -1, -2) @ axes  # of D0's axes, by row, and D's
    agreement = cosines**2
    both_own = own_axes and form.family.shape == Letter.VARIABLE
    if own_axes and not both_own:  # one order for all
        agreement = np.repeat(agreement.sum(axis=1, keepdims=True), axes.shape[1], axis=1)
    order = _orders(agreement)
    axes = np.take_along_axis(axes, order[:, :, None, :], axis=-1)
    along = np.einsum("mij,smij->smj", form.about, axes)
    axes = axes * np.where(along < 0, -1.0, 1.0)[:, :, None, :]
    furthest = np.argmin(np.abs(along), axis=-1)[..., None, None]
    wrong = np.linalg.det(axes) < 0
    flipped = np.where(np.arange(form.d) == furthest, -1.0, 1.0)
    axes = np.where(wrong[..., None, None], axes * flipped, axes)
    if form.family.shape == Letter.EQUAL:
        shape = np.take_along_axis(shape, order[:, 0], axis=-1)
    else:
        shape = np.take_along_axis(shape, np.broadcast_to(order, shape.shape), axis=-1)
    axes = axes if own_axes else axes[:, 0]
    return {**values, shape_name: shape, axes_name: axes}


def is_nearest(form: Axes, values: Mapping[str, FloatArray]) -> NDArray[np.bool_]:
    """Whether values (S, ...) are the copy that is picked."""
    axes = values[form.names[2]]
    picked = nearest_copy(form, values)[form.names[2]]
    cosines = np.sum(axes * picked, axis=-2).reshape(len(axes), -1)
    return np.asarray(np.all(cosines > 1 - _SAME, axis=1))


def _orders(agreement: FloatArray) -> NDArray[np.int64]:
    """For each of D0's axes the one of D's that it is matched to; agreement (S, M, d, d)."""
    flat = agreement.reshape(-1, *agreement.shape[-2:])
    orders = np.argmax(flat, axis=2)
    d = flat.shape[1]
    clear = np.all(np.sort(orders, axis=1) == np.arange(d), axis=1)
    for i in np.flatnonzero(~clear):
        orders[i] = linear_sum_assignment(flat[i], maximize=True)[1]
    return np.asarray(orders.reshape(agreement.shape[:-1]))
