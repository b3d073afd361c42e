"""Chains of our own samplers: one thread each, seeds that do not depend on cores, Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import NamedTuple, Protocol

import numpy as np

from ...utils.progress import progress
from ...utils.threads import all_done, default_threads
from ...utils.types import IntArray
from .interruption import largest_rectangle
from .kept import KeptChains
from .settings import Settings


class Chain[T](Protocol):
    """The state of a chain."""

    def step(self, rng: np.random.Generator) -> None:
        """Go on to the next draw."""

    def value(self) -> T:
        """What is kept of a draw."""


class Chains[T](NamedTuple):
    """The numbers of chains, and the draws of each."""

    numbers: IntArray
    draws: list[list[T]]


class Keeping[T](NamedTuple):
    """Under which name and where chains are kept, and how their draws are written and read."""

    name: str
    kept: KeptChains
    packed: Callable[[Sequence[T]], bytes]
    unpacked: Callable[[bytes, int], list[T]]


def chains_of[T](
    start: Callable[[int], Chain[T]],
    settings: Settings,
    title: str,
    keeping: Keeping[T] | None = None,
) -> Chains[T]:
    """The draws of every chain, after those of the warm-up; `start` makes the chain of a number.

    Chains that go on have no warm-up. An interruption keeps the most draws of the most chains. A
    chain that has ended is kept, and read where it is kept already.

    Raises
    ------
    KeyboardInterrupt
        Stopped before a chain had enough draws to judge it by.
    """
    seeds, tune = settings.seeds, 0 if settings.made else settings.tune
    stop = Event()
    threads = min(settings.cores or default_threads(), settings.chains)
    total = settings.chains * (tune + settings.draws)
    with progress(title, total, settings.progressbar) as tick, ThreadPoolExecutor(threads) as pool:

        def draws_of(number: int) -> list[T]:
            if keeping is None:
                return made_of(number)
            content = keeping.kept.get(keeping.name, number)
            if content is not None:
                for _ in range(tune + settings.draws):
                    tick()
                return keeping.unpacked(content, settings.draws)
            draws = made_of(number)
            if len(draws) == settings.draws:
                keeping.kept.put(keeping.name, number, keeping.packed(draws))
            return draws

        def made_of(number: int) -> list[T]:
            chain, rng, kept = start(number), np.random.default_rng(seeds[number]), []
            for i in range(tune + settings.draws):
                if stop.is_set():
                    break
                chain.step(rng)
                if i >= tune:
                    kept.append(chain.value())
                tick()
            return kept

        runs: list[Future[list[T]]] = []
        try:
            runs += [pool.submit(draws_of, number) for number in range(settings.chains)]
            all_done(runs)
        except KeyboardInterrupt:
            pass
        finally:
            stop.set()
        made = [run.result() for run in runs]
    which, n_draws = largest_rectangle(np.array([len(kept) for kept in made]))
    return Chains(which, [made[c][:n_draws] for c in which])
