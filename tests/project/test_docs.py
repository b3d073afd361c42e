"""Every Python block and every command of the README and the docs runs; links lead somewhere.

What only Sphinx can tell (headings that links name, the markup of docstrings) `make docs` tells.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

import bayesgmm
import bayesgmm.pymc
from bayesgmm.cli.app import app
from bayesgmm.datasets import load_faithful
from docs import house
from docs.command_line import reference
from tests.places import ROOT
from tests.project.test_structure import WINGS

DOCS = ROOT / "docs"
MADE = {"_build", "copied", "generated"}
PAGES = [ROOT / "README.md", *(p for p in sorted(DOCS.rglob("*.md")) if not MADE & {*p.parts})]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REFERENCE = (DOCS / "reference" / "index.md").read_text()
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w/]+\.py)`")
COMMANDS = re.compile(r"^```\n(bayesgmm .*?)^```$", re.MULTILINE | re.DOTALL)
# Pages whose examples sample for most of a minute.
SAMPLE_LONG = {"number-of-components.md", "priors.md", "edit-model.md"}
# Those that sample, or fit every family and number of components.
LONG = {"refine", "compare", "report", "demo"}


def blocks(page):
    return BLOCK.findall(page.read_text())


def name_of(page):
    """Pages of one name lie in several folders."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=[pytest.mark.slow] * (p.name in SAMPLE_LONG))
        for p in PAGES
        if blocks(p)
    ],
    ids=name_of,
)
def test_python_blocks_run_and_print_what_they_show(page, capsys):
    """One namespace a page; an output block after the code is what the code prints."""
    namespace = {}
    for code, shown in blocks(page):
        exec(compile(code, str(page), "exec"), namespace)
        printed = capsys.readouterr().out
        if shown:
            assert [w for w in words(printed) if isinstance(w, str)] == [
                w for w in words(shown) if isinstance(w, str)
            ]
            # draws of one seed differ from machine to machine, within their Monte Carlo error
            numbers = [w for w in words(shown) if isinstance(w, float)]
            assert [w for w in words(printed) if isinstance(w, float)] == pytest.approx(
                numbers, rel=0.02, abs=0.03
            )


def commands(page):
    return [line for block in COMMANDS.findall(page.read_text()) for line in block.splitlines()]


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda p: p.name)
@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_commands_run(page, long, tmp_path, monkeypatch):
    """One directory a page, with the data that the commands name; the long ones in slow tests."""
    monkeypatch.chdir(tmp_path)
    load_faithful().to_csv("eruptions.csv", index=False)
    lines = [words for words in map(shlex.split, commands(page)) if long or words[1] not in LONG]
    assert lines
    for line in lines:
        result = CliRunner().invoke(app, line[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"
        for out in [b for a, b in zip(line, line[1:], strict=False) if a == "--out"]:
            assert (tmp_path / out).stat().st_size > 0


def words(text):
    """The text without the layout of its columns, decimal numbers as numbers.

    How many iterations EM makes is a matter of rounding too.
    """
    text = re.sub(r"after \d+ iterations", "after some iterations", text)
    return [float(w) if re.fullmatch(r"-?\d+\.\d+", w) else w for w in text.split()]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_are_python_output_or_site(page):
    """A block of code under another name would not run."""
    for language in re.findall(r"^```([^\n`]+)$", page.read_text(), re.MULTILINE):
        assert language in ("python", "math", "{toctree}", "{eval-rst}"), language


def text_of(page):
    """A page, or the text cells of a notebook."""
    if page.suffix == ".md":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=name_of)
def test_links_lead_somewhere(page):
    """Relative links name files of the project, and headings that a page has."""
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text_of(page)):
        if "://" in target:
            continue
        other = page.parent / target if target else page
        assert other.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in anchors(other), f"{page.name} links to {target}#{heading}"


