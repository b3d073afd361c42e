"""R's mclust in a process that waits for orders, so that it can be timed in turn with others."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np

from .problem import Problem
from .server import EMServer, Server, Unavailable

type Logliks = dict[tuple[str, int], float]

# Each line on its standard input is one run; "cells" asks for the last run's log-likelihoods.
_GRID = """
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
# The other side of `EMServer`.
_EM = """
suppressMessages(library(mclust))
args <- commandArgs(TRUE)
n <- as.integer(args[2]); d <- as.integer(args[3]); k <- as.integer(args[4])
family <- c(full = "VVV", diag = "VVI", spherical = "VII")[[args[5]]]
X <- matrix(readBin(file.path(args[1], "rows"), "double", n * d), n, d)
means <- t(matrix(readBin(file.path(args[1], "means"), "double", k * d), k, d))
identity <- switch(family,
  VVV = list(cholsigma = array(diag(d), c(d, d, k))),
  VVI = list(scale = rep(1, k), shape = matrix(1, d, k)),
  VII = list(sigmasq = rep(1, k)))
variance <- c(list(modelName = family, d = d, G = k), identity)
start <- list(pro = rep(1 / k, k), mean = means, variance = variance)
cat("R ", R.version$major, ".", R.version$minor, ", mclust ",
    as.character(packageVersion("mclust")), "\\n", sep = "")
flush(stdout())
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  most <- as.integer(line)
  control <- emControl(tol = c(0, 0), itmax = c(most, most))
  begun <- Sys.time()
  fit <- em(X, family, start, control = control)
  seconds <- as.double(Sys.time() - begun, units = "secs")
  cat(abs(attr(fit, "info")[[1]]), seconds, format(fit$loglik, digits = 17), "\\n")
  flush(stdout())
}
"""


class Mclust:
    """`Mclust(X, G, modelNames, verbose = FALSE)`, as often as asked for."""

    def __init__(self, server: Server) -> None:
        self._server = server
        _, major, minor, version = server.line().split()
        self.version = f"R {major}.{minor}, mclust {version}"

    def seconds(self) -> float:
        """One run, by R's own clock (system.time)."""
        self._server.send("run")
        return float(self._server.line())

    def logliks(self) -> Logliks:
        """Log-likelihoods of the last run's cells, from their BIC; without those it gave up."""
        self._server.send("cells")
        found: Logliks = {}
        while (line := self._server.line()) != "end":
            family, k, loglik = line.split()
            if loglik != "NA":
                found[family, int(k)] = float(loglik)
        return found

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
            rows = Path(folder, "rows")
            np.ascontiguousarray(np.asarray(x, dtype=np.float64).T).tofile(rows)
            n, d = x.shape
            command: list[str | Path] = [
                "Rscript",
                "-e",
                _GRID,
                rows,
                str(n),
                str(d),
                ",".join(map(str, ks)),
            ]
            command += [",".join(families)] if families else []
            with Server(command) as server:
                yield cls(server)


def em(problem: Problem) -> EMServer:
    """EM by mclust over this problem.

    Raises
    ------
    Unavailable
        R or mclust is not installed, or the problem needs a ridge, which mclust has not.
    """
    if problem.case.ridge:
        raise Unavailable("no ridge")
    if not installed():
        raise Unavailable("not installed")
    return EMServer(["Rscript", "-e", _EM], problem)


@cache
def installed() -> bool:
    """Whether R is here, with mclust."""
    if shutil.which("Rscript") is None:
        return False
    test = "quit(status = !requireNamespace('mclust', quietly = TRUE))"
    return subprocess.run(["Rscript", "-e", test], capture_output=True).returncode == 0
