"""Relabelling: which component of a draw is which.

A mixture's likelihood does not know its components' order, so a chain may pass from one labelling
to another, and averages over draws then mean nothing. Every posterior is relabelled by one of
these methods, and what that changed is counted. All of them keep the EM fit's labels as far as
the draws let them; the assignments are solved exactly, for any number of components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...data.data import Data
from ...kernels.e_step.contract import Parameters
from ...kernels.e_step.grouping import groups_of
from ...mixture.draws import Draws
from ...mixture.mixture import Mixture
from ...utils.types import FloatArray, IntArray
from ...utils.validation import check_choice
from .allocation import ecr, ecr_iterative_1, ecr_iterative_2, stephens
from .matching import relabelling_of
from .methods import Method
from .position import data_based, ordering, pra
from .relabelling import Relabelling, permuted, relabelled, relabelling_of_tree, with_counts

__all__ = [
    "METHODS",
    "Method",
    "Relabelling",
    "check_method",
    "with_counts",
    "data_based",
    "ecr",
    "ecr_iterative_1",
    "ecr_iterative_2",
    "ordering",
    "permuted",
    "pra",
    "relabelling_of_tree",
    "relabel",
    "relabelled",
    "stephens",
]


@dataclass(frozen=True, slots=True, eq=False)
class Unlabelled:
    """Draws that are to be relabelled, with what the methods use.

    Attributes
    ----------
    data : Data
        Rows (n, d).
    draws : Draws
        S draws of K components.
    pivot : Mixture
        Whose labels are kept.
    log_posterior : array (S,)
        Log posterior density of the draws, to a constant.
    order_by : str
        "pi", or a column.
    """

    data: Data
    draws: Draws
    pivot: Mixture
    log_posterior: FloatArray
    order_by: str

    @property
    def parameters(self) -> Parameters:
        """The pivot's, in the rows' centred coordinates."""
        return self.pivot.parameters_about(self.data.center)

    @property
    def pivot_draw(self) -> Draws:
        """The pivot as one draw."""
        mixture = self.pivot
        return Draws(mixture.weights[None], mixture.means[None], self.parameters.covariances[None])

    @property
    def column(self) -> int | None:
        """The position of the column for "ordering"; None for the proportions."""
        if self.order_by == "pi":
            return None
        if self.order_by not in self.pivot.names:
            raise ValueError(
                f"order_by is {self.order_by!r}: choose 'pi' or a column, of "
                f"{list(self.pivot.names)}."
            )
        return self.pivot.names.index(self.order_by)


METHODS: dict[str, Callable[[Unlabelled], Relabelling]] = {
    "ecr": lambda u: ecr(u.data, u.draws, u.parameters),
    "ecr-iterative-1": lambda u: ecr_iterative_1(u.data, u.draws, u.parameters),
    "ecr-iterative-2": lambda u: ecr_iterative_2(u.data, u.draws, u.parameters),
    "stephens": lambda u: stephens(u.data, u.draws, u.parameters),
    "data-based": lambda u: data_based(u.data, u.draws, u.parameters),
    "pra": lambda u: pra(u.draws, u.pivot_draw, u.log_posterior),
    "ordering": lambda u: ordering(u.draws, u.pivot_draw, u.column),
}


def check_method(method: str) -> None:
    """Raise a ValueError that names the methods if this is not one of them."""
    check_choice("relabelling method", method, METHODS)


def relabel(
    method: str,
    data: Data,
    draws: Draws,
    pivot: Mixture,
    log_posterior: FloatArray,
    order_by: str = "pi",
) -> Relabelling:
    """The relabelling of draws by a method, given by its name.

    Parameters
    ----------
    method : str
        One of `METHODS`; each is described by the function of its name.
    data : Data
        Rows (n, d).
    draws : Draws
        S draws of K components.
    pivot : Mixture
        Whose labels are kept (the EM fit's mixture).
    log_posterior : array (S,)
        Log posterior density of the draws, to a constant; "pra" reads it.
    order_by : str
        For "ordering": "pi", or the column by whose means.

    Raises
    ------
    ValueError
        An unknown method or column.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.data.data import as_data
    >>> data = as_data([[-3.1], [-2.9], [2.8], [3.2]])
    >>> pivot = Mixture([0.5, 0.5], [[-3.0], [3.0]], [[1.0], [1.0]])
    >>> means = np.array([[[-3.0], [3.0]], [[3.0], [-3.0]]])
    >>> draws = Draws(np.full((2, 2), 0.5), means, np.ones((2, 2, 1)))
    >>> relabel("stephens", data, draws, pivot, np.zeros(2)).permutations.tolist()
    [[0, 1], [1, 0]]
    """
    check_method(method)
    if data.groups is None or data.groups.admissible is None:
        return METHODS[method](Unlabelled(data, draws, pivot, log_posterior, order_by))
    permutations = np.tile(np.arange(draws.n_components), (len(draws), 1))
    for kind in data.groups.kinds:
        if len(kind) > 1:
            given = _of_kind(kind, data, draws, pivot)
            found = METHODS[method](Unlabelled(*given, log_posterior, order_by))
            permutations[:, kind] = kind[found.permutations]
    return relabelling_of(method, draws, permutations)


def _of_kind(
    kind: IntArray, data: Data, draws: Draws, pivot: Mixture
) -> tuple[Data, Draws, Mixture]:
    """The draws and the pivot of some components alone, and the rows that can belong to them.

    The labels of rows tell these apart from others, but not from each other.
    """
    groups = data.groups
    assert groups is not None and groups.admissible is not None
    rows = np.flatnonzero(groups.components_of_rows[:, kind[0]])
    some = Draws(draws.weights[:, kind], draws.means[:, kind], draws.covariances[:, kind])
    total = np.maximum(some.weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    of_kind = pivot.parameters_about(np.zeros(pivot.d))
    mixture = Mixture(
        of_kind.weights[kind] / of_kind.weights[kind].sum(), of_kind.means[kind],
        of_kind.covariances[kind], pivot.names, pivot.scale, pivot.named, pivot.missing,
    )  # fmt: skip
    part = data.take(rows)
    by_values = groups_of(np.isnan(np.asarray(part.values))) if part.incomplete else None
    weighed = replace(some, weights=some.weights / total)
    return replace(part, groups=by_values), weighed, mixture
