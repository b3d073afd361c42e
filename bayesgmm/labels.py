"""Relabelling: which component of a draw is which.

A mixture's likelihood does not know its components' order, so a chain may pass from one labelling
to another, and averages over draws then mean nothing. Every posterior is relabelled against a
pivot, and what that changed is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from .data import Data
from .draws import Draws, row_blocks
from .kernels import Parameters, evaluate
from .kernels.contract import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Relabelling:
    """What relabelling did.

    Attributes
    ----------
    method : str
        "ECR": equivalence classes representatives.
    permutations : int array (S, K)
        Component j of the relabelled draw s is component permutations[s, j] of the raw one.
    ambiguous : int
        Draws in which the components' best matches were not all different, so that the order was
        settled by the best assignment as a whole.
    """

    method: str
    permutations: NDArray[np.intp]
    ambiguous: int

    @property
    def moved(self) -> int:
        """Draws whose labels changed."""
        return int(np.sum(np.any(self.permutations != np.arange(self.permutations.shape[1]), 1)))


def ecr(data: Data, draws: Draws, pivot: Parameters) -> Relabelling:
    """Relabel by agreement of the rows' allocations with a pivot's.

    Papastamoulis & Iliopoulos (2010), J. Comput. Graph. Stat. 19, 313-331: the permutation of
    every draw that makes most rows keep the pivot's allocation. Allocations of a draw enter by
    their expectation (the responsibilities), which the marginal model has instead of labels.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    draws : Draws
        S draws of K components.
    pivot : Parameters
        The mixture whose labels are kept, centred as the data (the EM fit).

    Returns
    -------
    Relabelling
        For `permuted`.
    """
    n_components = draws.n_components
    agreement = np.zeros((len(draws), n_components, n_components))
    for _, block in row_blocks(data, 4 * n_components):
        allocation = np.argmax(evaluate(block, pivot, responsibilities=True)[1], axis=1)
        member = np.eye(n_components)[allocation]
        for s, parameters in enumerate(draws.parameters(data.center)):
            agreement[s] += member.T @ evaluate(block, parameters, responsibilities=True)[1]
    return _assign("ECR", agreement)


def _assign(method: str, agreement: FloatArray) -> Relabelling:
    """The assignment of raw to pivot components with the largest total agreement (S, K, K)."""
    favourite = np.argmax(agreement, axis=2)
    clear = np.all(np.sort(favourite, axis=1) == np.arange(agreement.shape[1]), axis=1)
    permutations = np.where(clear[:, None], favourite, 0)
    for s in np.flatnonzero(~clear):
        permutations[s] = linear_sum_assignment(agreement[s], maximize=True)[1]
    return Relabelling(method, permutations, int(np.sum(~clear)))


def permuted(posterior: xr.Dataset, relabelling: Relabelling) -> xr.Dataset:
    """The draws with every variable that has a component axis put in the new order."""
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], posterior.sizes["component"])
    index = relabelling.permutations.reshape(shape)
    out = posterior.copy()
    for name, variable in posterior.data_vars.items():
        if "component" not in variable.dims:
            continue
        axis = variable.dims.index("component")
        extra = [1] * (variable.ndim - axis - 1)
        order = index.reshape(*shape[:2], *[1] * (axis - 2), shape[2], *extra)
        out[name] = variable.copy(data=np.take_along_axis(variable.to_numpy(), order, axis))
    return out
