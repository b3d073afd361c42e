"""EM by gmmx, which is written in JAX, where `make bench` could install it.

gmmx 0.7 refuses float64 in a check of its own (everything else in it would do). So it runs twice:
in float32, as it is, and in float64 with that check turned off.
"""

from __future__ import annotations

import os
from pathlib import Path

from .problem import Problem
from .server import EMServer, Unavailable

_HERE = Path(__file__).parent
# An installation of its own, so that JAX and its dependencies stay away from the library's.
PYTHON = Path(os.environ.get("GMMX_PYTHON", _HERE.parent / ".venv-jax" / "bin" / "python"))


def em(problem: Problem, precision: str) -> EMServer:
    """EM over this problem in "float64" or "float32".

    Raises
    ------
    Unavailable
        gmmx is not installed, or has no such family.
    """
    if problem.case.covariance_type not in ("full", "diag"):
        raise Unavailable("no such family")
    if not PYTHON.exists():
        raise Unavailable("not installed")
    # -P: this folder has a gmmx.py too, which is not the one to import.
    return EMServer([PYTHON, "-P", _HERE / "gmmx_program.py", precision], problem)
