"""Names that a person gives to components, such as "short" and "long"."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Self

from ..utils.validation import check_integer

type ComponentNames = Sequence[str] | Mapping[int, str]


class NamedComponents:
    """What a mixture says of the names of its components."""

    component_names: tuple[str, ...]

    @property
    def n_components(self) -> int:
        """Number of components K."""
        raise NotImplementedError

    @property
    def components(self) -> tuple[int, ...] | tuple[str, ...]:
        """What the components are called: their names, or 0, 1, ..., K - 1 where they have none."""
        return self.component_names or tuple(range(self.n_components))

    def with_component_names(self, names: ComponentNames) -> Self:
        """The same mixture with names for its components.

        Parameters
        ----------
        names : sequence of K str, or mapping of component to name
            In the order of the components, or by their numbers; those that a mapping leaves out
            are called by their number. Empty takes all names away.

        Returns
        -------
        Mixture

        Raises
        ------
        ValueError
            Not one name for each component, an empty name, or the same twice.
        TypeError
            A name that is no text.

        Examples
        --------
        >>> from bayesgmm import Mixture
        >>> mixture = Mixture([0.5, 0.5], [[-2.0], [2.0]], [[[1.0]], [[1.0]]])
        >>> mixture.with_component_names(["low", "high"]).components
        ('low', 'high')
        """
        named = copy.copy(self)
        checked = checked_component_names(names, self.n_components)
        object.__setattr__(named, "component_names", checked)
        return named


def can_be_names(names: Sequence[str]) -> bool:
    """Whether these texts tell components apart: there are some, none empty, none twice."""
    return bool(names) and len(set(names)) == len(names) and all(name.strip() for name in names)


def checked_component_names(names: ComponentNames, n_components: int) -> tuple[str, ...]:
    """The names of K components, or none of them."""
    if isinstance(names, str):
        raise TypeError(f"component_names is {names!r}: pass a list of {n_components} names.")
    if isinstance(names, Mapping):
        last = n_components - 1
        given = {check_integer("a component", k, 0, last): v for k, v in names.items()}
        names = [given.get(k, str(k)) for k in range(n_components)] if given else []
    found = tuple(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"component_names has {name!r}, which is no text.")
    if found and len(found) != n_components:
        raise ValueError(
            f"component_names has {len(found)} names for {n_components} components: pass one each."
        )
    if found and not can_be_names(found):
        raise ValueError(f"component_names is {list(found)}: every component needs its own name.")
    return found
