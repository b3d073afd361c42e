"""The package's files and what they import, read from their text."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.places import ROOT

PACKAGE = ROOT / "bayesgmm"


@cache
def files() -> dict[str, Path]:
    """Every file of the package by its dotted name in it, "" for the root's `__init__`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").removesuffix(".")] = path
    return found


def module_of(parts: list[str]) -> str:
    """The file that a dotted path leads to: its longest beginning that is one."""
    while parts and ".".join(parts) not in files():
        parts = parts[:-1]
    return ".".join(parts)


@cache
def imports(name: str) -> frozenset[str]:
    """Files of the package that a file imports, or names in a string."""
    path = files()[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = (node.module or "").split(".") if node.module else []
            if node.level == 0 and (not module or module.pop(0) != "bayesgmm"):
                continue
            found |= {module_of([*base, *module, alias.name]) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                module_of(alias.name.split(".")[1:])
                for alias in node.names
                if alias.name.split(".")[0] == "bayesgmm"
            }
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for dotted in re.findall(r"from bayesgmm\.([\w.]+) import", node.value):
                if ">>>" not in node.value:
                    found.add(module_of(dotted.split(".")))
            if re.fullmatch(r"\.?[a-z_]+(\.[a-z_]+)+", node.value.removeprefix("bayesgmm.")):
                named = node.value.removeprefix("bayesgmm.").strip(".").split(".")
                if ".".join(named) in files():
                    found.add(".".join(named))
    return frozenset(found - {name})


def wing_of(name: str) -> str:
    """The folder in the package's root that a file is in; "" for files of the root itself."""
    return "" if files()[name].parent == PACKAGE else name.split(".")[0]
