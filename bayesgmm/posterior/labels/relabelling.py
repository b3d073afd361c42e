"""The result of a relabelling, its application to draws, and its record in a tree."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ...utils.display import Displayed
from ...utils.types import IntArray

# The tree's group with the record of its relabelling.
_GROUP = "relabelling"
# Groups with draws of what belongs to a component; that of the rows is of a user's model.
_LABELLED = ("posterior", "rows")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Relabelling(Displayed):
    """Permutations of the components of every draw, with diagnostics.

    Attributes
    ----------
    method : str
        Name of the method, as for `relabel`.
    permutations : int array (S, K)
        Component j of the relabelled draw s is component permutations[s, j] of the sampled one.
    ambiguous : bool array (S,)
        Draws that form no permutation: two of their components are nearest to one and the same
        component's average over the draws (Frühwirth-Schnatter 2011, in Mixtures: Estimation and
        Applications, 213-239).
    losses : tuple of float
        What the method minimises, after each sweep over the draws; empty if it makes only one.
    converged : bool
        Whether the last sweep changed no permutation.
    reason : str
        Why nothing may be relabelled; "" where it may.
    """

    method: str
    permutations: IntArray
    ambiguous: NDArray[np.bool_]
    losses: tuple[float, ...] = ()
    converged: bool = True
    reason: str = ""

    @classmethod
    def none(cls, n_draws: int, n_components: int, reason: str) -> Relabelling:
        """Draws that stay as they were sampled, for a reason."""
        same = np.tile(np.arange(n_components), (n_draws, 1))
        return cls("none", same, np.zeros(n_draws, dtype=bool), reason=reason)

    @property
    def iterations(self) -> int:
        """Sweeps over the draws."""
        return max(1, len(self.losses))

    @property
    def relabelled_draws(self) -> int:
        """Draws whose labels changed."""
        unchanged = np.arange(self.permutations.shape[1])
        return int(np.sum(np.any(self.permutations != unchanged, axis=1)))

    @property
    def ambiguous_draws(self) -> int:
        """Number of ambiguous draws."""
        return int(np.sum(self.ambiguous))

    @property
    def in_words(self) -> str:
        """The relabelling in one line."""
        if self.reason:
            return f"as sampled: {self.reason}"
        text = f"{self.relabelled_draws} draws relabelled to the EM fit ({self.method})"
        if self.ambiguous_draws:
            text += f"; {self.ambiguous_draws} draws form no permutation of its components"
        return text if self.converged else f"{text}; not converged after {self.iterations} sweeps"

    def _title(self) -> str:
        n, k = self.permutations.shape
        return f"Relabelling of {n} draws of {k} components ({self.method})"

    def _lines(self) -> list[tuple[str, str]]:
        end = "converged" if self.converged else "not converged"
        return [
            ("relabelled", f"{self.relabelled_draws} draws"),
            (
                "ambiguous",
                f"{self.ambiguous_draws} draws, which form no permutation",
            ),
            ("sweeps", f"{self.iterations}, {end}"),
        ]


def permuted(posterior: xr.Dataset, permutations: IntArray) -> xr.Dataset:
    """The draws with every variable that has a component axis put in the new order."""
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], posterior.sizes["component"])
    index = permutations.reshape(shape)
    out = posterior.copy()
    for name, variable in posterior.data_vars.items():
        if "component" not in variable.dims:
            continue
        axis = variable.dims.index("component")
        extra = [1] * (variable.ndim - axis - 1)
        order = index.reshape(*shape[:2], *[1] * (axis - 2), shape[2], *extra)
        out[name] = variable.copy(data=np.take_along_axis(variable.to_numpy(), order, axis))
    return out


def relabelled(tree: xr.DataTree, relabelling: Relabelling) -> xr.DataTree:
    """A copy of the tree with its draws relabelled, and a record of it.

    The record counts from the labels that the sampler gave, however often draws are relabelled.
    """
    draws = tree["posterior"].to_dataset()
    total = relabelling
    if _GROUP in tree.children:
        earlier = relabelling_of_tree(tree).permutations
        order = np.take_along_axis(earlier, relabelling.permutations, axis=1)
        total = replace(relabelling, permutations=order)
    out = tree.copy()
    for name in _LABELLED:
        if name in tree.children:
            before = tree[name].to_dataset()
            out[name] = xr.DataTree(permuted(before, relabelling.permutations))
    out[_GROUP] = xr.DataTree(_record(total, draws))
    return with_counts(out)


def with_counts(tree: xr.DataTree) -> xr.DataTree:
    """The same tree, with the counts of its relabelling among its attributes."""
    record = relabelling_of_tree(tree)
    tree.attrs = tree.attrs | {
        "relabelling": record.method,
        "relabelled_draws": record.relabelled_draws,
        "ambiguous_draws": record.ambiguous_draws,
    }
    return tree


def relabelling_of_tree(tree: xr.DataTree) -> Relabelling:
    """The relabelling that `relabelled` has recorded in the tree."""
    group = tree[_GROUP]
    shape = (-1, group.sizes["component"])
    return Relabelling(
        group.attrs["method"],
        group["permutation"].to_numpy().reshape(shape),
        group["ambiguous"].to_numpy().reshape(-1),
        tuple(group["loss"].to_numpy().tolist()),
        bool(group.attrs["converged"]),
        str(group.attrs.get("reason", "")),
    )


def _record(relabelling: Relabelling, draws: xr.Dataset) -> xr.Dataset:
    size = (draws.sizes["chain"], draws.sizes["draw"])
    return xr.Dataset(
        {
            "permutation": (
                ("chain", "draw", "component"),
                relabelling.permutations.reshape(*size, -1),
            ),
            "ambiguous": (("chain", "draw"), relabelling.ambiguous.reshape(size)),
            "loss": ("sweep", np.array(relabelling.losses)),
        },
        coords={name: draws[name] for name in ("chain", "draw", "component")},
        attrs={
            "method": relabelling.method,
            "converged": int(relabelling.converged),
            "reason": relabelling.reason,
        },
    )
