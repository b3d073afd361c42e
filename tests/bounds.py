"""The tests of what other libraries do not promise, at one end of the bounds in pyproject.toml.

    python -m tests.bounds lowest .venv-lowest
    python -m tests.bounds newest .venv-newest

makes an environment in that folder anew, with this Python and versions of every requirement as low
as its bounds allow, or as new, and runs the tests in TESTS there, with the caches of compiled code
in the same folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: They touch the rows of docs/decisions/0022-private-interfaces.md but for the engines beside NUTS
#: (JAX, ADVI, SMC), whose tests take longer than all of these.
TESTS = (
    "tests/project/test_private_interfaces.py",
    "tests/sampling/test_nutpie_model.py",
    "tests/kernels/test_products.py",
    "tests/sampling/test_likelihood.py",
    "tests/sampling/test_sampling.py",
)


def requirements():
    """What bayesgmm needs, with its extras, as pyproject.toml says it; not what needs a GPU."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [
        *project["dependencies"],
        *(r for name in extras if name != "gpu" for r in extras[name]),
    ]


def lowest(requirement):
    """The requirement at its lower bound: "a[b]>=1.2,<2" is "a[b]==1.2".

    Raises
    ------
    ValueError
        It has none.
    """
    found = re.fullmatch(r"([\w.\-]+(?:\[[\w,]+\])?)>=([\w.]+)(?:,<[\w.]+)?", requirement)
    if found is None:
        raise ValueError(f"{requirement!r} has no lower bound in the form NAME>=VERSION")
    return f"{found[1]}=={found[2]}"


def main(end: str, folder: str) -> int:
    wanted = requirements()
    if end == "lowest":
        wanted = [lowest(requirement) for requirement in wanted]
    place = Path(folder).resolve()
    venv.create(place, clear=True, with_pip=True)
    python = place / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    subprocess.run([*install, "--upgrade", "pip>=25.1"], check=True)
    subprocess.run([*install, *wanted, "pytest", "pytest-xdist"], check=True)
    caches = {
        "NUMBA_CACHE_DIR": str(place / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir={place / 'pytensor'}",
        "PYTHONPATH": str(ROOT),
    }
    # What is deprecated by now was not when the oldest versions used it.
    lenient = ["-W", "default"] if end == "lowest" else []
    tests = [python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *lenient, *TESTS]
    return subprocess.run(tests, cwd=ROOT, env=os.environ | caches).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
