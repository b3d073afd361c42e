"""Agreement of labels with known classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.display import Displayed
from ..utils.errors import DataError
from ..utils.types import IntArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Displayed):
    """The agreement of labels with known classes.

    Attributes
    ----------
    ari : float
        Adjusted Rand index: 1 when the partitions are the same, 0 on average by chance.
    error : float
        Share of rows in the wrong class, under the best matching of labels to classes.
    table : DataFrame
        Rows by label (rows) and class (columns).
    matching : dict
        The class each label is matched to; surplus labels have none, and all their rows are wrong.
    misclassified : int array
        Positions of the rows in the wrong class.
    """

    ari: float
    error: float
    table: pd.DataFrame
    matching: dict[Any, Any]
    misclassified: IntArray

    def _lines(self) -> list[tuple[str, str]]:
        pairs = ", ".join(f"{label} = {cls}" for label, cls in self.matching.items())
        surplus = [str(label) for label in self.table.index if label not in self.matching]
        if surplus:
            pairs += f"; without a class: {', '.join(surplus)}"
        return [
            ("adjusted Rand index", f"{self.ari:.4f} (1: the same partition, 0: chance)"),
            ("classification error", f"{self.error:.4f} ({len(self.misclassified)} rows)"),
            ("best matching", pairs),
        ]

    def _title(self) -> str:
        n, (n_labels, n_classes) = int(self.table.to_numpy().sum()), self.table.shape
        return f"Agreement of {n_labels} labels with {n_classes} classes in {n} rows"

    def _table(self) -> pd.DataFrame:
        return self.table


def agreement(labels: Any, classes: Any) -> Agreement:
    """The agreement of labels with known classes: adjusted Rand index, table, error.

    Parameters
    ----------
    labels : array-like (n,)
        A label per row, of any kind: numbers, strings, a categorical.
    classes : array-like (n,)
        A known class per row. Rows are matched by position, not by index.

    Returns
    -------
    Agreement
        `.ari`, `.error`, `.table`, `.matching`, `.misclassified`. The error is that of the best
        matching of each label to a class of its own (Hungarian method); mclust's classError at
        times gives two labels the same class, and is then lower.

    Raises
    ------
    DataError
        Missing values, unequal lengths, no rows, more than one column.

    See Also
    --------
    classify : Components of rows, with their uncertainty.
    merge : Overlapping components joined to clusters.

    References
    ----------
    Hubert & Arabie (1985), Journal of Classification 2, 193-218.

    Examples
    --------
    >>> from bayesgmm.comparison.agreement import agreement
    >>> agreement([0, 0, 1, 1, 1], ["b", "b", "a", "a", "b"])
    Agreement of 2 labels with 2 classes in 5 rows
      adjusted Rand index: 0.1667 (1: the same partition, 0: chance)
      classification error: 0.2000 (1 rows)
      best matching: 0 = b, 1 = a
    class  a  b
    label
    0      0  2
    1      2  1
    """
    import pandas as pd
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score

    found, known = _categorical(labels, "labels"), _categorical(classes, "classes")
    if len(found) != len(known):
        raise DataError(
            f"{len(found)} labels and {len(known)} classes do not agree: pass one of each per row."
        )
    counts = np.zeros((len(found.categories), len(known.categories)), dtype=np.int64)
    np.add.at(counts, (found.codes, known.codes), 1)
    at, to = linear_sum_assignment(counts, maximize=True)
    matched = [(i, j) for i, j in zip(at, to, strict=True) if counts[i, j]]
    stands_for = np.full(len(counts), -1)
    for i, j in matched:
        stands_for[i] = j
    wrong = np.flatnonzero(stands_for[found.codes] != known.codes)
    return Agreement(
        ari=float(adjusted_rand_score(known.codes, found.codes)),
        error=len(wrong) / len(found),
        table=pd.DataFrame(
            counts,
            index=pd.Index(found.categories, name="label"),
            columns=pd.Index(known.categories, name="class"),
        ),
        matching={found.categories[i]: known.categories[j] for i, j in matched},
        misclassified=wrong,
    )


def _categorical(values: Any, what: str) -> pd.Categorical:
    """One label per row as a categorical: its own order, else sorted; nothing missing."""
    import pandas as pd

    if values is None or isinstance(values, str | bytes | dict):
        raise DataError(f"{what} is {type(values).__name__}: pass one of them per row.")
    for method in ("to_list", "to_pylist"):  # polars and pyarrow
        if hasattr(values, method) and not isinstance(values, pd.Series | pd.Index):
            values = getattr(values, method)()
    if isinstance(values, np.ma.MaskedArray):  # what is masked is missing, not a label
        values = values.tolist()
    shape = getattr(values, "shape", None)
    if shape is not None and len(shape) != 1:
        raise DataError(f"{what} has shape {tuple(shape)}: pass one column, shape (n,).")
    try:
        found = pd.Categorical(values if hasattr(values, "dtype") else pd.Series(list(values)))
    except TypeError:
        raise DataError(
            f"{what} is a {type(values).__name__} that does not hold one label per row: pass an "
            "array or a list of them."
        ) from None
    if not len(found):
        raise DataError(f"{what} is empty: pass at least one row.")
    missing = np.flatnonzero(found.codes < 0)
    if len(missing):
        raise DataError(
            f"{what} has {len(missing)} missing value{'s' if len(missing) > 1 else ''} (first in "
            f"row {missing[0]}): drop those rows from labels and classes."
        )
    return found.remove_unused_categories()
