"""The likelihood in JAX, for samplers that differentiate and compile a model themselves.

PyTensor's table of conversions imports JAX. `jax_on_demand` therefore imports this file only in a
rewrite that PyTensor applies when it prepares a graph for JAX, so that nothing else loads JAX.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from pytensor.graph import Apply
from pytensor.link.jax.dispatch import jax_funcify

from ....kernels.device.xla import squared_lengths
from .op import MixtureLogLikelihood

# Rows at a time: more rows are computed in such blocks, and again for the gradient, so that memory
# does not grow with rows x components x columns. XLA compiles the loop for this number, so it is
# here and not in `Data.blocks`.
_BLOCK = 2**16


@jax_funcify.register(MixtureLogLikelihood)
def _convert(op: MixtureLogLikelihood, node: Apply | None = None, **_: Any) -> Any:
    """The Op as a JAX function; JAX leaves out gradients that are not used."""
    pointwise: Any = {"bartlett": _bartlett, "variance": _variance}[op.kind]

    def likelihood(*inputs: Any) -> tuple[Any, ...]:
        parameters, constants = inputs[: op.n_parameters], inputs[op.n_parameters :]
        weights = constants[-1] if op.weighted else None
        constants = constants[: len(constants) - op.weighted]

        def log_density(*parameters: Any) -> Any:
            return pointwise(op, *parameters, *constants)

        values, pull_back = jax.vjp(log_density, *parameters)
        return values, *pull_back(jnp.ones_like(values) if weights is None else weights)

    return likelihood


def _bartlett(
    op: MixtureLogLikelihood, pi: Any, mu: Any, chi2: Any, lower: Any, root: Any, *rows: Any
) -> Any:
    """Full covariances; the factor of a precision is M T, in the columns' own units."""
    d = mu.shape[1]
    chi2, lower = chi2.reshape(-1, d), lower.reshape(-1, d * (d - 1) // 2)
    index, (below, left) = np.arange(d), np.tril_indices(d, -1)
    triangle = jnp.zeros((len(chi2), d, d))
    triangle = triangle.at[:, index, index].set(jnp.sqrt(chi2)).at[:, below, left].set(lower)
    log_dets = jnp.log(jnp.diagonal(root)).sum() + 0.5 * jnp.log(chi2).sum(axis=1)
    return _mixture(pi, mu, root @ triangle, log_dets, *rows)


def _variance(op: MixtureLogLikelihood, pi: Any, mu: Any, variance: Any, *rows: Any) -> Any:
    """Diagonal covariances."""
    k, d = mu.shape
    sd = jnp.sqrt(variance.reshape(k if op.by_component else 1, d if op.by_feature else 1))
    sd = jnp.broadcast_to(sd, (len(sd), d))
    return _mixture(pi, mu, jnp.eye(d) / sd[:, None, :], -jnp.log(sd).sum(axis=1), *rows)


def _mixture(
    pi: Any, mu: Any, factors: Any, log_dets: Any, center: Any, inverse_scale: Any, x: Any
) -> Any:
    """Log density of every row: precisions F F' of factors (K or 1, d, d), logs of their |F|."""
    scaled = factors * inverse_scale[:, None] ** -1.0
    means = (mu - center) * inverse_scale
    constant = jnp.log(pi) + log_dets - 0.5 * mu.shape[1] * np.log(2 * np.pi)

    transposed = jnp.swapaxes(scaled, 1, 2)

    def log_density(row: Any) -> Any:
        delta = ((row - center) * inverse_scale - means)[None]
        value = logsumexp(constant - 0.5 * squared_lengths(delta, transposed)[0])
        return jnp.where(jnp.isnan(value), -jnp.inf, value)  # parameters of no mixture

    if len(x) <= _BLOCK:
        return jax.vmap(log_density)(x)
    return jax.lax.map(jax.checkpoint(log_density), x, batch_size=_BLOCK)
