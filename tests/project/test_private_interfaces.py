"""What other libraries do not promise stands in one list, docs/decisions/0022, and only there.

A library promises the modules in PUBLIC (as its documentation does) and names without an
underscore in front. Found in the package's syntax trees are: modules and names beyond that,
underscored attributes, keywords and class attributes that are not the package's own, attributes in
WATCHED, and other people's texts as conditions.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

import bayesgmm
from tests.bounds import lowest, requirements

PACKAGE = Path(bayesgmm.__file__).parent
RECORD = PACKAGE.parent / "docs" / "decisions" / "0022-private-interfaces.md"

#: Documented modules of the libraries of which others are used. Of libraries that are not here,
#: every module is taken to be public whose name does not begin with an underscore.
PUBLIC = {
    "arviz_base": {"arviz_base", "arviz_base.labels"},
    "arviz_plots": {"arviz_plots"},
    "arviz_stats": {"arviz_stats", "arviz_stats.base", "arviz_stats.utils"},
    "blackjax": {"blackjax", "blackjax.vi", "blackjax.vi.pathfinder"},
    "jax": {
        "jax", "jax.lax", "jax.numpy", "jax.numpy.linalg", "jax.random", "jax.scipy.linalg",
        "jax.scipy.special",
    },  # fmt: skip
    "llvmlite": {"llvmlite.binding", "llvmlite.ir"},
    "numba": {"numba", "numba.extending", "numba.types"},
    "nutpie": {"nutpie", "nutpie.compiled_pyfunc"},
    "pymc": {"pymc", "pymc.distributions", "pymc.distributions.transforms"},
    "pytensor": {
        "pytensor", "pytensor.gradient", "pytensor.graph", "pytensor.graph.rewriting.basic",
        "pytensor.tensor", "pytensor.tensor.linalg", "pytensor.tensor.random",
        "pytensor.tensor.random.op",
    },
}  # fmt: skip
#: Public functions with a module of the same name.
FUNCTIONS = {"arviz_stats.summary", "nutpie.sample"}
#: Documented names with an underscore in front: IPython's, and pandas' for subclasses.
DOCUMENTED = {"_constructor", "_repr_html_", "_repr_png_"}
#: Attributes of Numba's and PyTensor's compiled functions that their documentation does not have.
WATCHED = {
    "_cache", "cache_misses", "call_conv", "disable_compile", "fndesc", "get_pointer_to_function",
    "has_dynamic_globals", "jit_fn", "library", "magic_tuple", "overloads", "stats",
}  # fmt: skip


def files():
    return {str(p.relative_to(PACKAGE)): ast.parse(p.read_text()) for p in PACKAGE.rglob("*.py")}


def underscored(name):
    return name.startswith("_") and not name.startswith("__")


@cache
def is_module(dotted):
    """Whether there is such a module, without importing anything."""
    root, *parts = dotted.split(".")
    spec = importlib.util.find_spec(root)
    if spec is None or not spec.submodule_search_locations:
        return spec is not None and not parts
    place = Path(spec.submodule_search_locations[0], *parts)
    return (place / "__init__.py").exists() or bool(list(place.parent.glob(f"{place.name}.*")))


def foreign(dotted):
    root = dotted.split(".")[0]
    return root != "bayesgmm" and root not in sys.stdlib_module_names


def beyond_what_is_public(dotted):
    """Whether a module, or a name in one, is none that its library documents."""
    parts = dotted.split(".")
    if not foreign(dotted) or ".".join(parts[:2]) in FUNCTIONS:
        return False
    length = 1
    while length < len(parts) and is_module(".".join(parts[: length + 1])):
        length += 1
    module = ".".join(parts[:length])
    return any(map(underscored, parts)) or (
        parts[0] in PUBLIC and module not in PUBLIC[parts[0]] and module != parts[0]
    )


def imported(tree):
    """Dotted names that a file imports, by what it calls them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def chain(node, aliases):
    """The dotted name that an attribute of an imported module is, or none."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in aliases:
        return ".".join([aliases[node.id], *reversed(parts)])
    return None


def texts(tree):
    """Other people's texts: of warnings that are ignored, of loggers, of errors looked into."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            values = [a.value for a in node.args if isinstance(a, ast.Constant)]
            values += [k.value.value for k in node.keywords if k.arg == "message"]
            if node.func.attr == "filterwarnings":
                yield from values[1:]
            if node.func.attr == "getLogger" and values and foreign(values[0]):
                yield values[0]
        if isinstance(node, ast.Compare) and any(isinstance(o, ast.In) for o in node.ops):
            [looked_into] = node.comparators
            called = isinstance(looked_into, ast.Call) and ast.unparse(looked_into.func)
            if called == "str" and isinstance(node.left, ast.Constant):
                yield node.left.value


def own_names(trees):
    """Underscored names that the package defines, and how often each is read."""
    defined, read = set(), Counter()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                if isinstance(node.ctx, ast.Store):
                    defined.add(name)
                else:
                    read[name] += 1
            elif isinstance(node, ast.arg):
                defined.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                defined |= {node.value} if underscored(node.value) else set()
    return defined, read


