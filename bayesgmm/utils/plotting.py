"""The attribute `plot` of results: `fit.plot.classification(X)`, `posterior.plot.trace()`.

Pictures know the results that they show, so results must not know them. A result declares that it
has pictures; which, says a registry that the face of the package names: it is read when a picture
is asked for, and matplotlib with it. To a type checker `plot` is therefore `Any`; who wants it
checked names the accessor's class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class PlotAccessor:
    """The descriptor behind `plot`: the pictures registered for the class that declares it.

    Of an instance it is an accessor that holds the instance, made anew each time, so that copies
    and pickles have nothing of it. Of the class it is the accessor's class, with the methods to
    look at. Classes derived from the one that declares it have the same pictures.

    Attributes
    ----------
    home : callable
        Returns the module whose `ACCESSORS` has the accessors' classes by the name of the result's.
    """

    home: ClassVar[Callable[[], Any]]

    def __set_name__(self, owner: type, name: str) -> None:
        self._shown = owner.__name__

    def __get__(self, result: Any, owner: type) -> Any:
        accessor = PlotAccessor.home().ACCESSORS[self._shown]
        return accessor if result is None else accessor(result)
