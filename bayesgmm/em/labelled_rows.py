"""The E-step of rows that can belong to some components only.

    loglik = sum_i log sum_{k in A_i} pi_k N(x_i | mu_k, Sigma_k)

The rows of one set of components make a pass of their own, with the parameters of these alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..data.data import Data
from ..data.missing import refuse_missing
from ..kernels.e_step.contract import EStep, Parameters, Statistics
from ..kernels.e_step.e_step import measured_statistics
from ..utils.errors import DegenerateComponentError
from ..utils.types import FloatArray, IntArray
from .labels import Labels


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows in groups, each with the positions of the components that its rows can belong to."""

    groups: tuple[tuple[Data, IntArray], ...]

    @classmethod
    def of(cls, data: Data, labels: Labels) -> LabelledRows:
        """The rows by their sets of components; their order within one stays."""
        refuse_missing(data, "a fit with labels")
        data = replace(data, values=np.asarray(data.values))  # which may be on a device
        groups = []
        for s, allowed in enumerate(labels.sets):
            rows = np.flatnonzero(labels.of_rows == s)
            if len(rows):
                groups.append((data.take(rows), np.flatnonzero(allowed)))
        return cls(tuple(groups))

    def each(self, parameters: Parameters) -> list[tuple[Data, Parameters]]:
        """The groups with the parameters of their components, whose proportions sum to less."""
        return [(rows, _of(parameters, which)) for rows, which in self.groups]

    def e_step(self, parameters: Parameters) -> EStep:
        """The results of a pass over all rows.

        Raises
        ------
        DegenerateComponentError
            A component's covariance is singular.
        """
        total = _Total(parameters)
        for rows, which in self.groups:
            try:
                total.add(measured_statistics(rows, _of(parameters, which)), which)
            except DegenerateComponentError as error:
                raise DegenerateComponentError(int(which[error.component])) from None
        return total.result()


def _of(p: Parameters, which: IntArray) -> Parameters:
    return Parameters(p.weights[which], p.means[which], p.covariances[which])


class _Total:
    """The sum of passes over groups of rows: moments about the parameters' means."""

    def __init__(self, parameters: Parameters) -> None:
        self.about = parameters.means
        self.diagonal = parameters.diagonal
        self.counts = np.zeros(len(self.about))
        self.first = np.zeros(self.about.shape)
        self.second = np.zeros(parameters.covariances.shape)
        self.loglik, self.rounding, self.certainty = 0.0, 0.0, 0.0

    def add(self, step: EStep, which: IntArray) -> None:
        """Add the pass of a group whose components are these."""
        s = step.statistics
        shift = s.means - self.about[which]
        self.counts[which] += s.counts
        self.first[which] += s.counts[:, None] * shift
        self.second[which] += s.scatters + self._about(s.counts, shift)
        self.loglik += step.loglik
        self.rounding = max(self.rounding, step.rounding)
        self.certainty += step.log_certainty

    def result(self) -> EStep:
        """Counts, means and scatters about these, of all groups together."""
        shift = self.first / np.where(self.counts > 0, self.counts, 1.0)[:, None]
        scatters = self.second - self._about(self.counts, shift)
        statistics = Statistics(self.counts, self.about + shift, scatters)
        return EStep(self.loglik, statistics, self.rounding, self.certainty)

    def _about(self, counts: FloatArray, shift: FloatArray) -> FloatArray:
        """The counts times the products of the shifts, or their squares if diagonal."""
        if self.diagonal:
            return np.asarray(counts[:, None] * shift**2)
        return np.asarray(counts[:, None, None] * shift[:, :, None] * shift[:, None, :])
