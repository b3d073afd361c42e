"""Matching the components of one mixture to those of another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..utils.types import FloatArray, IntArray


def assign(agreement: FloatArray) -> IntArray:
    """The other's component for each component of the reference, (K,): most total agreement.

    agreement (K, K) has a row for each component of the reference, a column for each of the other.

    Examples
    --------
    >>> assign(np.array([[5.0, 4.0], [3.0, 0.5]])).tolist()
    [1, 0]
    """
    return np.asarray(linear_sum_assignment(agreement, maximize=True)[1], dtype=np.intp)


def most_probable(resp: FloatArray) -> FloatArray:
    """1 for each row's most probable component, else 0, (n, K)."""
    return one_hot(np.argmax(resp, axis=1), resp.shape[1])


def one_hot(allocation: IntArray, n_components: int) -> FloatArray:
    """1 for the component that each row is allocated to, else 0, (n, K)."""
    return np.eye(n_components)[allocation]


def ecr_order(blocks: Iterable[tuple[FloatArray, FloatArray]]) -> IntArray:
    """The other's component for each of the reference's: most of the rows' allocations agree.

    Papastamoulis & Iliopoulos (2010), J. Comput. Graph. Stat. 19, 313-331 (ECR): each row counts
    by its responsibility.

    Parameters
    ----------
    blocks : iterable of arrays (n, K)
        A block of rows at a time: what they count for in the reference's allocation, and their
        responsibilities under the other mixture.

    Examples
    --------
    >>> reference = one_hot(np.array([0, 0, 1]), 2)
    >>> ecr_order([(reference, np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]))]).tolist()
    [1, 0]
    """
    return assign(np.sum([member.T @ resp for member, resp in blocks], axis=0))
