"""Moving a table to a device, with its columns' names and its rows' weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..kernels.device.rows import device_of, is_on_device, put
from .data import Data, as_data
from .missing import refuse_missing
from .sources.sources import is_source
from .tables import MARGINALIZE, REFUSE


def on_device(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    device: Any = None,
    *,
    columns: Sequence[str] | None = None,
    sample_weight: Any = None,
) -> Data:
    """A checked table whose rows lie on a device, for whatever takes data.

    Every pass over these rows is made there: in CUDA on NVIDIA's GPUs where CuPy is installed, in
    JAX elsewhere. Arrays that already are on a GPU (of JAX, CuPy or PyTorch) need no such call:
    pass them as they are.

    Parameters
    ----------
    X : array-like (n, d)
        What `fit` takes.
    device : str or jax.Device, optional
        Where to: a platform of JAX's ("gpu", "cpu", "tpu") or one of `jax.devices()`; JAX's default
        device if left out.
    columns : sequence of str, optional
        Use only these columns of a table.
    sample_weight : array-like (n,), optional
        What each row counts for.

    Returns
    -------
    Data
        With a copy of the rows on the device, float32 ones as such.

    Raises
    ------
    DataError
        As for `fit`.
    ImportError
        JAX is not installed.
    ValueError
        JAX knows no such device.

    See Also
    --------
    fit : Fit a mixture of given covariance structure and number of components.
    in_chunks : Rows that are read a block at a time.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.on_device(bayesgmm.datasets.load_faithful())  # doctest: +SKIP
    >>> bayesgmm.fit(X, 2, random_seed=0).loglik  # doctest: +SKIP
    -1130.26
    """
    there = is_on_device(_rows(X))
    # Missing values of other rows are refused here, in words of a GPU.
    data = as_data(X, columns, sample_weight, REFUSE if there else MARGINALIZE)
    if there and device is None:
        return data
    refuse_missing(data, "a GPU")
    values = put(np.asarray(data.values), device_of(device))
    return replace(data, values=values, missing=REFUSE)


def stays_there(x: Any) -> bool:
    """Whether rows are on a device, or in chunks, where no other library is to look at them."""
    values = _rows(x)
    return is_on_device(values) or is_source(values)


def _rows(x: Any) -> Any:
    return x.values if isinstance(x, Data) else x
