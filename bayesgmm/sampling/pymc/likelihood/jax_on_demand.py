"""JAX's form of the likelihood, loaded when PyTensor first compiles a graph with it for JAX."""

from __future__ import annotations

from pytensor.compile import optdb
from pytensor.graph import Apply, FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter

from .op import MixtureLogLikelihood


@node_rewriter([MixtureLogLikelihood])
def _convert_to_jax(fgraph: FunctionGraph, node: Apply) -> None:
    """Changes nothing; where PyTensor prepares a graph for JAX, the conversion is registered."""
    from . import jax  # noqa: F401


optdb.register("bayesgmm_jax", dfs_rewriter(_convert_to_jax), "jax", position=100)
