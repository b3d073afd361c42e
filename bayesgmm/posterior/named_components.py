"""Names of a posterior's components, in its tree and its fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self, cast

import numpy as np
import xarray as xr

from ..em.result import Fit
from ..mixture.component_names import ComponentNames


class NamedComponents:
    """What a posterior says of the names of its components."""

    tree: xr.DataTree
    fit: Fit

    @property
    def components(self) -> tuple[int, ...] | tuple[str, ...]:
        """What the components are called: their names, or 0, 1, ..., K - 1 where they have none."""
        return self.fit.components

    def with_component_names(self, names: ComponentNames) -> Self:
        """The same posterior with names for its components, as `Fit.with_component_names`.

        They are the tree's coordinate `component`, so that ArviZ shows them too.

        Parameters
        ----------
        names : sequence of K str, or mapping of component to name
            In the order of the components, or by their numbers. Empty takes all names away, but
            for those of classes.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError
            Not one name for each component, an empty name, or the same twice.
        TypeError
            A name that is no text.

        Examples
        --------
        >>> named = posterior.with_component_names(["short", "long"])  # doctest: +SKIP
        >>> named.tree["posterior"]["mu"].sel(component="short")  # doctest: +SKIP
        """
        fit = self.fit.with_component_names(names)
        tree = with_components(self.tree, fit.components)
        tree.attrs["fit"] = json.dumps(fit.to_meta())
        return cast(Self, replace(cast(Any, self), tree=tree, fit=fit))


def with_components(tree: xr.DataTree, names: Sequence[int | str]) -> xr.DataTree:
    """The tree with this coordinate `component` in all of its groups."""
    named = tree.map_over_datasets(
        lambda g: g.assign_coords(component=list(names)) if "component" in g.dims else g
    )
    named.attrs = dict(tree.attrs)
    return named


def with_names_of(tree: xr.DataTree, fit: Fit) -> xr.DataTree:
    """The tree with the names of a fit's components; a user's model keeps coordinates of its own.

    Without names, or with them already, it is the same tree.
    """
    numbers = np.arange(fit.n_components)
    there = tree["posterior"].coords.get("component")
    if not fit.component_names or there is None or not np.array_equal(there, numbers):
        return tree
    return with_components(tree, fit.component_names)
