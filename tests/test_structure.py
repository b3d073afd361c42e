"""The architecture, held by a test: a file imports only from floors below its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bayesgmm

PACKAGE = Path(bayesgmm.__file__).parent

#: From the ground up. A module may import from lower floors and from its own package.
FLOORS = [
    {"_version", "errors", "facts", "progress", "datasets"},
    {"kernels"},
    {"versions", "tables", "pictures"},
    {"data", "hierarchical", "bands", "functionals", "integrals"},
    {"families.family", "families.m_steps", "families"},
    {"pseudo_data", "conditioning", "families.parametrisation", "hyperparameters", "draws"},
    {"prior", "mixture"},
    {"em", "density"},
    {"ahead"},
    {"start", "result", "map_estimate"},
    {"search"},
    {"fitting", "grid"},
    {"selection", "cross_validation"},
    {"selecting", "estimator", "likelihood", "merging", "classification"},
    {"allocations", "coclustering", "densities"},
    {"partitions", "mixture_draws"},
    {"predictive", "checks"},
    {"summaries"},
    {"bootstrap", "information", "uncertainty"},
    {"modes", "engine_checks", "integrated_prior"},
    {"engines"},
    {"trees"},
    {"labels", "loo", "diagnostics", "model"},
    {"coordinates", "region", "proposal"},
    {"target"},
    {"evidence"},
    {"sampling", "posterior", "direct"},
    {"refinement", "probabilities"},
    {"comparison"},
    {"plots"},
    {"reporting"},
    {"cli"},
    {"__main__"},
]
#: Heavy libraries, and the only modules that may import them when they are imported.
HEAVY = {
    "pymc": {"likelihood", "model", "engines", "sampling"},
    "pytensor": {"likelihood", "model", "engines"},
    "jax": {"likelihood"},
    "numpyro": set(),
    "blackjax": set(),
    "nutpie": {"sampling"},
    "arviz": set(),
    "matplotlib": {"plots"},
    "sklearn": {"estimator"},
    "pandas": {"comparison"},
    "typer": {"cli"},
    "jinja2": {"reporting"},
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def floor_of(name):
    """The floor of a module, or of the package it is in."""
    for number, floor in enumerate(FLOORS):
        if name in floor:
            return number
    return floor_of(name.rpartition(".")[0]) if "." in name else None


def imports(path, name, top_level_only=False):
    """Modules of this package and outside that a file imports, not those for type checkers."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    if top_level_only:
        skipped |= {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            for inner in ast.walk(node)
        }
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ("/" + alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield "/" + (node.module or "")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            if node.module:
                yield ".".join([*base, node.module])
            else:
                yield from (".".join([*base, alias.name]) for alias in node.names)


@pytest.mark.parametrize(
    ("name", "path"), [m for m in modules() if m[0] != "__init__"], ids=lambda v: str(v)[-30:]
)
def test_imports_go_down(name, path):
    """Nothing imports from its own floor's neighbours above, and every module has a floor."""
    own = floor_of(name)
    assert own is not None, f"give {name} a floor in FLOORS (tests/test_structure.py)"
    for other in imports(path, name):
        if (
            other.startswith("/")
            or other.split(".")[0] == name.split(".")[0]
            and floor_of(other) == own
        ):
            continue
        assert floor_of(other) is not None, f"{name} imports {other}, which has no floor"
        assert floor_of(other) < own or other in FLOORS[own] and other != name, (
            f"{name} imports {other}"
        )
        assert floor_of(other) <= own, f"{name} (floor {own}) imports {other} from above"


@pytest.mark.parametrize(
    ("name", "path"), [m for m in modules() if m[0] != "__init__"], ids=lambda v: str(v)[-30:]
)
def test_heavy_libraries_are_imported_where_they_belong(name, path):
    """EM knows nothing of PyMC, nothing but plots of matplotlib."""
    found = {m[1:].split(".")[0] for m in imports(path, name, top_level_only=True) if m[0] == "/"}
    for library in found & set(HEAVY):
        assert name.split(".")[0] in HEAVY[library], f"{name} imports {library}"


def test_import_is_light():
    """Importing the package, and fitting by EM, load neither PyMC nor matplotlib."""
    code = """
import sys, bayesgmm
light = set(sys.modules)
bayesgmm.fit([[0.], [1.], [3.], [7.], [8.]], 1)
heavy = [m for m in ("pymc", "pytensor", "arviz", "matplotlib", "nutpie") if m in sys.modules]
print(heavy, [m for m in ("numba", "pandas", "sklearn") if m in light])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[] []"


def test_public_names_are_there():
    """Every name of __all__ loads and says what it is."""
    for name in bayesgmm.__all__:
        assert getattr(bayesgmm, name) is not None
        if name[0].isalpha() and callable(getattr(bayesgmm, name)):
            assert getattr(bayesgmm, name).__doc__
    assert dir(bayesgmm) == sorted(bayesgmm.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bayesgmm.nothing
