"""The command line: `bayesgmm report data.csv`, `bayesgmm demo`.

Exit codes: 0 done, 1 the data or arguments cannot be used (the message says why), 2 the command
line itself is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._version import __version__

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    name="bayesgmm",
    help="Gaussian mixtures: fitted by EM, refined by PyMC, reported in one HTML file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Out = Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed: the same one gives the same report.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def main() -> None:
    """Entry point of the `bayesgmm` command."""
    app()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"bayesgmm {__version__}")
        raise typer.Exit


@app.command(
    epilog="Example: bayesgmm report penguins.csv -k 1:6 --columns bill_length_mm,bill_depth_mm"
)
def report(
    data: Annotated[Path, typer.Argument(help="CSV file with a header row.")],
    k: Annotated[
        str, typer.Option("-k", help="Numbers of components: 1:9, or 2, or 1,3,5.")
    ] = "1:9",
    families: Annotated[
        str, typer.Option(help="Covariance families, such as EEE,VVV; all if left out.")
    ] = "",
    columns: Annotated[
        str, typer.Option(help="Columns to use, separated by commas; all if left out.")
    ] = "",
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="Sample the best fit's posterior.")
    ] = True,
    out: Out = Path("report.html"),
    n_init: Annotated[
        int | None,
        typer.Option(help="Random starts for each number of components; 10 if left out."),
    ] = None,
    draws: Annotated[int, typer.Option(help="Posterior draws per chain.")] = 1000,
    tune: Annotated[int, typer.Option(help="Warm-up draws per chain.")] = 500,
    chains: Annotated[int, typer.Option(help="Chains.")] = 4,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Select a mixture for the rows of a CSV file, refine it, and write a report."""
    _write(
        lambda: _read_csv(data), out, quiet, source=data.name,
        title=f"Gaussian mixture of {data.stem}",
        n_components=_numbers(k), covariance_type=_names(families), columns=_names(columns),
        refine=refine, n_init=n_init, draws=draws, tune=tune, chains=chains, random_seed=seed,
    )  # fmt: skip


@app.command()
def demo(out: Out = Path("report.html"), seed: Seed = 0, quiet: Quiet = False) -> None:
    """Write a report on Old Faithful's eruptions, a data set that comes with the package."""
    from .datasets import load_faithful

    _write(
        load_faithful, out, quiet, source="faithful.csv",
        title="Old Faithful: how many kinds of eruption?",
        random_seed=seed,
    )  # fmt: skip


def _write(load: Any, out: Path, quiet: bool, **arguments: Any) -> None:
    """Run the report; a problem with the data or arguments is one line and exit code 1."""
    try:
        data = load()  # a wrong path should not have to wait for the imports
        from .reporting import report as write_report

        path = write_report(data, out, progressbar=not quiet, **arguments)
    except (ValueError, OSError) as error:
        typer.echo(f"bayesgmm: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Report written to {path.resolve()}")


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV file with a header row ({error}).") from None


def _numbers(text: str) -> list[int]:
    """1:9, 3 or 1,2,5 as a list of numbers."""
    try:
        if ":" in text:
            low, high = (int(part) for part in text.split(":"))
            numbers = list(range(low, high + 1))
        else:
            numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter(f"-k is {text!r}: write 1:9, 3, or 1,2,5 (at least 1).")
    return numbers


def _names(text: str) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] or None
