"""Where `posterior.extend` is.

Sampling imports the posteriors that it makes, so that they cannot import it: the package's
`__init__` points to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class Extension:
    """What makes more draws of a posterior.

    Attributes
    ----------
    home : callable
        Returns the module whose function `extend` does.
    """

    home: ClassVar[Callable[[], Any]]
