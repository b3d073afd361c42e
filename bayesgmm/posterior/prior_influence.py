"""Where the prior, and not the rows, says what components are like.

A posterior may be right and yet be read wrongly in two ways. In draws in which a component has
hardly any rows its mean and covariance are draws of the prior. And a component whose rows lie
closer together than the prior expects, in some direction, comes out wider than they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import eigh

from ..data.data import Data
from ..em.noise import NoisyRows
from ..em.noisy_fit import NoisyFit
from ..em.problem import Problem
from ..em.result import Fit
from ..em.run import Run
from ..kernels.e_step.contract import Statistics
from ..mixture.draws import Draws
from ..mixture.prior import Prior
from ..utils.display import Displayed
from ..utils.matrices import as_full
from ..utils.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

#: Expected rows below which a component has hardly any.
FEWEST_ROWS = 2.0
# The share of draws from which it is said.
_OFTEN = 0.05
# Said from here on: a standard deviation is doubled.
_WIDER = 2.0
# Rows of a component without any, which an M-step cannot have.
_LEAST_COUNT = 1e-6
# Turns in which a scale and covariances settle, and when they have.
_TURNS, _SETTLED = 500, 1e-6
# Components that a sentence names.
_NAMED = 3


@dataclass(frozen=True, eq=False, repr=False)
class PriorInfluence(Displayed):
    """What the prior says of each component where the rows say little.

    Attributes
    ----------
    few_rows : array (K,)
        Share of the draws in which a component is expected to have fewer than two rows.
    some_few_rows : float
        Share of the draws in which any component has.
    widening : array (K,) or None
        How many times as large as by the rows alone the prior makes a component's standard
        deviation, in the direction where it grows most: by one M-step at the fit's responsibilities
        with the prior, and one without. Infinite where the rows alone leave it singular; below 1
        where the prior expects less. None where the posterior is of a user's model.
    components : tuple of K int or str
        What the components are called.
    one_column : bool
        Whether there is only one, so that a component has one standard deviation.
    learns_scale : bool
        Whether the prior learns the covariances' scale from the rows already.
    """

    few_rows: FloatArray
    some_few_rows: float
    widening: FloatArray | None
    components: Sequence[int | str]
    one_column: bool = False
    learns_scale: bool = False

    @property
    def widens(self) -> bool:
        """Whether the prior at least doubles a standard deviation."""
        return self.widening is not None and bool(np.any(self.widening >= _WIDER))

    @property
    def sentences(self) -> dict[str, str]:
        """What is worth saying, by what it is about: "few rows", "prior"."""
        return dict(self._sentences())

    def _sentences(self) -> Iterator[tuple[str, str]]:
        if self.some_few_rows >= _OFTEN:
            often = self._named(self.few_rows, _OFTEN / 2, "{:.0%}".format)
            yield (
                "few rows",
                f"in {self.some_few_rows:.0%} of the draws a component has fewer than two rows "
                f"({often}): there its mean and covariance are draws of the prior; fewer "
                "components may do",
            )
        if self.widening is not None and self.widens:
            wide = self._named(self.widening, _WIDER, self._times)
            where = "" if self.one_column else " in the narrowest direction"
            cure = "" if self.learns_scale else (
                "; Prior.from_data(X, random_scale=True) learns from the rows how wide components "
                "are"
            )  # fmt: skip
            yield (
                "prior",
                f"makes components wider{where} than their rows alone do (standard deviations, "
                f"{wide}){cure}",
            )

    def _times(self, factor: float) -> str:
        if math.isinf(factor):
            return "singular by its rows alone"
        return f"{'' if self.one_column else 'up to '}{factor:.3g} times"

    def _named(self, values: FloatArray, least: float, said: Callable[[float], str]) -> str:
        """The components with the largest values, each with its own."""
        order = [k for k in np.argsort(-values, kind="stable") if values[k] >= least]
        shown = [f"component {self.components[k]}: {said(values[k])}" for k in order[:_NAMED]]
        return ", ".join([*shown, *(["others less"] if len(order) > _NAMED else [])])

    def _title(self) -> str:
        return "What the prior says of the components"

    def _lines(self) -> list[tuple[str, str]]:
        return [(name, text) for name, text in self._sentences()] or [
            ("prior", "doubles no standard deviation, and few draws have a component without rows")
        ]

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        columns: dict[str, Any] = {"few_rows": self.few_rows}
        if self.widening is not None:
            columns["widening"] = self.widening
        return pd.DataFrame(columns, index=pd.Index(list(self.components), name="component"))


def prior_influence(
    data: Data, times: float, draws: Draws, fit: Fit, prior: Prior | None
) -> PriorInfluence:
    """What the prior says of the components of a posterior.

    data, of which each row stands for so many `times` rows, are those of the posterior, or a sample
    of them.
    """
    expected = draws.shares[:, : fit.n_components] * (times * data.total)
    few = expected < FEWEST_ROWS
    return PriorInfluence(
        few_rows=few.mean(axis=0),
        some_few_rows=float(few.any(axis=1).mean()),
        widening=None if prior is None else _widening(data, times, fit, prior),
        components=fit.components,
        one_column=fit.d == 1,
        learns_scale=prior is not None and (prior.lkj is not None or "scale" in prior.random),
    )


def _widening(data: Data, times: float, fit: Fit, prior: Prior) -> FloatArray:
    """Ratios (K,) of standard deviations with the prior to those without, the largest of each."""
    beside = NoisyRows(data, fit.noise) if isinstance(fit, NoisyFit) else None
    problem = Problem(data, fit.family, special=beside)
    found = problem.e_step(fit.mixture.parameters_about(data.center)).statistics
    counts = np.maximum(times * found.counts, _LEAST_COUNT)
    statistics = Statistics(counts, found.means, times * found.scatters)
    alone = _m_step(problem, statistics)
    if "scale" in prior.random:
        under = _at_best_scale(problem, statistics, prior.for_em, alone)
    else:
        under = _m_step(replace(problem, prior=prior.for_em), statistics)
    units = np.outer(data.scale, data.scale)
    pairs = zip(as_full(alone) / units, as_full(under) / units, strict=True)
    return np.array([_ratio(*pair) for pair in pairs])


def _m_step(problem: Problem, statistics: Statistics) -> FloatArray:
    """The covariances that maximise the objective at these expected statistics."""
    run = Run(problem, len(statistics.counts), max_iter=0, tol=0.0)
    run.load(statistics)
    return run.m_step().covariances


def _at_best_scale(
    problem: Problem, statistics: Statistics, prior: Prior, covariances: FloatArray
) -> FloatArray:
    """The same under a prior whose scale is random: both at their best together, in turn."""
    learning, given = (replace(prior, integrate_scale=i) for i in (True, False))
    for _ in range(_TURNS):
        scale = np.diag(learning.scale_given(covariances, problem.family))
        new = _m_step(replace(problem, prior=replace(given, scale=scale)), statistics)
        settled = np.allclose(new, covariances, rtol=_SETTLED, atol=0.0)
        covariances = new
        if settled:
            break
    return covariances


def _ratio(alone: FloatArray, under: FloatArray) -> float:
    """The largest ratio of standard deviations of two covariances (d, d), `under` to `alone`."""
    if not np.isfinite(alone).all():
        return math.inf
    try:
        least = eigh(alone, under, eigvals_only=True, subset_by_index=[0, 0])[0]
    except np.linalg.LinAlgError:  # the prior leaves it singular too
        return 1.0
    return 1.0 / math.sqrt(least) if least > 0 else math.inf
