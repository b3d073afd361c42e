"""JAX's forms of the likelihood, loaded when PyTensor first compiles a graph with one for JAX."""

from __future__ import annotations

from importlib import import_module

from pytensor.compile import optdb
from pytensor.graph import Apply, FunctionGraph, Op
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter

from .op import MixtureLogLikelihood


def load_for_jax(op: type[Op], module: str) -> None:
    """Have the conversion of an Op loaded, from a file beside this one, when JAX needs it."""

    @node_rewriter([op])
    def convert(fgraph: FunctionGraph, node: Apply) -> None:
        """Changes nothing; where PyTensor prepares a graph for JAX, it registers the conversion."""
        import_module(f".{module}", __package__)

    optdb.register(f"bayesgmm_{module}", dfs_rewriter(convert), "jax", position=100)


load_for_jax(MixtureLogLikelihood, "jax")
