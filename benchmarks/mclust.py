"""R's mclust in a process that waits for orders, so that it can be timed in turn with others."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np

type Logliks = dict[tuple[str, int], float]

# Each line on its standard input is one run; "cells" asks for the last run's log-likelihoods.
_PROGRAM = """
suppressMessages(library(mclust))
args <- commandArgs(TRUE)
n <- as.integer(args[2]); d <- as.integer(args[3]); ks <- as.integer(strsplit(args[4], ",")[[1]])
families <- if (length(args) > 4) strsplit(args[5], ",")[[1]] else NULL
X <- matrix(readBin(args[1], "double", n * d), n, d)
if (d == 1) X <- X[, 1]
cat("ready", R.version$major, R.version$minor, as.character(packageVersion("mclust")), "\\n")
flush(stdout())
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  if (line == "cells") {
    bic <- fit$BIC
    for (k in rownames(bic)) for (family in colnames(bic)) {
      loglik <- (bic[k, family] + nMclustParams(family, d, as.integer(k)) * log(n)) / 2
      cat(family, k, format(loglik, digits = 17), "\\n")
    }
    cat("end\\n")
  } else {
    set.seed(1)
    seconds <- system.time(fit <- Mclust(X, G = ks, modelNames = families, verbose = FALSE))
    cat(seconds[["elapsed"]], "\\n")
  }
  flush(stdout())
}
"""


class Mclust:
    """`Mclust(X, G, modelNames, verbose = FALSE)`, as often as asked for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        _, major, minor, version = self._line().split()
        self.version = f"R {major}.{minor}, mclust {version}"

    def seconds(self) -> float:
        """One run, by R's own clock (system.time)."""
        self._ask("run")
        return float(self._line())

    def logliks(self) -> Logliks:
        """Log-likelihoods of the last run's cells, from their BIC; without those it gave up."""
        self._ask("cells")
        found: Logliks = {}
        while (line := self._line()) != "end":
            family, k, loglik = line.split()
            if loglik != "NA":
                found[family, int(k)] = float(loglik)
        return found

    def _ask(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("R ended before it answered")
        return line

    @classmethod
    @contextmanager
    def over(
        cls, x: np.ndarray, ks: Sequence[int], families: Sequence[str] = ()
    ) -> Iterator[Self | None]:
        """A process with these rows; None where R or mclust is not installed."""
        if not installed():
            yield None
            return
        with tempfile.TemporaryDirectory() as folder:
            program, rows = Path(folder, "mclust.R"), Path(folder, "rows")
            program.write_text(_PROGRAM)
            np.ascontiguousarray(np.asarray(x, dtype=np.float64).T).tofile(rows)
            n, d = x.shape
            command = ["Rscript", program, rows, str(n), str(d), ",".join(map(str, ks))]
            command += [",".join(families)] if families else []
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as process:
                try:
                    yield cls(process)
                finally:
                    process.kill()


def installed() -> bool:
    """Whether R is here, with mclust."""
    if shutil.which("Rscript") is None:
        return False
    test = "quit(status = !requireNamespace('mclust', quietly = TRUE))"
    return subprocess.run(["Rscript", "-e", test], capture_output=True).returncode == 0
