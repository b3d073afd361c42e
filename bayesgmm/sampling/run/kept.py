"""What a run of chains keeps in a checkpoint: a chain when it has ended."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np
import xarray as xr

from ...density.mode import FreeDensity, Mode
from ...em.checkpoint import Checkpoint, key_of
from ...utils.types import FloatArray
from .settings import Settings

# Log densities that are kept at a time.
_AT_A_TIME = 256


@dataclass(frozen=True)
class KeptChains:
    """The chains of a run, in a checkpoint if there is one.

    Attributes
    ----------
    checkpoint : Checkpoint or None
        Where they are kept.
    of : bytes
        What tells the run from others: its density, its settings and where its chains start.
    """

    checkpoint: Checkpoint | None
    of: bytes = b""

    @classmethod
    def of_run(
        cls, density: FreeDensity, mode: Mode, settings: Settings, starts: FloatArray | None = None
    ) -> KeptChains:
        """Those of a density about a mode, which start there or at points (chain, P).

        The density at the mode tells a pruned one from the whole.
        """
        if settings.checkpoint is None:
            return cls(None)
        digest = blake2b(repr(settings.of_chains).encode())
        there = np.array([density(mode.origin)[0]])
        for array in (mode.origin, mode.root, there, *([] if starts is None else [starts])):
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return cls(settings.checkpoint, digest.digest())

    def __bool__(self) -> bool:
        """Whether chains are kept."""
        return self.checkpoint is not None

    def get(self, name: str, number: int) -> bytes | None:
        """What is kept under a name and number; None where nothing is."""
        return None if self.checkpoint is None else self.checkpoint.get(self._key(name, number))

    def put(self, name: str, number: int, content: bytes) -> None:
        """Keep it."""
        if self.checkpoint is not None:
            self.checkpoint.put(self._key(name, number), content)

    def _key(self, name: str, number: int) -> bytes:
        return key_of(f"{name} {number} ", self.of)

    def log_densities(
        self, vectors: FloatArray, values: Callable[[FloatArray], FloatArray]
    ) -> FloatArray:
        """The values (S,) of a function of vectors (S, P), some at a time."""
        if self.checkpoint is None:
            return values(vectors)
        found = []
        for first in range(0, len(vectors), _AT_A_TIME):
            some = vectors[first : first + _AT_A_TIME]
            key = self._key("log density", first)
            content = self.checkpoint.answer(key, partial(_bytes_of, values, some))
            found.append(np.frombuffer(content, dtype="<f8"))
        return np.concatenate(found)


def packed(draws: Sequence[FloatArray]) -> bytes:
    """The draws of a chain, vectors (Q,), as bytes."""
    return _bytes(np.array(draws))


def unpacked(content: bytes, n_draws: int) -> list[FloatArray]:
    """So many draws from bytes."""
    return list(np.frombuffer(content, dtype="<f8").reshape(n_draws, -1).astype(np.float64))


def tree_bytes(tree: xr.DataTree) -> bytes:
    """A tree of draws as bytes."""
    return bytes(tree.to_netcdf(engine="h5netcdf"))


def tree_of(content: bytes) -> xr.DataTree:
    """The tree in bytes."""
    with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as file:
        return file.load()


def _bytes_of(values: Callable[[FloatArray], FloatArray], vectors: FloatArray) -> bytes:
    return _bytes(values(vectors))


def _bytes(values: Any) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()
