"""Execute the notebooks, each a `.py` paired by jupytext with an `.ipynb` of the same name.

Without an argument: fail where a cell fails, or where the `.ipynb` does not hold the cells of the
`.py`; no file is touched. With `--write`: write every `.ipynb` anew from its `.py`, with outputs.
Names of notebooks, after that, choose some of them.
"""

import argparse
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).parent
SECONDS_PER_CELL = 600


def is_paired(script: Path) -> bool:
    """Say whether the script's header names an `.ipynb`: this file, for one, has no header."""
    formats = jupytext.read(script).metadata.get("jupytext", {}).get("formats", "")
    return "ipynb" in formats


def inputs(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Return the kind and the text of every cell: what the two files must share."""
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def first_difference(script: Path) -> str | None:
    """Say where the `.ipynb` departs from the script, or None where it does not."""
    stored = script.with_suffix(".ipynb")
    if not stored.exists():
        return f"{stored.name} is missing"
    wanted = inputs(jupytext.read(script))
    found = inputs(nbformat.read(stored, as_version=4))
    if len(wanted) != len(found):
        return f"{script.name} has {len(wanted)} cells, {stored.name} has {len(found)}"
    for number, (ours, theirs) in enumerate(zip(wanted, found, strict=True), start=1):
        if ours != theirs:
            return f"cell {number} of {stored.name} is not that of {script.name}"
    return None


def execute(script: Path) -> nbformat.NotebookNode:
    """Run the script's cells in a fresh kernel of this Python, in the notebooks' folder."""
    notebook = jupytext.read(script)
    # Stored times would change the file with every run.
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(HERE)}},
    )
    client.execute()
    return notebook


def numbered(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Name the cells by their place: random names would change the file with every run."""
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def run(script: Path, *, write: bool) -> str | None:
    """Execute one notebook; return what is wrong with it, or None."""
    difference = None if write else first_difference(script)
    if difference:
        return f"{difference}: `make notebooks-write` writes it anew"
    try:
        notebook = execute(script)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return str(error)
    if write:
        nbformat.write(numbered(notebook), script.with_suffix(".ipynb"))
    return None


def main() -> int:
    """Run the chosen notebooks, all of them by default; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write every .ipynb anew")
    parser.add_argument("names", nargs="*", help="names without suffix (default: all)")
    options = parser.parse_args()

    scripts = {path.stem: path for path in sorted(HERE.glob("*.py")) if is_paired(path)}
    unknown = sorted(set(options.names) - set(scripts))
    if unknown:
        parser.error(f"no such notebook: {', '.join(unknown)}; there are: {', '.join(scripts)}")
    chosen = [scripts[name] for name in options.names or scripts]
    # An .ipynb without its .py would be shown to readers and executed by nobody.
    orphans = [path.name for path in sorted(HERE.glob("*.ipynb")) if path.stem not in scripts]
    failures = len(orphans)
    for name in orphans:
        print(f"{name}: FAILED\nit has no paired .py", flush=True)
    if not chosen:
        print("notebooks: there is none to run")

    for script in chosen:
        started = time.perf_counter()
        problem = run(script, write=options.write)
        verdict = "FAILED" if problem else "passed"
        print(f"{script.stem}: {verdict} in {time.perf_counter() - started:.1f} s", flush=True)
        if problem:
            failures += 1
            print(problem, flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
