"""Machine code is never older than its source, and unusual places give it or one clear sentence."""

from __future__ import annotations

import ast
import functools
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numba as nb
import pytest

import bayesgmm
from bayesgmm.kernels import cache
from bayesgmm.kernels.compilation import Entry, RowEntries
from tests.imports import files, module_of

PACKAGE = Path(bayesgmm.__file__).parent
# A function that contains another one, from another file; 4 * 3 - 2 * 2 = 8.
FACTOR = """
import numpy as np
from bayesgmm.mixture.log_prior import _factor
print(round(_factor(np.array([[4.0, 2.0], [2.0, 3.0]]), np.zeros((2, 2))), 6))
print(sum(_factor.stats.cache_misses.values()))
"""
# The smallest that is compiled by itself.
NORMAL = "from bayesgmm.density.standard_normal import standard_normal\nstandard_normal.address\n"


@pytest.fixture
def copied(tmp_path):
    """A copy of the package, without compiled code."""
    return Path(
        shutil.copytree(
            PACKAGE, tmp_path / "lib" / "bayesgmm", ignore=shutil.ignore_patterns("__pycache__")
        )
    )


def run(code, package, *options, expected=0, **environment):
    """Standard output and error of a new process with that package."""
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    kept |= {"PYTHONPATH": str(package.parent), "BAYESGMM_COMPILES_ALONE": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-P", *options, "-c", code], env=kept, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == expected, done.stderr
    return done.stdout.split(), done.stderr


@pytest.mark.slow
def test_an_edited_file_changes_what_contains_it(copied, tmp_path):
    """The new result, in a new process; the old one again, from the cache, for the old source."""
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}  # both versions in one place
    assert run(FACTOR, copied, **place)[0] == ["2.079442", "1"]  # log 8
    assert run(FACTOR, copied, **place)[0] == ["2.079442", "0"]
    edited = Path(shutil.copytree(copied, tmp_path / "new" / "bayesgmm"))
    source = edited / "kernels" / "cholesky.py"
    text = source.read_text()
    assert text.count("    return log_det\n") >= 1
    source.write_text(text.replace("    return log_det\n", "    return log_det + 1.0\n"))
    assert run(FACTOR, edited, **place)[0] == ["3.079442", "1"]
    for package, expected in ((copied, "2.079442"), (edited, "3.079442")):
        assert run(FACTOR, package, **place)[0] == [expected, "0"]


def test_the_same_bytes_in_another_place_are_the_same_version(copied):
    """And comments count: whether a change matters is not guessed at."""
    code = "from bayesgmm.kernels.cache import VERSION; print(VERSION)"
    assert run(code, copied)[0] == [cache.VERSION]
    with open(copied / "kernels" / "e_step" / "softmax.py", "a") as file:
        file.write("# a comment\n")
    assert run(code, copied)[0] != [cache.VERSION]


@pytest.mark.parametrize(
    "other", ["numba.__version__", "llvmlite.__version__", "np.__version__", "sys.version"]
)
def test_compilers_belong_to_the_version(other, monkeypatch):
    monkeypatch.setattr(f"bayesgmm.kernels.cache.{other}", "another")
    assert cache.read_sources()[0] != cache.VERSION
    monkeypatch.undo()
    assert cache.read_sources()[0] == cache.VERSION


def test_a_package_in_one_file_is_told_by_that_file(monkeypatch, tmp_path):
    """A zip archive; where there is none (a frozen program) the program itself."""
    archive = tmp_path / "lib.zip"
    archive.write_bytes(b"first")
    monkeypatch.setattr(cache, "_PACKAGE", archive / "bayesgmm")
    first = cache.read_sources()[0]
    archive.write_bytes(b"second")
    assert cache.read_sources()[0] != first
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path / "nothing")
    assert cache._container() == Path(sys.executable)


@pytest.mark.parametrize("upgrade", ["written", "replaced", "removed"])
def test_what_was_loaded_before_an_upgrade_is_not_kept_as_the_new_version(
    upgrade, monkeypatch, tmp_path
):
    """A process that runs while its package is replaced compiles the old source."""
    written = []
    monkeypatch.setattr(cache.code_store, "write", lambda *what: written.append(what))
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path)
    source = tmp_path / "kernel.py"
    source.write_text("import numba\n")
    monkeypatch.setattr(cache, "_STAMPS", cache.read_sources()[1])

    @nb.njit
    def two():
        return 2

    two.compile(())
    [compiled] = two.overloads.values()
    kept = cache.Cache(run)
    kept.save_overload(compiled.signature, compiled)
    assert len(written) == 1
    if upgrade == "written":
        source.write_text("import numba, math\n")
    elif upgrade == "replaced":  # by a file of the same length and time
        time = source.stat().st_mtime_ns
        other = tmp_path / "other.py"
        other.write_text("import bumba\n")
        os.utime(other, ns=(time, time))
        other.replace(source)
    else:
        source.unlink()
    kept.save_overload(compiled.signature, compiled)
    assert len(written) == 1


