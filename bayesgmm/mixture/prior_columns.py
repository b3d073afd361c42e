"""Whether a prior is for the columns of the data."""

from __future__ import annotations

from ..data.data import Data
from .prior import Prior


def check_columns(prior: Prior, data: Data) -> None:
    """Refuse a prior for other columns than the data have, or for another order of them."""
    if not isinstance(prior, Prior):
        raise TypeError(
            f"prior is a {type(prior).__name__}: pass a Prior, such as Prior.from_data(X), or None."
        )
    if prior.d != data.d:
        raise ValueError(f"the prior is for {prior.d} columns, the data have {data.d}.")
    if prior.names is not None and data.named and prior.names != data.names:
        raise ValueError(
            f"the prior is for the columns {', '.join(prior.names)}, the data have "
            f"{', '.join(data.names)}: make it for these, in this order "
            f"(Prior.from_data(X, columns={list(data.names)}))."
        )
