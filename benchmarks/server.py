"""Another program in a process that waits for orders, so that it can be timed in turn."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .problem import Problem

# Iterations of more flop are so slow in these programs that three of them are enough.
_FEW = 1e8


class Unavailable(Exception):
    """A program gives no number; the text says why and stands in the table instead."""


class Server:
    """A process that answers lines with lines."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, order: str) -> None:
        """Write one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """Read one line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise Unavailable("failed")
        return line


@dataclass(frozen=True, slots=True)
class Climb:
    """Some iterations of EM: the seconds they took, and the log-likelihood after them."""

    iterations: int
    seconds: float
    loglik: float


class EMServer:
    """EM by another program over the rows of a problem, from its start.

    The program is given a folder with the files `rows` and `means` (float64, column after column),
    then n, d, K, the type of covariances and the ridge. It prints a line of its versions, then for
    every number of iterations that it reads a line of the iterations it made, seconds, and
    log-likelihood.
    """

    def __init__(self, command: Sequence[str | Path], problem: Problem) -> None:
        case = problem.case
        self._case = case
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        problem.x.T.tofile(folder / "rows")
        problem.means.T.tofile(folder / "means")
        sizes = (str(case.n), str(case.d), str(case.k), case.covariance_type, str(case.ridge))
        self._server = Server([*command, folder, *sizes])

    def __enter__(self) -> Self:
        try:
            self.version = self._server.line()
        except Unavailable:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        self._folder.cleanup()

    def climb(self, iterations: int) -> Climb:
        """EM of that length."""
        self._server.send(str(iterations))
        made, seconds, loglik = self._server.line().split()
        return Climb(int(made), float(seconds), float(loglik))

    def per_iteration(self) -> float:
        """Seconds of one iteration, by the program's own clock."""
        iterations = (1, 3) if self._case.flops > _FEW else self._case.iterations
        short, long = (self.climb(most) for most in iterations)
        return (long.seconds - short.seconds) / (long.iterations - short.iterations)
