"""Fits to rows of which some have a known class: semi-supervised EM."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .labels import Labels
from .result import Fit


@dataclass(frozen=True, eq=False, repr=False)
class LabelledFit(Fit):
    """A mixture fitted by EM to rows of which some can belong to some components only.

    What a `Fit` is and has, with these differences: `loglik` and the criteria are those of the rows
    and what is known of their components together, sum_i log sum_(k in A_i) pi_k N(x_i | mu_k,
    Sigma_k); components keep the order of the classes; `predict` gives classes. What would have to
    know the labels (`refine`, `standard_errors`, `merge`, `compare`, `save`) refuses such a fit.

    Attributes
    ----------
    classes : tuple of K, or None
        What each component is called, the columns of `predict_proba`: the classes sorted, and
        "component k" for those beyond them; None where sets of components were given.
    n_labelled : int
        Rows that could not belong to every component.
    """

    classes: tuple[Any, ...] | None = None
    n_labelled: int = 0

    @property
    def apart(self) -> str:
        """What the fit has that others do not know."""
        return "is of rows with labels"

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable class of each row, (n,); components where sets were given."""
        found = self.mixture.predict(X)
        return found if self.classes is None else np.array(self.classes)[found]

    def to_meta(self) -> dict[str, Any]:
        """Refused: a file has no place for labels yet.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            "a fit with labels cannot be saved: keep its mixture (weights, means, covariances), or "
            "leave the labels out."
        )

    def _lines(self) -> list[tuple[str, str]]:
        names = "sets of components" if self.classes is None else ", ".join(map(str, self.classes))
        return [*super()._lines(), ("labels", f"{self.n_labelled} rows; components: {names}")]


def with_labels(found: Fit, labels: Labels) -> LabelledFit:
    """The fit with what was known of its rows."""
    values = {field.name: getattr(found, field.name) for field in fields(Fit)}
    n_labelled = int(np.count_nonzero(labels.informative))
    return LabelledFit(**values, classes=labels.classes, n_labelled=n_labelled)
