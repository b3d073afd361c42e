"""Rivals timed in turn, so that a slow minute of the machine slows all of them."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from .machine import Others

# A round is repeated when other processes took more than this share of the machine.
QUIET = 0.05


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of every round that counts, and what others used of the machine meanwhile."""

    seconds: tuple[float, ...]
    others: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median round."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Largest less smallest round, relative to the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


def in_turn(
    rivals: Mapping[str, Callable[[], float]],
    *,
    rounds: int = 7,
    most: int = 21,
    patience: float = 0.0,
    budget: float = math.inf,
    rest: float = 0.0,
) -> dict[str, Timing]:
    """Call every rival once a round; each returns its seconds.

    Rounds in which other processes used more than `QUIET` of the machine are set aside. When
    `most` rounds, or all that `budget` allowed, did not give `rounds` quiet ones, the quietest
    count.

    Parameters
    ----------
    rivals : mapping of name to function
        What is timed; the function makes its own start and stop.
    rounds, most : int
        Rounds wanted, and rounds made at most.
    patience : float
        Seconds to wait for a quiet machine before every round.
    budget : float
        Seconds after which no second round begins, nor any later one.
    rest : float
        Seconds to sleep before every round: BLAS threads wait in a loop before they sleep too.
    """
    made: list[tuple[float, dict[str, float]]] = []
    begun = time.perf_counter()
    while len(made) < most and sum(share <= QUIET for share, _ in made) < rounds:
        if made and time.perf_counter() - begun > budget:
            break
        time.sleep(rest)
        wait_for_quiet(patience)
        others = Others()
        others.start()
        seconds = {name: rival() for name, rival in rivals.items()}
        share = others.share()
        made.append((0.0 if share != share else share, seconds))
    made.sort(key=lambda entry: entry[0])
    kept = made[:rounds]
    shares = tuple(share for share, _ in kept)
    return {name: Timing(tuple(s[name] for _, s in kept), shares) for name in rivals}


def wait_for_quiet(patience: float) -> None:
    """Wait until other processes leave the machine alone for half a second, or patience ends."""
    deadline = time.perf_counter() + patience
    while time.perf_counter() < deadline:
        others = Others()
        others.start()
        time.sleep(0.5)
        share = others.share()
        if not share > QUIET:
            return


def stopwatch(function: Callable[[], object]) -> Callable[[], float]:
    """Turn a function into one that returns the seconds a call takes."""

    def timed() -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return timed


def alone(timed: Callable[[], float]) -> Callable[[], float]:
    """Turn a function into one that keeps bayesgmm and BLAS to one thread."""

    def on_one_thread() -> float:
        with one_thread(), threadpool_limits(1, "blas"):
            return timed()

    return on_one_thread


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep bayesgmm to one thread meanwhile."""
    before = os.environ.get("BAYESGMM_NUM_THREADS")
    os.environ["BAYESGMM_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["BAYESGMM_NUM_THREADS"]
        else:
            os.environ["BAYESGMM_NUM_THREADS"] = before


def busiest(timings: Sequence[Timing]) -> float:
    """The largest share of the machine that others used in a round that counts."""
    return max(share for timing in timings for share in timing.others)
