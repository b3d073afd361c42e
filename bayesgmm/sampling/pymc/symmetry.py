"""Whether the components of a PyMC model may change their names, and which axes then change.

A mixture's posterior has every order of its components, and draws are relabelled; a term of the
user's own may tell the components apart, and then their names mean something. What a model says is
found out by trying: the elements of its variables that belong to the components are exchanged in a
few draws, and the model's log density is compared, term by term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from ...kernels.e_step.chunk_groups import GroupsOfChunks
from ...kernels.e_step.groups import Groups
from ...utils.types import FloatArray, IntArray
from .coordinates import Coordinates
from .mixture_term import MixtureTerm

# Most ways to read the axes of variables without dims, and draws at which each is tried.
_READINGS, _TRIED = 64, 3
# How far equal numbers may differ, relative to their size.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Symmetry:
    """The axis of the components in each variable that has one, and why labels are fixed, or ""."""

    axes: dict[str, int]
    broken_by: str


def symmetry_of(
    coordinates: Coordinates,
    term: MixtureTerm,
    vectors: FloatArray,
    groups: Groups | GroupsOfChunks | None = None,
) -> Symmetry:
    """The symmetry of a model under exchange of components, tried at draws (S, P).

    Where the groups of rows have labels, those of one kind are exchanged.
    """
    model = coordinates.model
    k = int(term.weights.shape[-1].eval())
    ways = exchanges(k, groups.kinds if groups is not None else [])
    chosen = vectors[np.linspace(0, len(vectors) - 1, min(_TRIED, len(vectors))).astype(int)]
    trial = _Trial(coordinates, term, chosen, ways)
    readings = [
        dict(zip(trial.names, axes, strict=True))
        for axes in islice(product(*(_axes(model, term, v, k) for v in trial.variables)), _READINGS)
    ]
    found = [
        Symmetry({n: a for n, a in axes.items() if a is not None}, trial.broken_by(axes))
        for axes in readings
    ]
    if k > 1 and not ways:
        return replace(found[0], broken_by="the labels of rows tell the components apart")
    return next((s for s in found if not s.broken_by), found[0])


def exchanges(n_components: int, kinds: Sequence[IntArray] = ()) -> list[IntArray]:
    """Permutations that make all orders of the components of each kind; of all, without kinds."""
    out = []
    for kind in kinds or [np.arange(n_components)]:
        turned, swapped = np.arange(n_components), np.arange(n_components)
        turned[kind] = np.roll(kind, 1)
        swapped[kind[:2]] = kind[:2][::-1]
        out += [turned, swapped] if len(kind) > 1 else []
    return out


def _axes(model: pm.Model, term: MixtureTerm, variable: Any, k: int) -> list[int | None]:
    """The axes along which a variable may hold the components, the likeliest first."""
    declared = model.named_vars_to_dims.get(variable.name)
    names = {"component"} | {
        dims[axis]
        for v, axis in ((term.weights, -1), (term.means, -2))
        if (dims := model.named_vars_to_dims.get(v.name))
    }
    if declared is not None:
        return [next((i for i, dim in enumerate(declared) if dim in names), None)]
    shape = [int(n) for n in variable.shape.eval()]
    if variable is term.weights:
        return [len(shape) - 1]
    if variable is term.means:
        return [len(shape) - 2]
    return [*(i for i, n in enumerate(shape) if n == k), None]


class _Trial:
    """A few draws of a model's variables, to be exchanged."""

    def __init__(
        self, coordinates: Coordinates, term: MixtureTerm, vectors: FloatArray,
        ways: list[IntArray],
    ) -> None:  # fmt: skip
        model = coordinates.model
        self._coordinates, self._vectors = coordinates, vectors
        self._free = [rv.name for rv in model.free_RVs]
        self.variables = [*model.free_RVs, *model.deterministics]
        self.names = [v.name for v in self.variables]
        self._terms = [v.name for v in (*model.basic_RVs, *model.potentials)]
        logps = model.logp(vars=[*model.basic_RVs, *model.potentials], sum=False)
        self._log_densities = coordinates.each(pt.stack([v.sum() for v in logps]))
        self._parameters = coordinates.function([*term.parameters, *self.variables])
        self._ways = ways
        self._before = self._values(vectors)

    def _values(self, vectors: FloatArray) -> tuple[FloatArray, list[FloatArray], list[FloatArray]]:
        """Log densities of all terms (S, terms); the mixture's parameters; all variables."""
        arrays = self._parameters(vectors)
        return self._log_densities(vectors), arrays[:3], arrays[3:]

    def broken_by(self, axes: Mapping[str, int | None]) -> str:
        """What tells the components apart, if these are their axes; "" if nothing does."""
        return next((found for way in self._ways if (found := self._broken(axes, way))), "")

    def _broken(self, axes: Mapping[str, int | None], way: Any) -> str:
        log_densities, mixture, values = self._before
        exchanged = {
            name: value if (axis := axes[name]) is None else np.take(value, way, axis=axis + 1)
            for name, value in zip(self.names, values, strict=True)
        }
        vectors = self._coordinates.vectors({name: exchanged[name] for name in self._free})
        if not np.isfinite(vectors).all():
            return "a variable of the model is constrained in a way that orders the components"
        after, mixture_after, values_after = self._values(vectors)
        wrong = ~np.isclose(after, log_densities, rtol=_ROUNDING, atol=_ROUNDING).all(axis=0)
        if wrong.any():
            return f"the term {self._terms[int(np.argmax(wrong))]!r} tells the components apart"
        for value, now, axis in zip(mixture, mixture_after, (-1, -2, -3), strict=True):
            if value.shape[axis] > 1 and not _equal(np.take(value, way, axis=axis), now):
                return "no exchange of elements of the model's variables exchanges the components"
        for name, now in zip(self.names, values_after, strict=True):
            if not _equal(exchanged[name], now):
                return f"the variable {name!r} depends on the components' order"
        return ""


def _equal(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.allclose(a, b, rtol=_ROUNDING, atol=_ROUNDING * np.abs(a).max(initial=0.0)))
