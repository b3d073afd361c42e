"""The rows of a user's model, of which pairs of a row and a component can be left out.

In the model's log density the rows' term is replaced by one whose rows are data: all of them, or
what pruning leaves. Where the term is no bare mixture of complete rows, or the rows are few, the
density stays PyMC's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from ...data.data import Data
from ...density.log_posterior import WORTH_PRUNING
from ...density.pruning import prune
from ...kernels.e_step.contract import Parameters
from ...kernels.e_step.quadratic import QUADRATIC_MAX_COLUMNS
from ...utils.errors import DegenerateComponentError
from ...utils.matrices import diagonals
from ...utils.types import FloatArray
from .likelihood.forms import SIGMA
from .likelihood.op import FORMS, MixtureLogLikelihood
from .mixture_term import MixtureTerm

# Fewer rows cost less than the rest of a gradient.
_MANY = 2000

type Mixtures = Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]


@dataclass(frozen=True, eq=False)
class PrunableRows:
    """A model's log density with its rows as a variable.

    Attributes
    ----------
    log_density : variable
        The graph of the model's log density.
    rows : shared variable
        The rows in it, as `likelihood.pruned.rows_as_numbers` packs them; at first all.
    data : Data
        The rows.
    diagonal : bool
        Whether the covariances are given by standard deviations of several columns.
    mixture_at : function of vectors (S, P)
        Gives pi, mu and Sigma at vectors of the model's coordinates.
    """

    log_density: Any
    rows: Any
    data: Data
    diagonal: bool
    mixture_at: Mixtures

    @classmethod
    def of(
        cls, model: pm.Model, term: MixtureTerm, data: Data, mixture_at: Mixtures
    ) -> PrunableRows | None:
        """Those of a model; None where the density stays PyMC's."""
        plain = term.plain and data.groups is None and isinstance(data.values, np.ndarray)
        if not plain or data.n < _MANY or data.d > QUADRATIC_MAX_COLUMNS:
            return None
        [own] = model.logp(vars=[term.observed], sum=False)
        node = own.owner
        bare = node is not None and isinstance(node.op, MixtureLogLikelihood)
        if not bare or own is not node.outputs[0]:
            return None
        from .likelihood.pruned import PrunedLogLikelihood, rows_as_numbers  # compiles the pass

        others = [rv for rv in model.basic_RVs if rv is not term.observed]
        rest = model.logp(vars=[*others, *model.potentials], sum=False)
        rows = pytensor.shared(rows_as_numbers(data, None), "rows")
        of_rows = PrunedLogLikelihood(node.op.form)(*node.inputs[:5], rows)[0]
        total = pt.sum([*(pt.sum(v) for v in rest), of_rows])
        diagonal = FORMS[node.op.form] == SIGMA and data.d > 1
        return cls(total, rows, data, diagonal, mixture_at)

    def pruned(self, points: FloatArray, left_out: float) -> FloatArray | None:
        """The rows without pairs that do not matter at points (S, P); None if most pairs do."""
        from .likelihood.pruned import rows_as_numbers

        weights, means, covariances = self.mixture_at(points)
        means = means - self.data.center
        covariances = np.ascontiguousarray(diagonals(covariances) if self.diagonal else covariances)
        mixtures = [Parameters(*p) for p in zip(weights, means, covariances, strict=True)]
        try:
            kept = prune(self.data, mixtures, left_out)
        except DegenerateComponentError:
            return None
        pairs = self.data.n * weights.shape[1]
        if kept is None or kept.pairs > WORTH_PRUNING * pairs:
            return None
        return rows_as_numbers(self.data, kept)
