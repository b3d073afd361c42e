"""Versions, the machine, threads and the folders of caches, for bug reports."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from .._version import __version__
from ..utils.code_store import writable
from ..utils.threads import default_threads

#: The packages on which results depend, by the names under which they are installed.
_PACKAGES = (
    "numpy", "scipy", "numba", "llvmlite", "pandas", "xarray", "scikit-learn", "pymc", "pytensor",
    "nutpie", "arviz", "matplotlib", "narwhals", "h5netcdf", "typer", "rich",
)  # fmt: skip
_OPTIONAL = ("pyarrow", "polars", "jax")


def versions() -> dict[str, str]:
    """Versions of bayesgmm, Python, the system and the libraries used, by name."""
    found = {
        "bayesgmm": __version__,
        "Python": platform.python_version(),
        "platform": platform.platform(),
    }
    return found | {name: _version(name) for name in _PACKAGES}


def show_versions() -> None:
    """Print versions, platform, threads and the folders of caches, for a bug report.

    Examples
    --------
    >>> import bayesgmm
    >>> bayesgmm.show_versions()  # doctest: +ELLIPSIS
    bayesgmm        ...
    Python          ...
    """
    entries = versions() | {name: _version(name) for name in _OPTIONAL} | environment()
    width = max(map(len, entries)) + 2
    for name, text in entries.items():
        print(f"{name:<{width}}{text}")


def environment() -> dict[str, str]:
    """The processor, the threads of a pass, and the directories of compiled code."""
    return {
        "processor": platform.machine(),
        "threads": f"{default_threads()} of {os.cpu_count()} (BAYESGMM_NUM_THREADS sets it)",
        "EM's cache": str(
            writable() or "none: no folder can be written to, NUMBA_CACHE_DIR sets one"
        ),
        "PyMC's cache": _pytensor_cache(),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _pytensor_cache() -> str:
    """The folder where PyTensor keeps compiled models; this imports PyTensor."""
    import pytensor

    return str(Path(pytensor.config.compiledir))
