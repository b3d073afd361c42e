"""The likelihood in JAX, for samplers that differentiate and compile a model themselves.

PyTensor's table of conversions imports JAX. `jax_on_demand` therefore imports this file only in a
rewrite that PyTensor applies when it prepares a graph for JAX, so that nothing else loads JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp
from pytensor.graph import Apply
from pytensor.link.jax.dispatch import jax_funcify

from ....kernels.device.xla import squared_lengths
from .op import MISFIT, MixtureLogLikelihood

# Rows at a time: more rows are computed in such blocks, and again for the gradient, so that memory
# does not grow with rows x components x columns. XLA compiles the loop for this number, so it is
# here and not in `Data.blocks`.
_BLOCK = 2**16


@jax_funcify.register(MixtureLogLikelihood)
def _convert(op: MixtureLogLikelihood, node: Apply | None = None, **_: Any) -> Any:
    """The Op as a JAX function; JAX leaves out gradients that are not used."""

    def likelihood(*inputs: Any) -> Any:
        w, mu, covariance, below, root, x, *weights = inputs

        def log_density(w: Any, mu: Any, covariance: Any, below: Any, x: Any) -> Any:
            factors, log_dets = _FACTORS[op.form](mu.shape[2], covariance, below, root)
            return _mixture(w, mu, factors, log_dets, x)

        values, pull_back = jax.vjp(log_density, w, mu, covariance, below, x)
        gradients = pull_back(weights[0] if weights else jnp.ones_like(values))
        return values, *gradients[: 5 if op.in_rows else 4]

    return likelihood


def _of_sigma(d: int, sigma: Any, *_: Any) -> tuple[Any, Any]:
    sd = jnp.broadcast_to(sigma, (len(sigma), d))
    return jnp.eye(d) / sd[:, None, :], -jnp.log(sd).sum(axis=1)


def _of_chol(d: int, chol: Any, *_: Any) -> tuple[Any, Any]:
    unit = jnp.broadcast_to(jnp.eye(d), chol.shape)
    factors = solve_triangular(chol, unit, lower=True)
    return jnp.swapaxes(factors, 1, 2), -_log_diagonal(chol)


def _of_cov(d: int, cov: Any, *_: Any) -> tuple[Any, Any]:
    return _of_chol(d, _cholesky(cov))


def _of_tau(d: int, tau: Any, *_: Any) -> tuple[Any, Any]:
    lower = _cholesky(tau)
    return lower, _log_diagonal(lower)


def _of_bartlett(d: int, chi2: Any, lower: Any, root: Any) -> tuple[Any, Any]:
    """The factor of a precision is M T."""
    index, (below, left) = np.arange(d), np.tril_indices(d, -1)
    triangle = jnp.zeros((len(chi2), d, d))
    triangle = triangle.at[:, index, index].set(jnp.sqrt(chi2))
    triangle = triangle.at[:, below, left].set(lower)
    log_dets = jnp.log(jnp.diagonal(root)).sum() + 0.5 * jnp.log(chi2).sum(axis=1)
    return root @ triangle, log_dets


#: For each form: factors F (K or 1, d, d) of the precisions F F', and log|F|.
_FACTORS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "sigma": _of_sigma,
    "chol": _of_chol,
    "cov": _of_cov,
    "tau": _of_tau,
    "bartlett": _of_bartlett,
}


def _cholesky(matrix: Any) -> Any:
    """The factor of matrices of which the lower triangle is read."""
    lower = jnp.tril(matrix)
    return jnp.linalg.cholesky(
        lower + jnp.swapaxes(jnp.tril(matrix, -1), 1, 2), symmetrize_input=False
    )


def _log_diagonal(lower: Any) -> Any:
    return jnp.log(jnp.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)


def _mixture(w: Any, mu: Any, factors: Any, log_dets: Any, x: Any) -> Any:
    """Log density of every row: precisions F F' of factors (K or 1, d, d), logs of their |F|."""
    n, d = x.shape
    if w.shape[1] != mu.shape[1] or not {len(w), len(mu)} <= {1, n} or mu.shape[2] != d:
        raise ValueError(MISFIT)
    transposed = jnp.swapaxes(factors, 1, 2)

    def log_density(row: Any, w: Any, mu: Any) -> Any:
        delta = (row - mu)[None]
        constant = jnp.log(w) + log_dets - 0.5 * d * np.log(2 * np.pi)
        value = logsumexp(constant - 0.5 * squared_lengths(delta, transposed)[0])
        return jnp.where(jnp.isnan(value), -jnp.inf, value)  # parameters of no mixture

    # what the rows share is no argument of the loop over them
    by_row = [x, *(v for v in (w, mu) if len(v) == n > 1)]
    shared = [v[0] if len(v) == 1 else None for v in (w, mu)]

    def of_row(row: tuple[Any, ...]) -> Any:
        own = iter(row[1:])
        return log_density(row[0], *(next(own) if v is None else v for v in shared))

    if n <= _BLOCK:
        return jax.vmap(of_row)(tuple(by_row))
    return jax.lax.map(jax.checkpoint(of_row), tuple(by_row), batch_size=_BLOCK)
