"""A new installation's second process, which compiles what is needed later."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bayesgmm.kernels import compilation as primitives
from tests.places import ROOT

FIT = "import bayesgmm; bayesgmm.fit(bayesgmm.datasets.load_faithful(), 2, n_init=1)"


def run(code, cache, **environment):
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)} | environment,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_a_first_fit_has_the_posterior_compiled(tmp_path):
    """The process that fits ends; what only a posterior needs is in the cache soon after."""
    run(FIT, tmp_path)
    deadline = time.monotonic() + 120
    wanted = "*quadratic_pass*.nbc"  # the last but for two small functions
    while not list(tmp_path.rglob(wanted)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert list(tmp_path.rglob(wanted)) and list(tmp_path.rglob("*log_posterior*.nbc"))


@pytest.fixture
def started(monkeypatch):
    """Commands that were started, none of them really."""
    commands = []

    class Process:
        def __init__(self, command, **options):
            commands.append((command, options))

        def wait(self):
            return 0

    monkeypatch.setattr(primitives.subprocess, "Popen", Process)
    monkeypatch.delenv("BAYESGMM_COMPILES_ALONE", raising=False)
    monkeypatch.setattr(primitives.os, "cpu_count", lambda: 2)
    return commands


def test_one_process_that_starts_no_other(started):
    primitives._get_help()
    [(command, options)] = started
    assert command[0] == sys.executable and command[1] == "-P" and "_precompile" in command[3]
    assert options["env"]["BAYESGMM_COMPILES_ALONE"] == "1"


def test_no_file_of_the_current_directory_is_run(tmp_path, monkeypatch):
    """Nor one that a relative or empty part of PYTHONPATH leads to; the helper does its work."""
    seen = tmp_path / "seen"
    for name in ("platform", "numba", "typing", "importlib", "bayesgmm", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(seen)!r}, 'a').write({name!r})\n")
    processes, start = [], subprocess.Popen
    monkeypatch.setattr(
        primitives.subprocess, "Popen",
        lambda *what, **options: processes.append(start(*what, **options)) or processes[0],
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", str(ROOT / "tests")]))
    monkeypatch.delenv("BAYESGMM_COMPILES_ALONE", raising=False)
    monkeypatch.setattr(primitives.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(primitives.multiprocessing, "parent_process", lambda: None)
    primitives._get_help()
    [process] = processes
    assert process.wait(timeout=600) == 0
    assert not seen.exists()


@pytest.mark.parametrize(
    "reason", ["asked not to", "one core", "no Python of its own", "frozen", "worker"]
)
def test_none(started, monkeypatch, reason):
    if reason == "asked not to":
        monkeypatch.setenv("BAYESGMM_COMPILES_ALONE", "1")
    elif reason == "one core":
        monkeypatch.setattr(primitives.os, "cpu_count", lambda: 1)
    elif reason == "worker":
        monkeypatch.setattr(primitives.multiprocessing, "parent_process", lambda: "some process")
    elif reason == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    else:
        monkeypatch.setattr(sys, "executable", None)
    primitives._get_help()
    assert not started
