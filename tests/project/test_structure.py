"""The architecture, held by a test: which wing may import which, no circles, nothing upward.

What counts is every import: at the top of a file, inside functions, for type checkers alone, and
modules named by strings.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bayesgmm
from tests.imports import PACKAGE, files, imports, wing_of
from tests.places import ROOT as REPOSITORY

GROUND = frozenset({"utils", "datasets"})
KERNELS = frozenset({"utils", "kernels"})
MIXTURE = KERNELS | {"families", "data", "mixture"}
EM = MIXTURE | {"density", "em"}
RESULTS = EM | {"posterior", "selection"}
#: What each wing may import besides itself, from the ground up. "" is the root: its files are the
#: public faces, and only the command line and archives read its `_version`.
WINGS: dict[str, frozenset[str]] = {
    "utils": frozenset(),
    "datasets": frozenset(),
    "kernels": frozenset({"utils"}),
    "families": KERNELS,
    "data": KERNELS,
    "mixture": KERNELS | {"families", "data"},
    "density": MIXTURE,
    "em": MIXTURE | {"density"},
    "posterior": EM,
    "selection": EM,
    "sampling": EM | {"posterior"},
    "comparison": RESULTS - {"kernels"},
    "plots": RESULTS - {"kernels"},
    "estimators": RESULTS | {"sampling"},
    "reporting": RESULTS - {"kernels"} | {"sampling", "comparison", "plots"},
    "cli": RESULTS - {"kernels"} | {"datasets", "sampling", "comparison", "reporting"},
}
ROOT = {"__init__", "__main__", "_version", "pymc"}
#: Heavy libraries, and the places that may import them at all.
HEAVY = {
    "pymc": {"sampling/pymc"},
    "pytensor": {"sampling/pymc", "reporting/versions.py"},
    "nutpie": {"sampling"},
    "jax": {"sampling/pymc", "kernels/device"},
    "cupy": {"kernels/device"},
    "dask": {"data/sources"},
    "distributed": {"data/sources"},
    "numpyro": set(),
    "blackjax": {"sampling/pymc"},
    "matplotlib": {"plots"},
    "sklearn": {"estimators", "em/starts", "comparison/agreement.py"},
    "typer": {"cli"},
    "jinja2": {"reporting"},
    "rich": {"utils/progress.py", "cli", "comparison"},
}
#: Those that a file of these places may import when it is imported itself.
AT_ONCE = {"arviz": set(), "pandas": {"comparison"}}


def libraries(path: Path, at_once: bool = False) -> set[str]:
    """Other libraries that a file imports (when it is imported itself)."""
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    for node in ast.walk(tree):
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if guarded or at_once and isinstance(node, ast.FunctionDef):
            skipped |= {id(inner) for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found


def test_private_names_stay_in_their_file():
    """A name that begins with an underscore is used where it is defined, and nowhere else."""
    found = [
        f"{name}: {alias.name}"
        for name, path in files().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.level or node.module == "bayesgmm")
        for alias in node.names
        if alias.name.startswith("_") and alias.name not in ROOT and alias.name != "__version__"
    ]
    assert not found


@pytest.mark.parametrize("name", files())
def test_imports_go_down(name):
    """A file imports from its own wing, and from those its wing may know."""
    wing = wing_of(name)
    for other in imports(name):
        if not wing or wing_of(other) == wing or other == "_version":
            continue
        assert wing_of(other) in WINGS[wing], f"{name} imports {other}: {wing} may not"


def test_every_wing_is_in_the_table():
    """And the root holds nothing but the faces."""
    wings = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert wings == set(WINGS)
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT


def test_tests_lie_in_folders_that_mirror_the_wings():
    """One folder a wing, with tests in it; `project` has those of the repository as a whole."""
    tests = list((REPOSITORY / "tests").rglob("test_*.py"))
    assert {path.parent.relative_to(REPOSITORY / "tests").as_posix() for path in tests} == {
        *WINGS,
        "project",
    }
    folders = {path for path in (REPOSITORY / "tests").iterdir() if path.is_dir()}
    assert {path.name for path in folders} - {"__pycache__", "reference"} == {*WINGS, "project"}


def test_the_table_goes_down():
    """A wing may only know wings that stand before it in the table."""
    names = list(WINGS)
    for i, (wing, allowed) in enumerate(WINGS.items()):
        assert allowed <= set(names[: i + 1]), wing


def test_no_circles():
    """No file imports itself by way of others, lazily or not."""
    done: set[str] = set()

    def trace(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in imports(name):
                trace(other, (*path, name))
            done.add(name)

    for name in files():
        if name:  # the public face names all, and nobody names it
            trace(name, ())
    assert not [name for name in files() if "" in imports(name) and name != "__main__"]


@pytest.mark.parametrize("path", files().values(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_where_they_belong(path):
    """EM knows nothing of PyMC, nothing but plots of matplotlib."""
    place = path.relative_to(PACKAGE).as_posix()
    for table, found in ((HEAVY, libraries(path)), (AT_ONCE, libraries(path, at_once=True))):
        for library in found & set(table):
            allowed = table[library]
            assert any(place.startswith(folder) for folder in allowed), f"imports {library}"


@pytest.mark.parametrize(
    "path",
    [p for p in files().values() if p.name == "__init__.py"],
    ids=lambda p: str(p.parent.relative_to(PACKAGE)) or "root",
)
def test_faces_hold_no_code(path):
    """An `__init__` names what others define; the public one loads it when it is asked for."""
    defined = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    assert set(defined) <= ({"__getattr__", "__dir__"} if path.parent == PACKAGE else set())


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


def code_lines(text: str) -> int:
    """Lines of code, without blanks, comments and docstrings."""
    tree = ast.parse(text)
    strings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    lines = text.splitlines()
    return sum(
        1
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#") and number not in strings
    )


def compiled(node: ast.FunctionDef) -> bool:
    """Whether a function is compiled by Numba."""
    names = {"jit", "inlined", "part", "entry", "njit", "numba_njit", "cfunc", "register_jitable"}
    text = [ast.unparse(d).split("(")[0].split(".")[-1] for d in node.decorator_list]
    return bool(names & set(text))


def lines_of(node: ast.FunctionDef) -> int:
    """Lines of code without the docstring."""
    first = node.body[0]
    said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return (node.end_lineno or 0) - ((first.end_lineno or 0) if said else node.lineno)


def functions(of_compiled: bool) -> dict[str, ast.FunctionDef]:
    """The functions that are compiled, or those that are not, by file, name and line."""
    found = {}
    for name, path in files().items():
        inside_compiled: set[int] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            if compiled(node):
                inside_compiled |= {id(inner) for inner in ast.walk(node)}
            if of_compiled == (id(node) in inside_compiled):
                found[f"{name}.{node.name}:{node.lineno}"] = node
    return found


def test_functions_fit_on_a_screen():
    """Median at most 6 lines, nine of ten at most 20, none over 60."""
    sizes = sorted((lines_of(node), name) for name, node in functions(of_compiled=False).items())
    assert sizes[len(sizes) // 2][0] <= 6
    assert sizes[9 * len(sizes) // 10][0] <= 20
    assert sizes[-1][0] <= 60, sizes[-1]


#: Compiled functions that C code calls, which knows neither arrays nor tuples of them.
CALLED_BY_C = {
    "sampling.pymc.likelihood.native._likelihood",
    "sampling.pymc.likelihood.incomplete._likelihood",
    "sampling.pymc.likelihood.pruned._likelihood",
}


def test_compiled_functions_fit_on_a_screen():
    """None over 60 lines, and none of more than ten parameters: arrays come as tuples of names."""
    found = functions(of_compiled=True)
    assert len(found) > 150  # of which the numbers speak
    assert not {name: n for name, node in found.items() if (n := lines_of(node)) > 60}
    wide = {name.split(":")[0] for name, node in found.items() if len(node.args.args) > 10}
    assert wide == CALLED_BY_C


def test_no_file_is_long():
    """A file does one thing: none has more than 400 lines."""
    long = {name: len(path.read_text().splitlines()) for name, path in files().items()}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def string_comparisons(tree: ast.AST) -> int:
    """Comparisons with a string constant: behaviour that is picked by a name."""
    found = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [
                p for s in sides for p in (s.elts if isinstance(s, ast.Tuple | ast.Set) else [s])
            ]
            found += any(isinstance(p, ast.Constant) and isinstance(p.value, str) for p in parts)
        elif isinstance(node, ast.match_case):
            found += any(
                isinstance(p, ast.MatchValue)
                and isinstance(p.value, ast.Constant)
                and isinstance(p.value.value, str)
                for p in ast.walk(node.pattern)
            )
    return found


def test_few_comparisons_with_strings():
    """A name that picks behaviour is looked up once: under 1.5 comparisons in 1000 lines."""
    texts = [path.read_text() for path in files().values()]
    lines = sum(len(text.splitlines()) for text in texts)
    assert sum(string_comparisons(ast.parse(text)) for text in texts) < 1.5 * lines / 1000
