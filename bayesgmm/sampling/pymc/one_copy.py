"""One of the copies of each Sigma's axes, for sequential Monte Carlo in families with axes.

Axes in another order, or reversed, make the same covariances, and so do other coordinates of the
same rotation. Particles that are drawn from the prior lie at all of these copies, between which no
normal proposal passes; but the density is the same at each, so that the one nearest to where the
coordinates are about does for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray

from ...families import get_family
from ...families.letters import Letter
from ...families.parametrisation.axes import Axes
from ...families.parametrisation.base import COMPONENT
from ...families.parametrisation.copies import is_nearest, nearest_copy
from ...families.parametrisation.transforms import LogShape
from ...utils.types import FloatArray
from .likelihood.rotations import RotationTransform

_VOLUME, _SHAPE, _AXES = Axes.names


@dataclass(frozen=True, eq=False)
class OneCopy:
    """The copies of particles (S, P) that are kept.

    Attributes
    ----------
    form : Axes
        The parametrisation of the covariances.
    places : dict of str to slice
        Where a vector has the coordinates of shape and orientation.
    """

    form: Axes
    places: dict[str, slice]

    @classmethod
    def of(cls, model: pm.Model, sizes: dict[str, tuple[Any, int]]) -> OneCopy | None:
        """The rule for `build_model`'s model, or None for one that has no axes.

        sizes are the shape and size of the coordinates of each variable, in a vector's order.
        """
        rvs = [model.named_vars.get(name) for name in Axes.names]
        if any(rv not in model.free_RVs for rv in rvs):
            return None
        transform = model.rvs_to_transforms[rvs[2]]
        if not isinstance(transform, RotationTransform):
            return None
        names = {rv.name: model.rvs_to_values[rv].name for rv in rvs}
        ends = dict(zip(sizes, np.cumsum([size for _, size in sizes.values()]), strict=True))
        places = {
            name: slice(ends[names[name]] - sizes[names[name]][1], ends[names[name]])
            for name in (_SHAPE, _AXES)
        }
        own = [rv.ndim > n for n, rv in enumerate(rvs)]  # of each component
        family = get_family("".join("EV"[each] for each in own), transform.d)
        k = len(model.coords[COMPONENT])
        about = transform.about.reshape(-1, transform.d, transform.d)
        return cls(Axes(family, k, transform.d, about), places)

    def folded(self, vectors: FloatArray) -> FloatArray:
        """Other vectors (S, P) of the same mixtures, at the copies that are kept."""
        picked = nearest_copy(self.form, self._values(vectors))
        out = vectors.copy()
        for name, transform in ((_SHAPE, LogShape()), (_AXES, self.form.rotation)):
            out[:, self.places[name]] = transform.forward(picked[name]).reshape(len(out), -1)
        return out

    def kept(self, vectors: FloatArray) -> NDArray[np.bool_]:
        """Whether vectors (S, P) are at copies that are kept, (S,)."""
        return is_nearest(self.form, self._values(vectors))

    def log_share(self, vectors: FloatArray) -> FloatArray:
        """What the density has of other coordinates of the same rotations, further from 0, (S,)."""
        return np.asarray(self.form.rotation.log_share(self._free(vectors, _AXES)))

    def _values(self, vectors: FloatArray) -> dict[str, FloatArray]:
        return {
            _SHAPE: LogShape().backward(self._free(vectors, _SHAPE)),
            _AXES: self.form.rotation.backward(self._free(vectors, _AXES)),
        }

    def _free(self, vectors: FloatArray, name: str) -> FloatArray:
        part = vectors[:, self.places[name]]
        each = self.form.family.shape if name == _SHAPE else self.form.family.orientation
        return part.reshape(len(part), *[self.form.n_components] * (each == Letter.VARIABLE), -1)