def test_a_closure_is_refused():
    number = 1
    with pytest.raises(ValueError, match="closure"):
        cache.Cache(lambda: number)


# ---- the files that the version looks at ----


def compiled_functions():
    """Every function of the package that Numba compiles, by its file."""
    found = []
    for name, path in files().items():
        module = f"bayesgmm.{name}"
        if not name or not re.search("numba|import.* (jit|inlined|part|entry)", path.read_text()):
            continue
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, RowEntries):
                value = value.version("float64")
            function = value.function if isinstance(value, Entry) else value
            function = getattr(function, "py_func", getattr(function, "_defn", function))
            if function is not value and function.__module__ == module:
                found.append(function)
    return found


@functools.cache
def imported(module):
    """The names that a module imports from the package, and the files it finds them in."""
    package = module.split(".")
    package = package if files()[module].name == "__init__.py" else package[:-1]
    found = {}
    for node in ast.walk(ast.parse(files()[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            for alias in node.names:
                parts = [part for part in (*base, alias.name) if part]
                found[alias.asname or alias.name] = module_of(parts)
    return found


def source_of(name, module):
    """The file in which a module finds a name: its own, or that from which it imports it."""
    while name in imported(module):
        module = imported(module)[name]
    return module


def test_no_compiled_function_holds_anything_from_elsewhere():
    """The file of each, and of every name of the package that it reads, is one that counts."""
    functions = compiled_functions()
    assert len(functions) > 80
    read = {function.__module__.removeprefix("bayesgmm.") for function in functions}
    for function in functions:
        module = function.__module__.removeprefix("bayesgmm.")
        for name in function.__code__.co_names:
            if name in function.__globals__:
                read.add(source_of(name, module))
    assert {"kernels.e_step.accuracy", "kernels.e_step.softmax"} <= read
    for module in read:
        text = files()[module].read_bytes()
        assert any(mark in text for mark in cache._MARKS), f"{module} is not in the digest"


# ---- places ----


def test_nowhere_to_write(copied):
    """A read-only installation without a home: compiled in memory, and said once, with the cure."""
    (copied / "__pycache__").write_text("no folder")  # root may write to any
    code = NORMAL + "from bayesgmm.density import callbacks\ncallbacks.copy.address\nprint('works')"
    home = {"HOME": "/proc", "XDG_CACHE_HOME": "/proc/none"}
    out, err = run(code, copied, "-B", **home)
    assert out == ["works"] and err.count("compiled code cannot be kept on disk") == 1
    assert "NUMBA_CACHE_DIR" in err and "<string>" in err  # the user's own line
    out, err = run(NORMAL, copied, "-B", NUMBA_CACHE_DIR="/proc/none")
    assert err.count("/proc/none/bayesgmm: ") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on resources")
def test_full_disk(copied, tmp_path):
    """As with nowhere to write, and no part of a file is left."""
    code = "import resource\nimport bayesgmm.density.callbacks\n"
    code += f"resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n{NORMAL}print('works')"
    out, err = run(code, copied, NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert out == ["works"] and err.count("compiled code cannot be kept on disk") == 1
    assert not [path for path in (tmp_path / "numba").rglob("*") if path.is_file()]


def test_without_a_compiler_one_clear_sentence(copied):
    """On the import of what needs it; the rest of the package can be looked at."""
    code = "import bayesgmm\ntry:\n    bayesgmm.fit([[0.0], [1.0], [3.0]], 1)\n"
    code += "except ImportError as error:\n    print('refused')\n    print(error)"
    out, _ = run(code, copied, NUMBA_DISABLE_JIT="1")
    assert out[0] == "refused" and "(NUMBA_DISABLE_JIT=1)," in out and "unset" in out


FORK = """
import os, signal, threading, time
from bayesgmm.density import callbacks
from bayesgmm.density.standard_normal import standard_normal
from bayesgmm.kernels import cache

compiling, keep = threading.Event(), cache.Cache.save_overload
def slowly(*what):
    compiling.set()
    time.sleep(1)
    keep(*what)
cache.Cache.save_overload = slowly
thread = threading.Thread(target=lambda: standard_normal.address)
thread.start()
compiling.wait()
child = os.fork()
if child == 0:
    signal.alarm(120)
    cache.Cache.save_overload = keep
    os._exit(0 if callbacks.copy.address and standard_normal.address else 1)
print(os.waitpid(child, 0)[1])
thread.join()
print(callbacks.copy.address > 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_a_thread_compiles(copied, tmp_path):
    """The child would wait for ever for a lock of a thread that it does not have."""
    out, _ = run(FORK, copied, NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert out == ["0", "True"]
