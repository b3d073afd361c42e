"""The result of the bootstrap likelihood-ratio test, with a conclusion in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..em.result import Fit
from ..families import Family
from ..utils.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

# Share of the replicates that may fail, or need the split starts, without advice to change options.
_MANY = 0.05


@dataclass(frozen=True, eq=False)
class LikelihoodRatioTest:
    """One test: K components against K + 1.

    Attributes
    ----------
    null, alternative : Fit
        The data's fits of K and of K + 1 components.
    statistic : float
        Twice the gain in log-likelihood.
    replicates : array (B,)
        The statistics of the replicates that could be fitted.
    data_rescued : bool
        Whether the data's own K + 1 fit was rescued, or unimproved, as below.
    failed : int
        Replicates that could not be fitted: every start of K, or of K + 1, ended at or beside a
        singular covariance.
    rescued : int
        Replicates in which the named starts of K + 1 components ended below the likelihood of K,
        and only those from a split component did not: without these the statistic would be
        negative.
    unimproved : int
        Replicates in which those from a split component ended below it too. Their statistic is 0,
        the gain of K + 1 components of which two are equal.
    """

    null: Fit
    alternative: Fit
    statistic: float
    replicates: FloatArray
    data_rescued: bool
    failed: int
    rescued: int
    unimproved: int

    @property
    def n_components(self) -> int:
        """K, the number of components under the null hypothesis."""
        return self.null.n_components

    @property
    def p_value(self) -> float:
        """(1 + replicates that reach the statistic) / (1 + replicates); failed ones left out."""
        return self._p_value(0)

    @property
    def p_value_bound(self) -> float:
        """The p-value if all failed replicates had reached the statistic: an upper bound."""
        return self._p_value(self.failed)

    def _p_value(self, more: int) -> float:
        reached = int(np.sum(self.replicates >= self.statistic)) + more
        return (1 + reached) / (1 + len(self.replicates) + more)


@dataclass(frozen=True, eq=False)
class BootstrapLRT:
    """Bootstrap likelihood-ratio tests of growing numbers of components.

    Attributes
    ----------
    family : Family
        Covariance family.
    level : float
        Level of each test.
    tests : tuple of LikelihoodRatioTest
        The tests in the order made; the first that does not reject decides.
    stopped : str
        Why no more tests were made, where it was not for a p-value above the level; else empty.
    interrupted : bool
        Whether that was Ctrl-C; the last test may have fewer replicates than were asked for.
    """

    family: Family
    level: float
    tests: tuple[LikelihoodRatioTest, ...]
    stopped: str = ""
    interrupted: bool = False

    @property
    def n_components(self) -> int:
        """The first K that is not rejected against K + 1; if all are, the last K + 1."""
        decisive = self._decisive
        return decisive.n_components + (decisive.p_value <= self.level)

    @property
    def _decisive(self) -> LikelihoodRatioTest:
        """The first test that does not reject, or the last."""
        return next((t for t in self.tests if t.p_value > self.level), self.tests[-1])

    @property
    def table(self) -> pd.DataFrame:
        """One row per test.

        Columns: K0, K1, statistic, p_value, n_boot (replicates that count), failed, rescued,
        unimproved (replicates; see `LikelihoodRatioTest`).
        """
        import pandas as pd

        columns = [
            "K0", "K1", "statistic", "p_value", "n_boot", "failed", "rescued", "unimproved",
        ]  # fmt: skip
        rows = [
            [t.n_components, t.n_components + 1, t.statistic, t.p_value, len(t.replicates),
             t.failed, t.rescued, t.unimproved]
            for t in self.tests
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    @property
    def conclusion(self) -> str:
        """What the tests say, in words."""
        test = self._decisive
        k, p = test.n_components, f"p = {test.p_value:.3g}"
        smaller = [t.p_value for t in self.tests if t.n_components < k]
        if test.p_value > self.level:
            text = f"{count_of(k)} against {k + 1} not rejected ({p})"
        else:
            text = f"{count_of(k)} rejected in favour of {k + 1} ({p})"
        if smaller:
            text += f", every smaller number rejected (p <= {max(smaller):.3g})"
        return f"{text}, at level {self.level:g}."

    @property
    def advice(self) -> str:
        """Reasons for care, failed replicates or too few starts; "" if there are none."""
        return " ".join([note for t in self.tests for note in _notes(t, self.level)] + _gaps(self))

    def __repr__(self) -> str:
        return "\n".join([self._title(), *self._texts(), self._table_text()])

    def _repr_html_(self) -> str:
        texts = "".join(f"<p>{escape(text)}</p>" for text in self._texts())
        table = self.table.to_html(index=False, border=0, float_format=lambda v: f"{v:.4g}")
        return f"<p><b>{escape(self._title())}</b></p>{texts}{table}"

    def _title(self) -> str:
        return f"Bootstrap likelihood-ratio test, family {self.family.name}"

    def _texts(self) -> list[str]:
        return [text for text in (self.conclusion, self.stopped, self.advice) if text]

    def _table_text(self) -> str:
        return str(self.table.to_string(index=False, float_format=lambda v: f"{v:.4g}"))


def count_of(k: int) -> str:
    """K components, in words."""
    return f"{k} component{'s' if k > 1 else ''}"


def _notes(test: LikelihoodRatioTest, level: float) -> list[str]:
    """Notes on one test: its failed replicates, and whether its starts were enough."""
    notes, made = [], len(test.replicates) + test.failed
    which = f"{test.n_components} against {test.n_components + 1}"
    if test.failed:
        note = f"{which}: {test.failed} of {made} replicates had no sound fit and do not count"
        bound = test.p_value_bound
        if (bound > level) != (test.p_value > level) or test.failed > _MANY * made:
            note += (
                f"; had they all reached the statistic, p would be {bound:.3g}. Use a family with "
                "fewer parameters"
            )
        notes.append(note + ".")
    helped = test.rescued + test.unimproved
    if test.data_rescued:
        notes.append(
            f"{which}: with the data, too, the starts of {test.n_components + 1} components ended "
            f"below the likelihood of {test.n_components}: raise n_init."
        )
    if helped:
        notes.append(
            f"{which}: in {helped} of {made} replicates the starts of {test.n_components + 1} "
            f"components ended below the likelihood of {test.n_components}; a start from a split "
            f"component helped in {test.rescued}, the others count as 0"
            + (": raise n_init." if helped > _MANY * made else ".")
        )
    return notes


def _gaps(result: BootstrapLRT) -> list[str]:
    """Notes on null hypotheses whose starts missed a maximum found as an alternative before."""
    return [
        f"The {count_of(b.n_components)} found from {a.n_components} (log-likelihood "
        f"{a.alternative.loglik:.3f}) are better than those found from the starts alone "
        f"({b.null.loglik:.3f}): raise n_init."
        for a, b in zip(result.tests[:-1], result.tests[1:], strict=True)
        if a.alternative.loglik - b.null.loglik > 1e-3
    ]
