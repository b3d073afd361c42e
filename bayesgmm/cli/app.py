"""The command line: `bayesgmm fit`, `select`, `refine`, `report` and the others.

Exit codes: 0 done; 1 no usable result (the data cannot be used, EM degenerated, no cell of a grid
has an estimate), and the message says why; 2 the command line itself is wrong; 130 interrupted by
Ctrl-C: the partial result is printed and kept, and says so, or there is none.
"""

from __future__ import annotations

from typing import Annotated

import typer

from .._version import __version__
from . import (
    classifying,
    comparing,
    fitting,
    plotting,
    refining,
    reporting,
    selecting,
    testing,
)

app = typer.Typer(
    name="bayesgmm",
    help="Gaussian mixtures: fitted by EM, sampled, compared, and reported in one file.",
    epilog="Begin with: bayesgmm demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (fitting, selecting, classifying, testing, refining, comparing, plotting, reporting):
    module.add_to(app)


def main() -> None:
    """Entry point of the `bayesgmm` command."""
    app()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    versions: Annotated[
        bool, typer.Option("--versions", help="Print all versions, for a bug report.")
    ] = False,
) -> None:
    if version:
        typer.echo(f"bayesgmm {__version__}")
        raise typer.Exit
    if versions:
        from ..reporting.versions import show_versions

        show_versions()
        raise typer.Exit
