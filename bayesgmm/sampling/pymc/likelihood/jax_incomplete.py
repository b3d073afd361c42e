"""The likelihood of rows with missing values or labels for JAX, which calls the compiled pass.

JAX cannot write the loop over the groups of the rows well: it would compile one product for each of
them. So it calls the processor for values and gradients, and a graphics processor waits for it.
Loaded as `jax` is, when PyTensor first prepares such a graph for JAX.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from pytensor.graph import Apply
from pytensor.link.jax.dispatch import jax_funcify

from .incomplete import IncompleteLogLikelihood

# Inputs that have gradients: proportions, means, and what says the covariances.
_OF_MIXTURE = 4


@jax_funcify.register(IncompleteLogLikelihood)
def _convert(op: IncompleteLogLikelihood, node: Apply | None = None, **_: Any) -> Any:
    """The Op as a JAX function that JAX can differentiate."""
    weighted = IncompleteLogLikelihood(op.form, weighted=True)

    def on_processor(*inputs: Any) -> tuple[Any, ...]:
        storage: list[list[Any]] = [[None] for _ in range(1 + _OF_MIXTURE)]
        weighted.perform(None, inputs, storage)
        return tuple(cell[0] for cell in storage)

    def passed(*inputs: Any) -> tuple[Any, ...]:
        """Log densities (n,), and the gradients of their sum, by the weights that come last."""
        shapes = [inputs[-1].shape, *(v.shape for v in inputs[:_OF_MIXTURE])]
        out = tuple(jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes)
        found = jax.pure_callback(on_processor, out, *inputs, vmap_method="sequential")
        return tuple(found)

    @jax.custom_vjp
    def log_density(*inputs: Any) -> Any:
        return passed(*inputs, _ones(inputs))[0]

    def forward(*inputs: Any) -> Any:
        values, *gradients = passed(*inputs, _ones(inputs))
        return values, (inputs, gradients)

    def backward(kept: Any, slopes: Any) -> tuple[Any, ...]:
        inputs, gradients = kept
        found = jax.lax.cond(  # of a sum of all rows they are known already
            jnp.all(slopes == slopes[0]),
            lambda: tuple(slopes[0] * gradient for gradient in gradients),
            lambda: passed(*inputs, slopes)[1:],
        )
        return *found, *(jnp.zeros_like(v) for v in inputs[_OF_MIXTURE:])

    log_density.defvjp(forward, backward)

    def likelihood(*inputs: Any) -> Any:
        at, weights = inputs[:7], inputs[7:]
        last = weights[0] if weights else _ones(at)
        gradients = passed(*map(jax.lax.stop_gradient, (*at, last)))[1:]  # which have none
        return log_density(*at), *gradients

    return likelihood


def _ones(inputs: Any) -> Any:
    """A weight for each of the rows among the inputs."""
    return jnp.ones(len(inputs[5]))
