"""Marginal and conditional distributions of Gaussian mixtures.

Every function takes one mixture or many: weights (..., K); means (..., K, d); covariances
(..., K, d, d), or variances (..., K, d).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..utils.types import FloatArray
from ..utils.validation import number


def position(column: str | int, names: Sequence[str]) -> int:
    """The position of a column given by its name, or by its position from either end."""
    if isinstance(column, bool | np.bool) or not isinstance(column, str | int | np.integer):
        raise ValueError(
            f"no column {column!r}: pass names ({', '.join(names)}), positions, or a mask of "
            f"{len(names)}."
        )
    d = len(names)
    if isinstance(column, str):
        if column not in names:
            raise ValueError(f"no column {column!r}: the mixture has {', '.join(names)}.")
        return names.index(column)
    if not -d <= column < d:
        raise ValueError(f"no column {column}: the mixture has {d}.")
    return int(column) % d


def positions(columns: Iterable[str | int] | str | int, names: Sequence[str]) -> list[int]:
    """The positions of the columns to keep: at least one, none twice."""
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        columns = [columns]
    several = list(columns)
    if len(several) == len(names) and all(isinstance(c, bool | np.bool) for c in several):
        several = [j for j, chosen in enumerate(several) if chosen]
    keep = [position(c, names) for c in several]
    if not keep:
        raise ValueError(f"no columns: name at least one of {', '.join(names)}.")
    if len(set(keep)) != len(keep):
        raise ValueError(f"columns {[names[j] for j in keep]} name a column twice.")
    return keep


def split(
    given: Mapping[str | int, float], names: Sequence[str]
) -> tuple[list[int], FloatArray, list[int]]:
    """Positions and values of the columns that are given, and positions of the others."""
    if hasattr(given, "to_dict"):  # a row of a data frame
        given = given.to_dict()
    if not isinstance(given, Mapping):
        raise TypeError(
            f"conditional() got a {type(given).__name__}: pass values by column, such as "
            f"{{{names[0]!r}: 1.0}}."
        )
    known = [position(c, names) for c in given]
    rest = [j for j in range(len(names)) if j not in known]
    if len(set(known)) != len(known):
        raise ValueError(f"conditional() got two values for one column: {list(given)}.")
    if not known or not rest:
        raise ValueError("conditional() needs values for at least one column, and not for all.")
    for column, value in given.items():
        if not np.isfinite(number(value, f"column {column!r}")):
            raise ValueError(f"column {column!r} is given {value!r}: pass one finite number.")
    return known, np.array(list(given.values()), dtype=np.float64), rest


def marginal(
    means: FloatArray, covariances: FloatArray, keep: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Means and covariances of the columns to keep."""
    if covariances.ndim == means.ndim:
        return means[..., keep], covariances[..., keep]
    return means[..., keep], _block(covariances, keep, keep)


def conditional(
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    known: Sequence[int],
    value: FloatArray,
    rest: Sequence[int],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, means and covariances of the other columns, given the values of the known ones.

    Components are Gaussian given the known columns, with weights in proportion to
    pi_k N(value | mu_k, Sigma_k) in those: with a, b the blocks of Sigma_k at (known, known) and
    (rest, known), the mean is mu_rest + b a^-1 (value - mu_known) and the covariance that of rest
    less b a^-1 b'.
    """
    delta = value - means[..., known]
    others, spread = marginal(means, covariances, rest)
    if covariances.ndim == means.ndim:
        variances = covariances[..., known]
        distance = np.sum(delta**2 / variances, axis=-1)
        log_det = np.sum(np.log(variances), axis=-1)
    else:
        a, b = _block(covariances, known, known), _block(covariances, rest, known)
        gain = np.swapaxes(np.linalg.solve(a, np.swapaxes(b, -1, -2)), -1, -2)
        others = others + (gain @ delta[..., None])[..., 0]
        spread = spread - gain @ np.swapaxes(b, -1, -2)
        spread = 0.5 * (spread + np.swapaxes(spread, -1, -2))
        distance = np.sum(delta * np.linalg.solve(a, delta[..., None])[..., 0], axis=-1)
        log_det = np.linalg.slogdet(a)[1]
    with np.errstate(divide="ignore"):  # a weight may be 0
        logs = np.log(weights) - 0.5 * (distance + log_det)
    scaled = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return scaled / scaled.sum(axis=-1, keepdims=True), others, spread


def _block(covariances: FloatArray, rows: Sequence[int], columns: Sequence[int]) -> FloatArray:
    return covariances[..., rows, :][..., columns]
