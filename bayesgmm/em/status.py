"""How a run of EM ended."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """How EM ended; the text says what to do next."""

    CONVERGED = "converged"
    MAX_ITER = "reached max_iter"
    INTERRUPTED = "interrupted"
    SPURIOUS = "spurious"
    DEGENERATE = "degenerate"

    @property
    def sound(self) -> bool:
        """Whether the parameters are an estimate: neither degenerate nor spurious."""
        return self in (Status.CONVERGED, Status.MAX_ITER, Status.INTERRUPTED)
