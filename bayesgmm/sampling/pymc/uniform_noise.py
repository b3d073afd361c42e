"""Noise as a distribution of PyMC: rows whose density is the same everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.shape_utils import rv_size_is_none

from ...data.data import Data
from ...em.box_around import box_around
from ...mixture.noise import Noise

_SIGNATURE = "(),(d,d),(d),(d)->(d)"


def uniform_noise(noise: Noise, data: Data) -> pt.TensorVariable:
    """Rows of noise outside a model, to be mixed with others by `pymc.Mixture`.

    Their log density is what `Noise.of_rows` says of the data's, wherever they lie. Noise over the
    data's volume is drawn from it; noise of a given density ends nowhere and cannot be drawn.
    """
    box = box_around(data)
    center = box.axes @ data.center  # along the box's axes
    of_rows = np.asarray(noise.of_rows(data))
    drawn = {"dist": _drawn} if noise.estimated else {}
    return pm.CustomDist.dist(
        of_rows, box.axes, box.low + center, box.high + center, logp=_log_density,
        support_point=_middle, signature=_SIGNATURE, class_name="UniformNoise", **drawn,
    )  # fmt: skip


def _log_density(value: Any, log_density: Any, *box: Any) -> Any:
    return pt.broadcast_to(log_density, value.shape[:-1])


def _drawn(log_density: Any, axes: Any, low: Any, high: Any, size: Any) -> Any:
    batch = log_density.shape if rv_size_is_none(size) else size
    rows = pm.Uniform.dist(low, high, size=pt.concatenate([batch, low.shape[-1:]]))
    return pt.sum(rows[..., :, None] * axes, axis=-2)


def _middle(rv: Any, size: Any, log_density: Any, axes: Any, low: Any, high: Any) -> Any:
    middle = pt.sum((0.5 * (low + high))[..., :, None] * axes, axis=-2)
    return pt.broadcast_to(middle, rv.shape)
