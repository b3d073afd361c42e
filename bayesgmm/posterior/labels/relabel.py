"""Relabelling: which component of a draw is which.

A mixture's likelihood does not know its components' order, so a chain may pass from one labelling
to another, and averages over draws then mean nothing. Every posterior is relabelled by one of
these methods, and what that changed is counted. All of them keep the EM fit's labels as far as
the draws let them; the assignments are solved exactly, for any number of components.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from ...data.data import Data
from ...mixture.draws import Draws
from ...mixture.mixture import Mixture
from ...utils.types import FloatArray
from .allocation import ecr, ecr_iterative_1, ecr_iterative_2, stephens
from .position import data_based, ordering, pra
from .relabelling import Relabelling, counted, permuted, recorded, settled

__all__ = [
    "METHODS",
    "Method",
    "Relabelling",
    "check_method",
    "counted",
    "data_based",
    "ecr",
    "ecr_iterative_1",
    "ecr_iterative_2",
    "ordering",
    "permuted",
    "pra",
    "recorded",
    "relabel",
    "settled",
    "stephens",
]

Method = Literal[
    "ecr", "ecr-iterative-1", "ecr-iterative-2", "stephens", "data-based", "pra", "ordering"
]
METHODS: tuple[str, ...] = get_args(Method)


def check_method(method: str) -> None:
    """Raise ValueError, naming the methods, if this is none."""
    if method not in METHODS:
        raise ValueError(
            f"there is no relabelling method {method!r}: choose {', '.join(map(repr, METHODS))}."
        )


def relabel(
    method: str,
    data: Data,
    draws: Draws,
    pivot: Mixture,
    log_posterior: FloatArray,
    order_by: str = "pi",
) -> Relabelling:
    """Relabel draws by a method that is named.

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
        "pi", or the column whose means "ordering" goes by.

    Raises
    ------
    ValueError
        There is no such method, or no such column.

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
    parameters = pivot.parameters_about(data.center)
    as_draw = Draws(pivot.weights[None], pivot.means[None], parameters.covariances[None])
    methods: dict[str, Callable[[], Relabelling]] = {
        "ecr": lambda: ecr(data, draws, parameters),
        "ecr-iterative-1": lambda: ecr_iterative_1(data, draws, parameters),
        "ecr-iterative-2": lambda: ecr_iterative_2(data, draws, parameters),
        "stephens": lambda: stephens(data, draws, parameters),
        "data-based": lambda: data_based(data, draws, parameters),
        "pra": lambda: pra(draws, as_draw, log_posterior),
        "ordering": lambda: ordering(draws, as_draw, _column(order_by, pivot.names)),
    }
    return methods[method]()


def _column(order_by: str, names: tuple[str, ...]) -> int | None:
    """The number of the column that "ordering" goes by; None for the proportions."""
    if order_by == "pi":
        return None
    if order_by not in names:
        raise ValueError(f"order_by is {order_by!r}: choose 'pi' or a column, of {list(names)}.")
    return names.index(order_by)