def anchors(page):
    """What GitHub and MyST call the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def documented():
    """Names in the tables of the reference, each with its module."""
    found, module = [], ""
    for line in REFERENCE.splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.fullmatch(r"   ([\w.]+)", line):
            found.append(f"{module}.{match[1]}")
    return found


@pytest.mark.parametrize("name", [n for n in bayesgmm.__all__ if n not in ("datasets", "plots")])
def test_reference_has_every_public_name(name):
    """In a table, or in the text where it is no function or class."""
    assert f"bayesgmm.{name}" in documented() or f"`bayesgmm.{name}`" in REFERENCE


def test_reference_has_every_distribution():
    """The module of distributions is not loaded with the package."""
    assert {f"bayesgmm.pymc.{name}" for name in bayesgmm.pymc.__all__} <= set(documented())


@pytest.mark.parametrize("module", ["datasets", "plots"])
def test_reference_has_every_function_of(module):
    """Data sets and pictures are public too."""
    there = importlib.import_module(f"bayesgmm.{module}")
    public = [
        f"bayesgmm.{module}.{name}"
        for name, value in vars(there).items()
        if name.startswith(("load_", "plot_")) and value.__module__.startswith(there.__name__)
    ]
    assert public and set(public) <= set(documented())


@pytest.mark.parametrize("name", documented())
def test_reference_names_what_is_there(name):
    """A name that went away leaves the reference; what stays says what it is."""
    module, _, attribute = name.rpartition(".")
    assert getattr(importlib.import_module(module), attribute).__doc__


def test_notebooks_are_in_reading_order():
    """The table of contents lists every notebook, by its number."""
    listed = re.findall(r"^notebooks/(\S+)$", (DOCS / "tutorials.md").read_text(), re.MULTILINE)
    assert listed == [p.stem for p in NOTEBOOKS]
    assert [name[:2] for name in listed] == [f"{i:02}" for i in range(1, len(listed) + 1)]


def recipes():
    """The recipes of the architecture page, by heading."""
    page = (DOCS / "architecture.md").read_text()
    return re.findall(r"^### (To add .*?)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("heading", "recipe"), recipes(), ids=lambda v: v[:30])
def test_recipes_name_files_and_functions_that_are_there(heading, recipe):
    """Files of the package and of the tests, the test that follows, and constants in capitals."""
    files = FILE.findall(recipe)
    assert files, f"{heading!r} names no file"
    for file in files:
        assert root_of(file).exists(), f"{heading!r} names {file}"
    tested = any(re.match(r"tests/\w+/test_", file) for file in files)
    assert tested, f"{heading!r} names no test"
    named = set(re.findall(r"`(_?[A-Z]{3,}[A-Z_]*)`", recipe)) - set(bayesgmm.FAMILIES)
    sources = [root_of(file).read_text() for file in files]
    for constant in named:
        assert any(assigns(source, constant) for source in sources), f"{heading!r}: {constant}"


def rows_of(heading):
    """The cells of the table under a heading of the architecture page."""
    section = (DOCS / "architecture.md").read_text().partition(f"\n## {heading}\n")[2]
    lines = re.findall(r"^\| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


@pytest.mark.parametrize(
    ("what", "count", "where"), [(r[0], r[2], r[3]) for r in rows_of("Growth")]
)
def test_growth_is_what_the_recipe_says(what, count, where):
    """So many files, "its ..." a new one; those that are there are named in the recipe."""
    recipe = next(text for heading, text in recipes() if heading.split()[3] == what)
    files = set(FILE.findall(where)) | set(re.findall(r"`(docs/[\w/]+\.md)`", where))
    assert len(files) + where.startswith("its ") == int(count)
    for file in files:
        assert root_of(file).exists() and f"`{file}`" in recipe, file
    lists = {f for f in FILE.findall(recipe) if "add its name" in recipe and f.startswith("tests/")}
    assert lists <= files


def allowed(words):
    """The wings that a cell of the table lets a wing import."""
    if words == "nothing":
        return frozenset()
    granted, _, without = words.partition("; without ")
    found = set()
    for part in granted.split(", "):
        wing = part.removesuffix(" and below")
        found |= {wing}
    if " and below" in granted:
        named = granted.partition(" and below")[0].split(", ")
        found |= {low for wing in named for low in WINGS[wing]}
    return frozenset(found - set(filter(None, without.split(", "))))


def test_table_of_wings_is_the_one_that_tests_hold():
    """Every wing, on its floor, with what it may import."""
    rows = [(int(r[0]), r[1].strip("`/"), r[3]) for r in rows_of("The wings")]
    assert {wing: allowed(words) for _, wing, words in rows} == WINGS
    assert {wing: level for level, wing, _ in rows} == {wing: house.floor(wing) for wing in WINGS}
    assert [wing for _, wing, _ in rows] == list(reversed(WINGS))


def test_picture_of_the_house_is_that_of_the_imports():
    """Made anew, it is the same."""
    assert house.PICTURE.read_text() == house.picture(), "run `python -m docs.house`"
    assert (
        f"({house.PICTURE.relative_to(DOCS).as_posix()})" in (DOCS / "architecture.md").read_text()
    )


def test_architecture_is_read_in_ten_minutes():
    """At 180 words a minute, everything with a letter in it a word."""
    words = (DOCS / "architecture.md").read_text().split()
    assert sum(bool(re.search("[A-Za-z]", word)) for word in words) <= 1800


def root_of(file):
    """Where a file that a recipe names lies."""
    return ROOT / file if file.startswith(("tests/", "docs/")) else ROOT / "bayesgmm" / file


def assigns(source, name):
    """Whether a module has this constant, of its own or imported."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and name in {ast.unparse(t) for t in node.targets}:
            return True
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            return True
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            return True
    return False


def test_reference_of_the_command_line_has_every_option():
    """Each command with all that its help names."""
    page = reference()
    for command in typer.main.get_command(app).commands.values():
        section = page.split(f"## bayesgmm {command.name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            for name in parameter.opts if parameter.param_type_name == "option" else ():
                assert f"`{name}`" in section or name == "--help"
