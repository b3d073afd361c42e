"""Proportions of rows that can belong to some components only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.builders import SymbolicOp
from pytensor.graph import Constant, Variable

from ....utils.errors import DataError


class OfAdmissible(SymbolicOp):
    """Proportions (n, K) from those of all rows, (K,), and a table (n, K) of 0 and 1.

    An Op of its own, by which the density of the rows knows them from proportions that differ by
    row otherwise: rows with the same components are a group, and values may be missing.
    """

    inline = True

    def build_inner_graph(self, w: Variable, table: Variable) -> list[Variable]:
        """Their product."""
        return [w * table]

    def do_constant_folding(self, fgraph: Any, node: Any) -> bool:
        """False: the density would not know the table in a product."""
        return False


def of_admissible(w: Any, admissible: Any) -> pt.TensorVariable:
    """Proportions by row of the components that each row can belong to.

    Raises
    ------
    DataError
        No table (n, K) of bool, or a row of it without a component.
    NotImplementedError
        The proportions differ by row themselves.
    """
    table = np.asarray(admissible)
    if table.dtype != np.bool_ or table.ndim != 2:
        raise DataError(
            f"admissible has shape {table.shape} and type {table.dtype}: pass a table (n, K) of "
            "bool that says which components each row can belong to."
        )
    if not table.any(axis=1).all():
        row = int(np.argmin(table.any(axis=1)))
        raise DataError(f"row {row} of admissible can belong to no component.")
    if w.type.ndim > 1:
        raise NotImplementedError(
            "proportions by row and admissible components: write 0 into the proportions."
        )
    return OfAdmissible()(w, pt.constant(table.astype(np.float64)))


def known_components(w: Variable) -> tuple[Variable, NDArray[np.bool_] | None]:
    """Proportions of all rows, and the components each row can belong to where that is known."""
    if w.owner is None or not isinstance(w.owner.op, OfAdmissible):
        return w, None
    shares, table = w.owner.inputs
    assert isinstance(table, Constant)
    return shares, table.data == 1
