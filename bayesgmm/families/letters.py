"""The letters that a family's name is made of."""

from __future__ import annotations

from enum import StrEnum

from .matrices import EQUAL, IDENTITY, VARIABLE


class Letter(StrEnum):
    """What components share of their volumes, shapes or orientations."""

    EQUAL = "E"
    VARIABLE = "V"
    IDENTITY = "I"

    @property
    def word(self) -> str:
        """Equal, variable or identity."""
        return self.name.lower()

    @property
    def code(self) -> int:
        """The number that stands for it in compiled code."""
        return _CODES[self]

    def number(self, n_components: int) -> int:
        """How many different ones a mixture of K components has to estimate: K, one, or none."""
        return {Letter.EQUAL: 1, Letter.VARIABLE: n_components, Letter.IDENTITY: 0}[self]


_CODES = {Letter.EQUAL: EQUAL, Letter.VARIABLE: VARIABLE, Letter.IDENTITY: IDENTITY}
#: Each allows all that those before it allow.
FREEDOM = (Letter.IDENTITY, Letter.EQUAL, Letter.VARIABLE)
