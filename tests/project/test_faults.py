"""What goes wrong around a program: processes that meet, are killed or split; disks that are full.

Files of results are in `tests/utils/test_archive.py`, Ctrl-C in `test_interruptions.py`, places
that cannot be written to in `tests/kernels/test_cache.py`.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import bayesgmm
from tests.places import ROOT

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX system")
PLAIN = """
import numpy as np, bayesgmm
x = np.random.default_rng(0).normal(size=(80, 2)) + np.arange(80)[:, None] % 2 * 5
print(repr(bayesgmm.fit(x, 2, random_seed=1).loglik))
"""


def rows():
    return np.random.default_rng(0).normal(size=(80, 2)) + np.arange(80)[:, None] % 2 * 5


def fitted(seed):
    """What a process or thread is to find: the same as any other."""
    fit = bayesgmm.fit(rows(), 2, random_seed=seed)
    grid = bayesgmm.select(rows(), [1, 2], ["EEE", "VVV"], random_seed=seed, progressbar=False)
    return fit.loglik, grid.best.loglik, fit.mixture.log_density(rows()).sum()


@pytest.fixture(scope="module")
def alone():
    """The same, one after the other."""
    return [fitted(seed) for seed in range(6)]


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_find_the_same(method, alone):
    """However they come into being, after this one has used threads of its own."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context) as pool:
        assert list(pool.map(fitted, range(6), timeout=120)) == alone


def test_threads_find_the_same(alone):
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fitted, range(6))) == alone


def start(place):
    """A process that finds no compiled code but what is in that place."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(place), "BAYESGMM_COMPILES_ALONE": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", PLAIN], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, env=environment | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@POSIX
@pytest.mark.slow
def test_cold_processes_that_meet_and_one_that_is_killed(tmp_path):
    """Two compile into the same place at once, a third is killed at it; then all is there."""
    expected = bayesgmm.fit(rows(), 2, random_seed=1).loglik
    both, third = [start(tmp_path), start(tmp_path)], start(tmp_path)
    time.sleep(4)
    third.send_signal(signal.SIGKILL)
    third.communicate()
    assert third.returncode == -signal.SIGKILL
    for process in both:
        out, err = process.communicate(timeout=500)
        assert float(out) == pytest.approx(expected, rel=1e-12), err
    compiled = {path for path in tmp_path.rglob("*") if path.is_file()}
    out, err = start(tmp_path).communicate(timeout=500)
    assert float(out) == pytest.approx(expected, rel=1e-12) and not err
    assert compiled and compiled == {path for path in tmp_path.rglob("*") if path.is_file()}


EXPORTS = """
import resource, signal, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, bayesgmm
x = np.random.default_rng(0).normal(size=(80, 2)) + np.arange(80)[:, None] % 2 * 5
grid = bayesgmm.select(x, [1, 2], ["EEE", "VVV"], random_seed=1, progressbar=False)
table = bayesgmm.compare(grid)
arguments = {"n_components": [1, 2], "refine": False, "random_seed": 1, "progressbar": False}
writers = {
    "report.html": lambda path: bayesgmm.report(x, path, **arguments),
    "report.md": lambda path: bayesgmm.report(x, path, **arguments),
    "table.html": table.to_html,
    "table.tex": table.to_latex,
}
name, path = sys.argv[1:]
writers[name](path)
before = open(path, "rb").read()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for share in (0.0, 0.3, 0.9):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * len(before)), hard))
    try:
        writers[name](path)
    except OSError as error:
        print(error.errno, open(path, "rb").read() == before)
"""


@POSIX
@pytest.mark.parametrize(
    "name",
    [
        "report.html",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("report.md", "table.html", "table.tex")
        ),
    ],
)
def test_a_full_disk_leaves_the_old_export(name, tmp_path):
    """One error of the operating system, the old file as it was, and nothing beside it."""
    path = tmp_path / name
    run = subprocess.run(
        [sys.executable, "-P", "-c", EXPORTS, name, path], capture_output=True, text=True,
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[:-1] == [f"{errno.EFBIG} True"] * 3
    assert {p.name for p in tmp_path.iterdir()} <= {name, "report_figures"}


@POSIX
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_worker_that_is_killed_leaves_the_others(method, alone):
    """Its own work fails with an error; what is fitted beside it and after it is as it was."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, context) as doomed, ProcessPoolExecutor(1, context) as other:
        beside = other.submit(fitted, 3)
        broken = doomed.submit(_kill_myself)
        with pytest.raises(Exception, match="terminated abruptly"):
            broken.result(timeout=60)
        assert beside.result(timeout=120) == alone[3]
    assert fitted(2) == alone[2]


def _kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)
