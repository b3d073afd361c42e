"""Where a PyMC model's chains start: the values of its variables that a fit stands for.

A model may make its proportions, means and covariances of its variables in any way, which cannot be
turned round. But EM's M-step can be made in it: the variables that are most probable if every row
belongs to the components as the fit says. That keeps the fit's labels, whatever the variables are.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
import pytensor.tensor as pt

from ...data.data import Data
from ...density.mode import mode_near
from ...em.noisy_fit import NoisyFit
from ...em.result import Fit
from ...kernels.e_step.e_step import evaluate
from ...utils.types import FloatArray
from .coordinates import Coordinates, python_function
from .density import units_at
from .mixture_term import MixtureTerm

# Rows that the M-step looks at: enough for a start.
_MAX_ROWS = 2000


def vector_at_fit(coordinates: Coordinates, term: MixtureTerm, data: Data, fit: Fit) -> FloatArray:
    """The free coordinates (P,) to which one M-step leads from the fit's responsibilities.

    Raises
    ------
    ValueError
        The model has no density where PyMC starts.
    """
    density = _CompleteData(coordinates, term, data, fit)
    found = mode_near(density, coordinates.start)
    assert found is not None  # no limit is set
    return found.origin


class _CompleteData:
    """The model's log density if every row's component were known, as far as the fit knows it."""

    data = None  # the model has them

    def __init__(self, coordinates: Coordinates, term: MixtureTerm, data: Data, fit: Fit) -> None:
        model = coordinates.model
        others = [rv for rv in model.basic_RVs if rv is not term.observed]
        rest = model.logp(vars=[*others, *model.potentials])
        [complete] = coordinates.graphs([_log_density(term, data, fit)])
        value = rest + complete
        self._coordinates = coordinates
        gradient = [g.ravel() for g in pt.grad(value, model.value_vars)]
        self._compiled = python_function(model.value_vars, [value, pt.concatenate(gradient)])
        self._lock = Lock()
        self._units = units_at(self, coordinates.start)

    def __call__(self, free: FloatArray) -> tuple[float, FloatArray]:
        """The log density at coordinates (P,) and its gradient (P,)."""
        with self._lock, np.errstate(all="ignore"):  # one thread at a time; far out
            try:
                value, gradient = self._compiled(*self._coordinates.split(free))
            except np.linalg.LinAlgError:  # a covariance that is singular in rounding
                return -np.inf, np.full_like(free, np.nan)
        return float(value), gradient

    def units(self) -> FloatArray:
        """Units of the coordinates, (P,)."""
        return self._units


def _log_density(term: MixtureTerm, data: Data, fit: Fit) -> pt.TensorVariable:
    """The rows' expected log density with their components, these being as the fit says."""
    return (_of_statistics if term.plain else _of_rows)(term, data, fit)


def _of_statistics(term: MixtureTerm, data: Data, fit: Fit) -> pt.TensorVariable:
    """Of parameters that all rows share: EM leaves its own parameters as the rows' statistics.

    So it does where values are missing.
    """
    gaps = fit.means - term.means
    seconds = fit.covariances + gaps[:, :, None] * gaps[:, None, :]
    precisions = pt.linalg.inv(term.covariances)
    log_dets = pt.linalg.slogdet(term.covariances)[1]
    logs = pt.log(term.weights) - 0.5 * ((precisions * seconds).sum(axis=(-2, -1)) + log_dets)
    total = (fit.weights * logs).sum()
    if term.noise_share is not None and isinstance(fit, NoisyFit):
        p = fit.noise_share
        total = (1 - p) * (total + pt.log1p(-term.noise_share)) + p * pt.log(term.noise_share)
    return data.n * total


def _of_rows(term: MixtureTerm, data: Data, fit: Fit) -> pt.TensorVariable:
    """Of any parameters, weighted by the fit's responsibilities."""
    chosen = np.unique(np.linspace(0, data.n - 1, min(data.n, _MAX_ROWS)).astype(int))
    shares = evaluate(data, fit.mixture.parameters_about(data.center), responsibilities=True)[1]
    shares = shares[chosen] * (data.n / len(chosen))
    rows = np.asarray(data.values[chosen], dtype=np.float64)
    weights = term.weights[chosen] if term.weights.type.ndim > 1 else term.weights
    means = term.means[chosen] if term.means.type.ndim > 2 else term.means
    gaps = rows[:, None, :] - means
    precisions = pt.linalg.inv(term.covariances)
    products = (gaps[..., None] * precisions).sum(axis=-2)
    log_dets = pt.linalg.slogdet(term.covariances)[1]
    logs = pt.log(weights) - 0.5 * ((products * gaps).sum(axis=-1) + log_dets)
    return (shares * logs).sum()
