"""How well rows that were held out are classified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.display import Displayed
from ..utils.types import FloatArray, IntArray
from .class_models import brier

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ClassificationScores(Displayed):
    """How well held-out rows were classified.

    Attributes
    ----------
    probabilities : array (n, C)
        Probabilities of the classes, each row's from the fold that left it out.
    index : int array (n,)
        The true classes, positions in `classes`.
    weights : array (n,)
        What each row counts for.
    classes : tuple
        The classes, sorted.
    n_folds : int
        Folds.
    """

    probabilities: FloatArray
    index: IntArray
    weights: FloatArray
    classes: tuple[Any, ...]
    n_folds: int

    @property
    def error(self) -> float:
        """Share of rows whose most probable class is not theirs."""
        return self._mean(self._wrong)

    @property
    def error_se(self) -> float:
        """Its standard error over rows, as if these were independent."""
        return self._se(self._wrong)

    @property
    def brier(self) -> float:
        """Brier's score: half the mean squared distance of the probabilities from the truth.

        Between 0 and 1 and lower is better, as mclust's; half of the sum over classes that others
        report.
        """
        return self._mean(brier(self.probabilities, self.index))

    @property
    def brier_se(self) -> float:
        """Its standard error over rows, as if these were independent."""
        return self._se(brier(self.probabilities, self.index))

    @property
    def _wrong(self) -> FloatArray:
        found = np.argmax(self.probabilities, axis=1)
        return (found != self.index).astype(np.float64)

    def _mean(self, values: FloatArray) -> float:
        return float(self.weights @ values / self.weights.sum())

    def _se(self, values: FloatArray) -> float:
        share = self.weights / self.weights.sum()
        return float(np.sqrt(share**2 @ (values - share @ values) ** 2))

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("error", f"{self.error:.4f} (standard error {self.error_se:.4f})"),
            ("Brier's score", f"{self.brier:.4f} (standard error {self.brier_se:.4f})"),
        ]

    def _title(self) -> str:
        n = len(self.index)
        return f"Classification of {n} rows, each held out of one of {self.n_folds} folds"

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        found = np.argmax(self.probabilities, axis=1)
        counts = np.zeros((len(self.classes),) * 2)
        np.add.at(counts, (self.index, found), self.weights)
        names = [str(name) for name in self.classes]
        return pd.DataFrame(
            counts, index=pd.Index(names, name="class"), columns=pd.Index(names, name="predicted")
        )
