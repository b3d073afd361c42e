"""Replicates of the bootstrap test that a checkpoint has."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ..em.checkpoint import Checkpoint, key_of

# How a replicate is kept.
_PACKED = struct.Struct("<d??")


class Replicate(NamedTuple):
    """What a test needs of the fits to a replicate."""

    statistic: float
    rescued: bool
    unimproved: bool


@dataclass(frozen=True, slots=True)
class KeptReplicates:
    """The replicates that a checkpoint has, if there is one."""

    checkpoint: Checkpoint | None

    def replicate(
        self, k: int, number: int, make: Callable[[], Replicate | None]
    ) -> Replicate | None:
        """A replicate of the test of k components: from the checkpoint, or else made and kept."""
        if self.checkpoint is None:
            return make()

        def packed() -> bytes:
            found = make()
            return b"" if found is None else _PACKED.pack(*found)

        content = self.checkpoint.answer(key_of(f"replicate {k} {number}"), packed)
        return Replicate(*_PACKED.unpack(content)) if content else None
