"""The problem that EM solves, and the array form of expected statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..data.chunks import are_in_chunks
from ..data.data import Data
from ..data.rounding import steps
from ..families import Family
from ..families.eigenvalue_bound import bounded_m_step
from ..kernels.compilation import Entry
from ..kernels.e_step.contract import EStep, Parameters, Statistics, total_weight
from ..kernels.e_step.e_step import measured_statistics
from ..kernels.e_step.few_rows import Features
from ..mixture.of_parameters import RowsOfChunks
from ..mixture.prior import Prior
from ..utils.matrices import as_diagonals
from ..utils.types import FloatArray
from .checkpoint import Checkpoint
from .noise import NoisyRows


@dataclass(frozen=True)
class Problem:
    """What EM maximises: the likelihood of rows in a family, with the prior if there is one.

    ridge is added to every variance after each M-step (scikit-learn's reg_covar); with it the
    objective may fall. max_ratio bounds the ratio of any two eigenvalues. features are those of the
    rows, made when they are needed, once for all problems that `replace` makes of this one.
    special is set where rows are to be seen otherwise, as noise in part. checkpoint keeps the
    passes that are made.
    """

    data: Data
    family: Family
    prior: Prior | None = None
    ridge: float = 0.0
    max_ratio: float | None = None
    features: Features | None = None
    special: NoisyRows | None = None
    checkpoint: Checkpoint | None = None

    def __post_init__(self) -> None:
        """Set the features of the rows, unless another problem has passed them on."""
        if self.features is None:
            object.__setattr__(self, "features", Features(self.data))

    def of_rows(self, rows: Data) -> Problem:
        """The same problem for other rows, which have no noise."""
        assert self.special is None
        return replace(self, data=rows, features=None, checkpoint=None)

    def of_family(self, family: Family) -> Problem:
        """The same problem in another family."""
        return replace(self, family=family)

    def hyper(self, n_components: int) -> FloatArray:
        """The prior in centred coordinates, as compiled code reads it; empty without one."""
        if self.prior is None:
            return np.empty(0)
        return self.prior.packed(self.data.center, self.family, n_components)

    @property
    def m_step(self) -> Entry:
        """The M-step, compiled: the family's, or the one under the bound."""
        return self.family.m_step if self.max_ratio is None else bounded_m_step

    @cached_property
    def phi(self) -> FloatArray:
        """Features of the rows, if they are few."""
        features = self.features
        if self.special is not None:
            return np.empty((0, 0, 0))
        assert features is not None
        return features.diagonal if self.family.diagonal else features.full

    def e_step(self, parameters: Parameters) -> EStep:
        """The results of a pass over all rows."""
        if self.checkpoint is not None:
            return self.checkpoint.e_step(parameters, self._pass)
        return self._pass(parameters)

    def _pass(self, parameters: Parameters) -> EStep:
        if self.special is not None:
            return self.special.e_step(parameters)
        return measured_statistics(self.data, parameters)

    @property
    def labelled(self) -> bool:
        """Whether some rows can belong to some components only."""
        groups = self.data.groups
        return groups is not None and groups.admissible is not None

    def held(self, parameters: Parameters) -> Data:
        """Rows in memory with what they count for in components: without what is noise in them."""
        return self.data if self.special is None else self.special.held(parameters)

    def total_held(self, parameters: Parameters) -> float:
        """What all rows count for in components together."""
        if self.special is not None and are_in_chunks(self.data):
            return self.total * (1.0 - self.special.best_share(parameters))
        return total_weight(self.held(parameters))

    def of_chunks(self, parameters: Parameters) -> RowsOfChunks:
        """What evaluates rows in chunks where they are, beside the noise if there is some."""
        if self.special is None:
            return RowsOfChunks.of(self.data, parameters)
        share = self.special.best_share(parameters)
        return RowsOfChunks.of(self.data, parameters, self.special.noise, share)

    def log_prior_of_share(self, parameters: Parameters) -> float:
        """The log prior density of the share of noise, which passes add to the log-likelihood."""
        return 0.0 if self.special is None else self.special.log_prior(parameters)

    @cached_property
    def row_weights(self) -> FloatArray:
        """Weights of the rows, or nothing."""
        return np.empty(0) if self.data.weights is None else self.data.weights

    @cached_property
    def total(self) -> float:
        """Sum of the rows' weights: the number of rows with a value without weights."""
        return total_weight(self.data)

    @cached_property
    def units(self) -> FloatArray:
        """Steps (d,) of the grid on which each column's values lie, 0 where there is none."""
        return steps(self.data.values, self.data.weights)

    @property
    def bounded(self) -> bool:
        """Whether the objective is bounded whatever the rows: by a prior, a ridge or a ratio."""
        by_prior = self.prior is not None and self.prior.bounded
        return by_prior or self.ridge > 0 or self.max_ratio is not None


def pack(statistics: Statistics, diagonal: bool) -> FloatArray:
    """Counts, means and scatters (or their diagonals) in one flat array."""
    scatters = as_diagonals(statistics.scatters) if diagonal else statistics.scatters
    return np.concatenate([statistics.counts, statistics.means.ravel(), scatters.ravel()])
