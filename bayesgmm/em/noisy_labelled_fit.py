"""Fits with noise to rows of which some have a known class."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.lazy import lazy_on_dask
from ..utils.types import FloatArray
from .labelled_fit import LabelledFit
from .labels import Labels, array_of
from .noisy_fit import NoisyFit


@dataclass(frozen=True, eq=False, repr=False)
class NoisyLabelledFit(NoisyFit, LabelledFit, kind="noise and labels"):
    """A mixture fitted by EM beside noise, to rows of which some have a known class.

    What a `NoisyFit` and a `LabelledFit` are and have. Rows that cannot belong to every component
    are no noise.
    """

    @property
    def apart(self) -> str:
        """What the fit has that others do not know."""
        return "has a noise component and is of rows with labels"

    @lazy_on_dask
    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable class of each row, (n,); noise is -1, or "noise" among names."""
        found = super().predict(X)
        if self.classes is None:
            return found
        numbers = all(isinstance(name, int | float | np.number) for name in self.classes)
        return array_of([*self.classes, -1 if numbers else "noise"])[found]

    @classmethod
    def _own_fields(cls, meta: dict[str, Any], arrays: dict[str, FloatArray]) -> dict[str, Any]:
        """What it has besides a `Fit`, from saved metadata and arrays."""
        return NoisyFit._own_fields(meta, arrays) | LabelledFit._own_fields(meta, arrays)


def with_both(found: NoisyFit, labels: Labels) -> NoisyLabelledFit:
    """The fit with noise, with what was known of its rows."""
    values = {field.name: getattr(found, field.name) for field in fields(NoisyFit)}
    return NoisyLabelledFit(**values, labels=labels)
