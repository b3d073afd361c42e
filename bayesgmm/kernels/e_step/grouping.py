"""Rows grouped by the columns in which they have values, and by the components they may be of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.types import IntArray
from .groups import Groups, sorted_groups

# Columns whose pattern fits in a whole number of 64 bits, and in one that tables can be made for.
_BITS, _FEW_BITS = 62, 16


def groups_of(
    missing: NDArray[np.bool_],
    sets: IntArray | None = None,
    admissible: NDArray[np.bool_] | None = None,
) -> Groups:
    """The groups of rows with these missing values.

    They depend on the rows alone, not on their order.

    Parameters
    ----------
    missing : array (n, d) of bool
        Which values are.
    sets : array (n,) of int, optional
        The number of the set of admissible components that each row has.
    admissible : array (number of sets, K) of bool, optional
        The sets.

    Examples
    --------
    >>> import numpy as np
    >>> groups = groups_of(np.array([[False, True], [False, False], [False, True]]))
    >>> groups.order.tolist(), groups.bounds.tolist(), groups.observed.tolist()
    ([0, 2, 1], [0, 2, 3], [[True, False], [True, True]])
    """
    pattern, of_rows = _patterns(missing)
    if sets is None or admissible is None:
        return sorted_groups(of_rows, ~pattern)
    both, of_rows = np.unique(of_rows * len(admissible) + sets, return_inverse=True)
    which, allowed = np.divmod(both, len(admissible))
    return sorted_groups(of_rows, ~pattern[which], admissible[allowed])


def _patterns(missing: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], IntArray]:
    """The different patterns (S, d), and the number of each row's."""
    code: NDArray[Any]
    if missing.shape[1] <= _FEW_BITS:
        return _of_codes(missing)
    if missing.shape[1] <= _BITS:
        code = np.zeros(len(missing), dtype=np.int64)
        for j, column in enumerate(missing.T):
            code |= column.astype(np.int64) << j
    else:
        packed = np.packbits(missing, axis=1)
        code = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, of_rows = np.unique(code, return_index=True, return_inverse=True)
    return missing[first], of_rows


def _of_codes(missing: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], IntArray]:
    """The same of few columns, whose pattern is a number that tables can be made for."""
    d = missing.shape[1]
    bits = np.zeros((len(missing), 2), dtype=np.uint8)
    bits[:, : -(-d // 8)] = np.packbits(missing, axis=1, bitorder="little")
    code = bits.view("<u2")[:, 0]
    there = np.flatnonzero(np.bincount(code, minlength=1 << d))
    number = np.zeros(1 << d, dtype=np.intp)
    number[there] = np.arange(len(there))
    return (there[:, None] >> np.arange(d) & 1).astype(bool), number[code]
