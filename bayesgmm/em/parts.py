"""The attributes of a saved fit, read and checked one by one: a file is not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.same_data import Fingerprint
from ..families import get_family
from ..families.membership import belongs
from ..mixture.mixture import Mixture
from ..mixture.prior import Prior
from ..utils.matrices import as_diagonals
from ..utils.types import FloatArray
from ..utils.validation import check_integer
from .status import Status


def fields_of(meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a `Fit`, from its saved metadata and arrays.

    Raises
    ------
    ValueError, LookupError, TypeError
        Something is missing, of another type or impossible.
    """
    names = meta["names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"names are {names!r}, not a list of texts")
    family = get_family(_text(meta, "family"), len(names))
    status = Status[_text(meta, "status")]
    covariances = _numbers(arrays, "covariances")
    if status is not Status.DEGENERATE and not belongs(family, covariances):
        raise ValueError(f"the covariances are not of family {family.name}")
    if family.diagonal:
        covariances = as_diagonals(covariances)
    mixture = Mixture(
        _numbers(arrays, "weights"), _numbers(arrays, "means"), covariances, tuple(names),
        _numbers(arrays, "scale"), _truth(meta, "named"), _text(meta, "missing"),
        tuple(meta.get("component_names", ())),
    )  # fmt: skip
    return {
        "mixture": mixture,
        "family": family,
        "n": _positive(meta, "n"),
        **{name: _number(meta, name) for name in ("loglik", "objective", "entropy", "log_map")},
        "history": tuple(float(v) for v in _numbers(arrays, "history")),
        "status": status,
        "degenerate_component": _component(meta, mixture.n_components),
        "prior": _prior(meta, mixture.d),
        "starts": _starts(meta),
        "fingerprint": _fingerprint(meta, arrays, mixture.names),
        "unsound": check_integer("unsound", meta["unsound"], 0),
        "remark": _text(meta, "remark"),
    }


def _fingerprint(
    meta: Mapping[str, Any], arrays: Mapping[str, Any], names: tuple[str, ...]
) -> Fingerprint:
    projections = _numbers(arrays, "projections")
    if projections.shape != (len(names) + 2,) or not np.all(np.isfinite(projections)):
        raise ValueError("the projections are not a number for each column and two more")
    return Fingerprint(
        check_integer("rows", meta["rows"], 1), float(_positive(meta, "total")),
        _truth(meta, "weighted"), names, _truth(meta, "named"), _moments(arrays, len(names)),
        projections,
    )  # fmt: skip


def _text(meta: Mapping[str, Any], name: str) -> str:
    if not isinstance(meta[name], str):
        raise ValueError(f"{name} is {meta[name]!r}, not a text")
    return str(meta[name])


def _truth(meta: Mapping[str, Any], name: str) -> bool:
    if not isinstance(meta[name], bool):
        raise ValueError(f"{name} is {meta[name]!r}, neither true nor false")
    return bool(meta[name])


def _number(meta: Mapping[str, Any], name: str) -> Any:
    """The number with its type: n is an int without weights, a float with them."""
    value = meta[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {value!r}, not a number")
    return value


def _positive(meta: Mapping[str, Any], name: str) -> Any:
    value = _number(meta, name)
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value!r}, not a positive number")
    return value


def _component(meta: Mapping[str, Any], n_components: int) -> int | None:
    value = meta["degenerate_component"]
    if value is None or check_integer("degenerate_component", value, 0) < n_components:
        return None if value is None else int(value)
    raise ValueError(f"degenerate_component is {value} of {n_components}")


def _starts(meta: Mapping[str, Any]) -> tuple[int, int, int]:
    made, sound, same = (check_integer("starts", value, 0) for value in meta["starts"])
    return made, sound, same


def _prior(meta: Mapping[str, Any], d: int) -> Prior | None:
    if meta["prior"] is None:
        return None
    prior = Prior(**meta["prior"])
    if prior.d != d:
        raise ValueError(f"the prior is of {prior.d} columns, the fit of {d}")
    return prior


def _numbers(arrays: Mapping[str, Any], name: str) -> FloatArray:
    array = arrays[name]
    if array.dtype != np.float64:
        raise ValueError(f"{name} are {array.dtype}, not float64")
    return np.asarray(array)


def _moments(arrays: Mapping[str, Any], d: int) -> FloatArray:
    moments = _numbers(arrays, "moments")
    if moments.shape != (2, d) or not np.all(np.isfinite(moments)) or np.any(moments[1] <= 0):
        raise ValueError("the moments are not a mean and a standard deviation for each column")
    return moments
