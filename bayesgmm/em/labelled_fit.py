"""Fits to rows of which some have a known class: semi-supervised EM."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.lazy import lazy_on_dask
from ..mixture.component_names import can_be_names
from ..utils.types import FloatArray
from .labels import Labels, array_of
from .result import Fit

_NONE = Labels(np.empty(0, dtype=np.intp), np.empty((0, 0), dtype=bool), None)


@dataclass(frozen=True, eq=False, repr=False)
class LabelledFit(Fit, kind="labels"):
    """A mixture fitted by EM to rows of which some can belong to some components only.

    What a `Fit` is and has, with these differences: `loglik` and the criteria are those of the rows
    and what is known of their components together, sum_i log sum_(k in A_i) pi_k N(x_i | mu_k,
    Sigma_k); components keep the order of the classes and are called by them, as texts, unless
    `with_component_names` calls them otherwise; `predict` gives classes. `refine` samples the
    posterior given the labels.

    Attributes
    ----------
    labels : Labels
        What was known of the rows' components.
    """

    labels: Labels = _NONE

    def __post_init__(self) -> None:
        names = [str(name) for name in self.classes or ()]
        if self.mixture.component_names or not can_be_names(names):
            return
        mixture = self.mixture.with_component_names(names)
        object.__setattr__(self, "mixture", mixture)  # the instance is frozen

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """What each component is called, the columns of `predict_proba`.

        The classes sorted, and "component k" for those beyond them; None where sets of components
        were given.
        """
        return self.labels.classes

    @property
    def n_labelled(self) -> int:
        """Rows that could not belong to every component."""
        return int(np.count_nonzero(self.labels.informative))

    @property
    def apart(self) -> str:
        """What the fit has that others do not know."""
        return "is of rows with labels"

    @lazy_on_dask
    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable class of each row, (n,); components where sets were given."""
        found = self.mixture.predict(X)
        return found if self.classes is None else array_of(self.classes)[found]

    def to_meta(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values.

        Raises
        ------
        ValueError
            A class is neither a text nor a number.
        """
        plain = None if self.classes is None else [_plain(name) for name in self.classes]
        return super().to_meta() | {"classes": plain}

    def to_arrays(self) -> dict[str, FloatArray]:
        """The arrays, by name: the sets of components, and each row's number of one."""
        sets = self.labels.sets.astype(np.float64)
        own = {"label_sets": sets, "label_of_rows": self.labels.of_rows.astype(np.float64)}
        return super().to_arrays() | own

    @classmethod
    def _own_fields(cls, meta: dict[str, Any], arrays: dict[str, FloatArray]) -> dict[str, Any]:
        """What it has besides a `Fit`, from saved metadata and arrays."""
        sets, of_rows = arrays["label_sets"], arrays["label_of_rows"]
        allowed, classes = sets == 1, meta["classes"]
        if sets.ndim != 2 or not np.isin(sets, (0, 1)).all() or not allowed.any(axis=1).all():
            raise ValueError("the sets of labels are not sets of components")
        if of_rows.shape != (meta["rows"],) or not np.isin(of_rows, np.arange(len(sets))).all():
            raise ValueError("the rows' labels are not numbers of sets")
        if classes is not None and len(classes) != sets.shape[1]:
            raise ValueError(f"there are {len(classes)} classes of {sets.shape[1]} components")
        names = None if classes is None else tuple(classes)
        return {"labels": Labels(of_rows.astype(np.intp), allowed, names)}

    def _lines(self) -> list[tuple[str, str]]:
        names = "sets of components" if self.classes is None else ", ".join(map(str, self.classes))
        return [*super()._lines(), ("labels", f"{self.n_labelled} rows; components: {names}")]


def _plain(name: Any) -> Any:
    """A class as JSON has it."""
    value = name.item() if isinstance(name, np.generic) else name
    if not isinstance(value, str | int | float):
        raise ValueError(
            f"class {name!r} is a {type(name).__name__}, which a file has no place for: call the "
            "classes by texts or numbers."
        )
    return value


def with_labels(found: Fit, labels: Labels) -> LabelledFit:
    """The fit with what was known of its rows."""
    values = {field.name: getattr(found, field.name) for field in fields(Fit)}
    return LabelledFit(**values, labels=labels)
