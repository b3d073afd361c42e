"""What a report says of labels: how many rows have one, and how well the others agree with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.data import Data
from ..em.labelled_fit import LabelledFit
from ..em.result import Fit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class LabelReport:
    """The rows of a fit that have a known class, and what they would be called without it.

    table: classes by components (and noise), of rows of one class each; empty where sets of
    components were given.
    """

    fit: LabelledFit
    table: pd.DataFrame

    @classmethod
    def of(cls, data: Data, fit: Fit) -> LabelReport | None:
        """What there is to say; None of a fit without labels."""
        import pandas as pd

        if not isinstance(fit, LabelledFit):
            return None
        known = fit.labels.known
        rows = np.flatnonzero(known >= 0)
        names = [str(name) for name in fit.classes or fit.components]
        called = np.argmax(fit.predict_proba(data), axis=1)[rows]
        columns = [*names, *(["noise"] if hasattr(fit, "noise_share") else [])]
        counts = np.zeros((len(names), len(columns)), dtype=int)
        np.add.at(counts, (known[rows], called), 1)
        table = pd.DataFrame(counts, index=names, columns=columns)
        return cls(fit, table[counts.sum(axis=1) > 0])

    def sentences(self) -> list[str]:
        """How many rows have a label, what that means, and how many would be called otherwise."""
        total = int(self.table.to_numpy().sum())
        wrong = total - sum(int(self.table.loc[name, name]) for name in self.table.index)
        new = [name for name in map(str, self.fit.components) if name not in self.table.index]
        text = [
            f"Of {self.fit.n_labelled} of {len(self.fit.labels.of_rows)} rows it is known which "
            "components they can belong to, and there they stay. Likelihood and criteria are those "
            "of rows and labels together.",
        ]
        if new:
            text.append(f"No row is known to be of {', '.join(new)}.")
        if total:
            text.append(
                f"Of the {total} rows of one known class {wrong} ({wrong / total:.1%}) would be "
                "called another by their values alone. They took part in the fit, so that new rows "
                "do worse: cross-validation of DiscriminantAnalysis says how much."
            )
        return text
