"""Tables of rows in the kind that the rows came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .sources.dask import is_dask

if TYPE_CHECKING:
    import pandas as pd


def like_input(table: pd.DataFrame, x: Any) -> Any:
    """A table with a row per row of x as the kind of data frame that x is; else as it is.

    A frame of polars, or another that narwhals knows, has no index: the order says which is which.
    """
    import narwhals as nw

    if is_dask(x):
        return table
    frame = nw.from_native(x, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.head(0).collect()
    if not isinstance(frame, nw.DataFrame) or frame.implementation.is_pandas():
        return table
    columns = {str(name): table[name].to_numpy() for name in table.columns}
    return nw.from_dict(columns, backend=frame.implementation).to_native()
