"""How the kernels are compiled: flags, fixed signatures, the cache on disk, the second process.

In the kernels every array is "component (or feature) by row of the block", so each inner loop runs
over contiguous rows and LLVM vectorises it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import numba as nb
import numpy as np
from numba import config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from ..utils import code_store
from .cache import Cache

INT, FLOAT, BOOL = nb.int64, nb.float64, nb.boolean
F1, F2, F3 = (nb.types.Array(nb.float64, ndim, "C") for ndim in (1, 2, 3))
I1, I2 = (nb.types.Array(nb.int64, ndim, "C") for ndim in (1, 2))
# These take writeable arrays as well.
R1, R2 = (nb.types.Array(nb.float64, ndim, "C", readonly=True) for ndim in (1, 2))
ROWS = nb.types.Array(nb.float64, 2, "A", readonly=True)  # in any layout


def typed(of: type[Any], *types: Any) -> Any:
    """Numba's type of a tuple whose members have names, of these types."""
    return nb.types.BaseTuple.from_types(types, of)


# Blocks of rows are padded to a multiple of this: two vectors of the widest registers.
LANES = 16

# No 'nnan' and no 'ninf': an infinite or undefined number must stay visible.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}

# Set in the environment of the process that compiles in advance, and by users who want none.
_HELPER = "BAYESGMM_COMPILES_ALONE"

if config.DISABLE_JIT:
    raise ImportError(
        f"Numba's compiler is switched off (NUMBA_DISABLE_JIT={config.DISABLE_JIT}), and bayesgmm "
        "has nothing that runs without it: unset that variable before Python starts."
    )

if hasattr(os, "register_at_fork"):
    # A fork waits until no thread compiles: its child would find the lock taken for ever by a
    # thread that it does not have, and the compiler in the middle of its work.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def jit() -> Callable[[Callable[..., Any]], Any]:
    """Compile without the interpreter lock, division by zero giving infinity, kept on disk."""
    return _compiled(no_cfunc_wrapper=True)  # nobody asks for its address


def _compiled(**without: bool) -> Callable[[Callable[..., Any]], Any]:
    """Compile without those of Numba's two wrappers, for Python and for C, that nobody calls."""

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = nb.njit(
            nogil=True, fastmath=FASTMATH, error_model="numpy", boundscheck=False, **without
        )(function)
        dispatcher._cache = Cache(function)
        return dispatcher

    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """Compile only as a part of its callers, under their flags.

    For functions that are small or have one caller: a compiled function takes numba a twentieth of
    a second however small it is, and its callers optimise and keep a whole copy of it.
    """
    return nb.njit(inline="always")(function)


@contextmanager
def compiling(most: int) -> Iterator[None]:
    """Compile in a fifth less time, at LLVM's level `most` or a lower one.

    LLVM's third level makes the code no faster than its second. The collector of cyclic garbage
    is held back: numba makes millions of objects that live on, and it would look through them.
    """
    _ = cpu_target.target_context  # made at the level that was set, which is not ours to change
    level, enabled = config.OPT, gc.isenabled()
    config.OPT = min(level, type(level)(most))
    gc.disable()
    try:
        yield
    finally:
        config.OPT = level
        if enabled:
            gc.enable()


def _get_help() -> None:
    """Start a second process that compiles what is needed later, and ends by itself."""
    only_python = sys.executable and not getattr(sys, "frozen", False)
    alone = multiprocessing.parent_process() is None  # workers have each other's help
    if _HELPER in os.environ or not (only_python and alone) or (os.cpu_count() or 1) < 2:
        return
    root = str(Path(__file__).parents[2])
    # This very package, whatever else is installed; nothing else is imported from its folder's
    # parent, and nothing at all from the current directory (-P).
    code = f"import importlib, sys, typing; sys.path.insert(0, {root!r}); import bayesgmm\n"
    code += "del sys.path[0]; bayesgmm._precompile()"
    # Relative entries of PYTHONPATH are dropped too: they mean the current directory.
    paths = filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    environment = os.environ | {_HELPER: "1", "PYTHONPATH": os.pathsep.join(paths)}
    with suppress(OSError):  # where no process can be started there is one less
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
        Thread(target=process.wait, daemon=True).start()  # leaves no zombie, and is not waited for


class Entry:
    """A compiled function with fixed argument types, compiled (or loaded) at its first use.

    Without fixed types every memory layout of the caller's array would cost seconds of
    compilation; with numba's own eager signatures the import would cost them.
    """

    _any = False  # whether this process has loaded or compiled any

    def __init__(
        self, function: Callable[..., Any], signature: Any, level: int = 2, from_python: bool = True
    ) -> None:
        self.function = function
        self.signature = signature
        self.level = level
        self.from_python = from_python
        self._dispatcher: Any = None
        self._address: int | None = None

    @property
    def dispatcher(self) -> Any:
        """Numba's own object, which other compiled functions can call."""
        if self._dispatcher is None:
            with global_compiler_lock:  # numba takes it too, but would compile once per thread
                if self._dispatcher is None:
                    self._compile()
        return self._dispatcher

    def _compile(self) -> None:
        """Load the machine code or compile it, and warn if it cannot be kept."""
        dispatcher = _compiled(no_cpython_wrapper=not self.from_python)(self.function)
        with compiling(self.level):
            dispatcher.compile(self.signature)
        dispatcher.disable_compile()
        first, Entry._any = not Entry._any, True
        self._dispatcher = dispatcher
        if dispatcher.stats.cache_misses:
            if first and code_store.problem() is None:  # nothing is compiled yet
                _get_help()
            code_store.warn_of_problem()

    @property
    def address(self) -> int:
        """Where the machine code is, for compiled code that calls it there (`calls.py`), or C."""
        if self._address is None:
            version = self.dispatcher.overloads[self.signature.args]
            name = version.fndesc.llvm_cfunc_wrapper_name
            with global_compiler_lock:
                self._address = int(version.library.get_pointer_to_function(name))
        return self._address

    def __call__(self, *args: Any) -> Any:
        """Call the compiled function."""
        if not self.from_python:  # Numba would jump to the wrapper that is not there
            raise TypeError(f"{self.function.__name__} is called by compiled code alone: say "
                            "from_python=True where it is declared")  # fmt: skip
        return self.dispatcher(*args)


class RowEntries:
    """An entry for each type that rows may have: float64 and float32."""

    def __init__(self, function: Callable[..., Any], make_signature: Callable[[Any], Any]) -> None:
        self._entries = {
            np.dtype(t.name): Entry(
                function, make_signature(nb.types.Array(t, 2, "A", readonly=True))
            )
            for t in (nb.float64, nb.float32)
        }

    def version(self, dtype: Any) -> Entry:
        """The entry for rows of one type."""
        return self._entries[np.dtype(dtype)]

    def __call__(self, rows: Any, *args: Any) -> Any:
        """Call the compiled function for the type of these rows."""
        return self._entries[rows.dtype](rows, *args)


def entry(make_signature: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], RowEntries]:
    """Declare an entry point over rows, its first argument."""
    return lambda function: RowEntries(function, make_signature)


def part(
    signature: Any, level: int = 2, from_python: bool = False
) -> Callable[[Callable[..., Any]], Entry]:
    """Declare a part of a large computation, which compiled code calls by its address.

    level is LLVM's: 1 is enough for code that branches and calls, with few loops of its own. Only
    one that is called from Python as well gets the wrapper for it, which unpacks every argument.
    """
    return lambda function: Entry(function, signature, level, from_python)
