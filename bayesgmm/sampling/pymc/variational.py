"""PyMC's variational inference: the nearest normal density, its draws corrected by weights.

Kucukelbir, Tran, Ranganath, Gelman & Blei (2017), J. Mach. Learn. Res. 18(14), 1-45. An
interruption of the search goes on to the draws with the approximation found so far.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import xarray as xr

from ...utils.errors import InterruptionAdvice
from ...utils.types import FloatArray
from ...utils.warnings import warn
from ..run.importance import corrected
from ..run.settings import Settings
from .points import Points

# Steps of the search for each warm-up draw asked for.
_STEPS = 20
# Adam's first and last step, in the coordinates' own widths; steps shrink geometrically.
_FIRST, _LAST = 0.1, 0.001


def advi(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """Draws by ADVI, from a normal density with independent coordinates."""
    points = Points(model, start)
    points.move_to_mode()
    widths = points.widths()
    search = pm.ADVI(model=model, start=dict(start), random_seed=settings.random_seed)
    rho = _inverse_softplus(widths)
    # In terms of the width itself, a step of rho is of d rho / d log(width).
    units = {"mu": widths, "rho": widths / _slope(rho)}
    first = {"mu": points.start, "rho": rho}
    parameters, interrupted = _searched(search, first, units, settings)
    lower = np.diag(_softplus(parameters["rho"]))
    return _drawn(points, parameters["mu"], lower, settings, interrupted)


def fullrank_advi(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """Draws by full-rank ADVI, from a normal density with any covariance."""
    points = Points(model, start)
    points.move_to_mode()
    widths = points.widths()
    search = pm.FullRankADVI(model=model, start=dict(start), random_seed=settings.random_seed)
    rows, columns = np.tril_indices(len(widths))
    rho = _inverse_softplus(widths)
    lower, unit = np.diag(rho), np.tile(widths[:, None], len(widths))
    np.fill_diagonal(unit, widths / _slope(rho))
    units = {"mu": widths, "L_tril": unit[rows, columns]}
    first = {"mu": points.start, "L_tril": lower[rows, columns]}
    parameters, interrupted = _searched(search, first, units, settings)
    lower[rows, columns] = parameters["L_tril"]
    np.fill_diagonal(lower, _softplus(np.diagonal(lower)))
    return _drawn(points, parameters["mu"], lower, settings, interrupted)


def _softplus(rho: FloatArray) -> FloatArray:
    """PyMC's standard deviations: log(1 + e^rho)."""
    return np.logaddexp(rho, 0.0)


def _inverse_softplus(width: FloatArray) -> FloatArray:
    """The rho of standard deviations."""
    return width + np.log(-np.expm1(-width))


def _slope(rho: FloatArray) -> FloatArray:
    """The derivative of `_softplus`."""
    return 1 / (1 + np.exp(-rho))


def _searched(
    search: Any, first: dict[str, FloatArray], units: dict[str, FloatArray], settings: Settings
) -> tuple[dict[str, FloatArray], bool]:
    """The approximation's parameters by name, after the search, and whether that was stopped."""
    parameters = {p.name: p for p in search.approx.params}
    for name, value in first.items():
        parameters[name].set_value(value)
    n_steps = _STEPS * settings.tune
    rate = pytensor.shared(_FIRST)
    made = 0

    def shorten(approximation: Any, losses: FloatArray, step: int) -> None:
        nonlocal made
        made = step
        rate.set_value(_FIRST * (_LAST / _FIRST) ** (step / n_steps))

    log = logging.getLogger("pymc.variational.inference")
    level = log.level
    if not settings.progressbar:
        log.setLevel(logging.WARNING)
    try:
        pm.fit(
            n_steps, method=search, model=search.approx.model, obj_optimizer=_in_units(rate, units),
            callbacks=[shorten], progressbar=settings.progressbar,
        )  # fmt: skip
    finally:
        log.setLevel(level)
    if made < n_steps:
        warn(
            f"the search was interrupted after {made} of {n_steps} steps: the draws are of the "
            "approximation found so far.",
            InterruptionAdvice,
        )
    return {name: np.asarray(p.get_value()) for name, p in parameters.items()}, made < n_steps


def _in_units(rate: Any, units: dict[str, FloatArray]) -> Callable[[Any, list[Any]], Any]:
    """Adam whose steps are in each coordinate's own unit: data may be in any."""

    def optimizer(loss: Any, parameters: list[Any]) -> Any:
        updates = pm.adam(loss, parameters, learning_rate=1.0)
        for p in parameters:
            updates[p] = p + rate * units[p.name] * (updates[p] - p)
        return updates

    return optimizer


def _drawn(
    points: Points, mean: FloatArray, lower: FloatArray, settings: Settings, interrupted: bool
) -> xr.DataTree:
    rng = np.random.default_rng(settings.random_seed)
    z = rng.standard_normal((settings.chains, settings.draws, len(mean)))
    log_q = -0.5 * (z**2).sum(axis=2) - np.log(np.diagonal(lower)).sum()
    log_q -= 0.5 * len(mean) * np.log(2 * np.pi)
    tree = corrected(points, mean + z @ lower.T, log_q, rng, shared=True)
    if interrupted:
        tree["posterior"].attrs["interrupted"] = 1
    return tree