def class_level(tree):
    """Underscored names that classes with a foreign base may define for that base."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.bases:
            for item in node.body:
                if isinstance(item, ast.Assign):
                    yield from (t.id for t in item.targets if isinstance(t, ast.Name))
                elif isinstance(item, ast.FunctionDef):
                    yield item.name


def private_names(tree, defined, read):
    """All that a file uses and nobody promises."""
    aliases = dict(imported(tree))
    found = {name for name in aliases.values() if beyond_what_is_public(name)}
    modules = {a: d for a, d in aliases.items() if is_module(d) and d not in found}
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = chain(node, modules)
            if name is not None and id(node) not in inner and beyond_what_is_public(name):
                found.add(name)
            inner.add(id(node.value))
            if underscored(node.attr) and node.attr not in defined and name is None:
                found.add(f".{node.attr}")
            if node.attr in WATCHED and not ast.unparse(node.value).endswith("self"):
                found.add(f".{node.attr}")
        elif isinstance(node, ast.keyword) and node.arg and underscored(node.arg):
            if node.arg not in defined:
                found.add(f"{node.arg}=")
    found |= {n for n in class_level(tree) if underscored(n) and not read[n]} - DOCUMENTED
    return found | {f'"{text}"' for text in texts(tree)}


def used():
    trees = files()
    defined, read = own_names(trees.values())
    found = {name: private_names(tree, defined, read) for name, tree in trees.items()}
    return {name: names for name, names in found.items() if names}


def listed():
    """The record's table, {file: names}, and what it says to each name of what replaces it."""
    names, replaced = defaultdict(set), {}
    for line in RECORD.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            name, where, _, instead = cells
            for file in re.findall("`([^`]+)`", where):
                names[file].add(name.strip("`"))
            replaced[name] = instead
    return dict(names), replaced


def test_what_is_used_is_listed_and_what_is_listed_is_used():
    """File by file; a row for each name says what replaces it if it breaks."""
    names, replaced = listed()
    assert used() == names
    assert all(replaced.values())


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from numba.core import types", {"numba.core.types"}),
        ("import pymc as pm\nclass A(pm.smc.kernels.IMH): ...", {"pymc.smc.kernels.IMH"}),
        ("from scipy._lib import doccer", {"scipy._lib.doccer"}),
        ("import numpy as np\nnp._core.umath", {"numpy._core.umath"}),
        ("x._seen", {"._seen"}),
        ("Model(_n=1)", {"_n="}),
        ("class A(B):\n    _print_name = 'a'", {"_print_name"}),
        ("def f(compiled): return compiled.overloads", {".overloads"}),
        ("if 'too few' in str(error): pass", {'"too few"'}),
        ("warnings.filterwarnings('ignore', 'old', UserWarning)", {'"old"'}),
        ("logging.getLogger('pymc.sampling')", {'"pymc.sampling"'}),
        ("import pymc as pm\nfrom numba import njit\npm.sample, njit, x._mine", set()),
        ("from nutpie import sample\nimport jax\njax.numpy.ones", set()),
        ("class A:\n    _mine = 1", set()),
    ],
)
def test_each_way_is_found(code, names):
    """And nothing else is."""
    tree = ast.parse(code)
    assert private_names(tree, {"_mine"}, Counter()) == names


def test_libraries_whose_private_parts_are_used_have_an_upper_bound():
    """A new version of theirs is tried here before users get it."""
    names, _ = listed()
    roots = {name.split(".")[0] for names in names.values() for name in names} & set(PUBLIC)
    bounded = {re.split(r"[\[<>=]", r)[0] for r in requirements() if "<" in r}
    assert {"numba", "nutpie", "pymc", "pytensor"} <= roots <= bounded


def test_every_requirement_has_a_lower_bound():
    """Which `make test-versions` installs; one in another form is refused."""
    assert all("==" in lowest(requirement) for requirement in requirements())
    assert lowest("a[b]>=1.2,<2") == "a[b]==1.2"
    for form in ("a", "a<2", "a>1", "a>=1,!=1.5"):
        with pytest.raises(ValueError, match="has no lower bound"):
            lowest(form)


#: Loading JAX does not go together with fork, by which other tests sample; CuPy needs a GPU.
NOT_HERE = ("jax", "blackjax", "numpyro", "pymc.sampling.jax", "pytensor.link.jax", "cupy")


def test_every_import_from_another_library_is_there():
    """Those inside functions too: a version within the bounds that lacks one would fail late."""
    names = {name for tree in files().values() for _, name in imported(tree) if foreign(name)}
    for name in sorted(
        n for n in names if not f"{n}.".startswith(tuple(f"{j}." for j in NOT_HERE))
    ):
        module, _, attribute = name.rpartition(".")
        if not is_module(name):
            assert hasattr(importlib.import_module(module), attribute), name
        importlib.import_module(
            name if is_module(name) and name not in FUNCTIONS else module or name
        )
