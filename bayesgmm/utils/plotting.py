"""The attribute `plot` of results: `fit.plot.classification(X)`, `posterior.plot.trace()`.

The plots import the results that they show, so results cannot import the plots. A result only
declares that it has plots; a registry, to which the package's `__init__` points, has the plots of
each class. It and matplotlib are imported at the first plot. To a type checker `plot` is therefore
`Any`; to have calls checked, annotate with the accessor's class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class PlotAccessor:
    """The descriptor behind `plot`: the plots registered for the class that declares it.

    On an instance it gives an accessor that holds the instance, made anew each time, so that copies
    and pickles do not contain it. On the class it gives the accessor's class, whose methods can
    then be listed. Derived classes have the same plots.

    Attributes
    ----------
    home : callable
        Returns the module whose `ACCESSORS` maps the names of result classes to accessor classes.
    """

    home: ClassVar[Callable[[], Any]]

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner_name = owner.__name__

    def __get__(self, result: Any, owner: type) -> Any:
        accessor = PlotAccessor.home().ACCESSORS[self._owner_name]
        return accessor if result is None else accessor(result)
