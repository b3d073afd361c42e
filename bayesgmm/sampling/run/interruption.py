"""Interrupted runs: noticing Ctrl-C, which draws are kept, and the warning."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from ...utils.errors import InterruptionAdvice
from ...utils.types import IntArray
from ...utils.warnings import warn
from .settings import Settings

# Draws of a chain below which its convergence cannot be judged.
_FEWEST = 4

TOO_EARLY = f"stopped before a chain had {_FEWEST} draws"
TOO_LATE = "stopped after the last draw, before the posterior was made of them"


@contextmanager
def keyboard_watched(held: bool = False) -> Iterator[threading.Event]:
    """An event that is set when Ctrl-C interrupts the block, even if code in it catches that.

    held: the block goes on. Only the main thread can be interrupted; in another, and where no
    Python function handles the signal, the event is never set.
    """
    interrupted = threading.Event()
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield interrupted
        return
    original: Callable[[int, FrameType | None], Any] = handler

    def note(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        if not held:
            original(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def interruptions_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt where the block's code turned Ctrl-C into another error.

    Compiled code of other libraries can: matplotlib's says "Invalid bounding box" then.
    """
    with keyboard_watched() as interrupted:
        try:
            yield
        except Exception as error:
            if interrupted.is_set():
                raise KeyboardInterrupt from error
            raise


def largest_rectangle(made: IntArray) -> tuple[IntArray, int]:
    """The chains to keep and the number of draws of each, so that most draws are kept.

    Raises
    ------
    KeyboardInterrupt
        No chain has made enough.
    """
    made = np.where(made < _FEWEST, 0, made)
    if not made.any():
        raise KeyboardInterrupt(TOO_EARLY)
    longest_first = np.argsort(-made, kind="stable")
    n_chains = int(np.argmax(made[longest_first] * np.arange(1, len(made) + 1))) + 1
    kept = np.sort(longest_first[:n_chains])
    return kept, int(made[kept].min())


def was_stopped(chains: int, draws: int, settings: Settings) -> bool:
    """Whether there are fewer chains or draws than were asked for."""
    return (chains, draws) != (settings.chains, settings.draws)


def refuse_if_stopped(chains: int, draws: int, settings: Settings) -> None:
    """Raise KeyboardInterrupt if a run was stopped whose draws cannot be kept."""
    if was_stopped(chains, draws, settings):
        raise KeyboardInterrupt("stopped in a run whose draws cannot be kept")


def warn_of_interruption(chains: int, draws: int) -> None:
    """Warn that only so many draws are kept.

    Raises
    ------
    KeyboardInterrupt
        They are too few.
    """
    if draws < _FEWEST:
        raise KeyboardInterrupt(TOO_EARLY)
    warn(
        f"sampling was interrupted: {draws} draws of {chains} chains are kept.", InterruptionAdvice
    )
