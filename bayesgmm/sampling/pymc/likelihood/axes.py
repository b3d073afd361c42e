"""Volume, shape and orientation as PyMC variables, with the inverse Wishart's kernel as prior.

Given shapes and orientations a volume is inverse gamma. The density of shapes and orientations is
what makes the product of all the kernel, known to a constant only, and stands with the shapes; that
of orientations is 1 (Haar). They are drawn forward from the distributions that they have: the
orientations from their own, which is not uniform where Psi's eigenvalues differ, the shapes given
these (`families/rotations_prior.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform
from scipy.special import gammaln

from ....families.inverse_wishart import InverseWishart
from ....families.letters import Letter
from ....families.log_constants import scale_power
from ....families.parametrisation.axes import Axes
from ....mixture.prior import Prior
from ....utils.types import FloatArray
from .rotations import rotation_transform


class LogShape(Transform):
    """Numbers a of product 1 as d - 1 numbers: log a sums to 0. Densities are those of log a."""

    name = "log_shape"

    def __init__(self, ndim_supp: int) -> None:
        self.ndim_supp = ndim_supp

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The coordinates, as `ZeroSumTransform` has them."""
        logs = pt.log(value)
        n = value.shape[-1].astype("float64")
        return logs[..., :-1] - logs[..., -1:] * pt.sqrt(n) / (pt.sqrt(n) + n)

    def backward(self, value: Any, *inputs: Any) -> Any:
        """The shapes."""
        n = (value.shape[-1] + 1).astype("float64")
        total = value.sum(axis=-1, keepdims=True)
        shift = total / (pt.sqrt(n) + n)
        return pt.exp(pt.concatenate([value - shift, -total / pt.sqrt(n)], axis=-1))

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """0: the map to log a is an isometry."""
        return pt.zeros_like(value.sum(axis=tuple(range(-self.ndim_supp, 0))))


@dataclass(frozen=True, slots=True)
class Covariances:
    """Covariances by variables and constants: a family's parametrisation, or one along axes.

    form: "variance", "bartlett" or "chol", whether components differ, whether columns do.
    """

    variables: tuple[Any, ...]
    form: tuple[str, bool, bool]

    @property
    def arguments(self) -> dict[str, Any]:
        """Them as arguments of `GaussianMixture`."""
        kind, by_component, by_feature = self.form
        if kind == "bartlett":
            return {"bartlett": self.variables}
        if kind == "chol":
            return {"chol": self.variables[0]}
        sigma = pt.sqrt(self.variables[0])
        return {"sigma": sigma[None] if by_feature and not by_component else sigma}


def covariances_along_axes(parametrisation: Axes, prior: Prior, scale: Any) -> Covariances:
    """The variables of a family with axes, in the open model, as the likelihood takes them."""
    variances, axes = _variables(parametrisation, prior, scale)
    if axes is None:
        return Covariances((variances,), ("variance", True, True))
    precision = (axes / variances[:, None, :]) @ pt.swapaxes(axes, -1, -2)
    lower = pt.linalg.cholesky(precision)
    rows, columns = np.tril_indices(parametrisation.d, -1)
    diagonal = pt.diagonal(lower, 0, -2, -1)
    return Covariances(
        (diagonal**2, lower[:, rows, columns], np.eye(parametrisation.d)), ("bartlett", True, True)
    )


def _variables(parametrisation: Axes, prior: Prior, scale: Any) -> tuple[Any, Any]:
    """Variances (K, d) along the axes; the axes (K, d, d) or (d, d), or None for the columns."""
    psi = prior.expected_scale
    names = {v.name: v for v in parametrisation.variables}
    of_scale = pt.as_tensor(np.diagonal(psi) if scale is None else scale)
    axes, squares = None, of_scale[None]
    dof = prior.inverse_wishart.dof
    power = scale_power(dof, parametrisation.family, parametrisation.n_components, prior.d)
    if parametrisation.has_orientations:
        dims = names["orientation"].dims
        axes = _orientation(parametrisation, prior.inverse_wishart, dims)
        matrix = psi if scale is None else pt.diag(of_scale)
        squares = pt.atleast_2d((axes * (matrix @ axes)).sum(axis=-2))
    squares = pt.broadcast_to(squares, (parametrisation.n_components, parametrisation.d))
    volume_shape = parametrisation.volume_prior(prior.inverse_wishart)
    rate = partial(_rate, each=parametrisation.family.volume == Letter.VARIABLE)
    own_shapes = parametrisation.family.shape == Letter.VARIABLE
    shape = pm.CustomDist(
        "shape", squares, of_scale, logp=partial(
            _log_shape, rate=rate, volume_shape=volume_shape, power=0.0 if scale is None else power
        ),
        random=partial(_random_shape, form=parametrisation, dof=dof),
        signature="(k,d),(d)->(k,d)" if own_shapes else "(k,d),(d)->(d)",
        support_point=lambda rv, size, *_: pt.ones(parametrisation.shape(names["shape"])),
        dims=names["shape"].dims, default_transform=LogShape(2 if own_shapes else 1),
    )  # fmt: skip
    volume = pm.InverseGamma(
        "volume", volume_shape, rate(shape, squares), dims=names["volume"].dims
    )
    variances = (
        volume[:, None] if parametrisation.family.volume == Letter.VARIABLE else volume
    ) * pt.atleast_2d(shape)
    variances = pt.broadcast_to(variances, (parametrisation.n_components, parametrisation.d))
    return variances, axes


def _rate(shape: Any, squares: Any, *, each: bool) -> Any:
    """Half of tr(Psi Sigma_k^-1) at volume 1, of each component or of all."""
    sums = 0.5 * (squares / pt.atleast_2d(shape)).sum(axis=-1)
    return sums if each else sums.sum()


def _orientation(parametrisation: Axes, prior: InverseWishart, dims: tuple[str, ...]) -> Any:
    """The orientation: its density is 1, its draws are of the whole prior."""
    rotation = parametrisation.rotation

    def random(about: Any, rng: np.random.Generator, size: Any) -> FloatArray:
        return parametrisation.draw_orientation(prior, rng)

    return pm.CustomDist(
        "orientation", rotation.about, logp=lambda value, about: pt.zeros_like(value[..., 0, 0]),
        random=random, support_point=lambda rv, size, about: about,
        signature="(d,e)->(d,e)", dims=dims, default_transform=rotation_transform(rotation),
    )  # fmt: skip


def _random_shape(
    squares: Any, of_scale: Any, rng: np.random.Generator, size: Any, *, form: Axes, dof: float
) -> FloatArray:
    """The shapes given the orientations and the scale."""
    return form.draw_shape(dof, squares, rng)


def _log_shape(
    value: Any, squares: Any, of_scale: Any, *, rate: Any, volume_shape: float, power: float
) -> Any:
    """Log density of the shapes given the orientations, or a scale, to a constant."""
    total = power * pt.log(of_scale).sum() if power else 0.0
    return pt.sum(gammaln(volume_shape) - volume_shape * pt.log(rate(value, squares))) + total
