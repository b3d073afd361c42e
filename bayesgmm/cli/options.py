"""Arguments that several commands share, and the reading of their text."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..data.tables import MISSING
from ..families import FAMILIES, get_family
from ..utils.validation import did_you_mean

# Most numbers of components of a command; more are taken for a typing error.
_MOST_NUMBERS = 10_000
# The noise whose density is one over the volume of the data.
_VOLUME = "volume"


def _complete_families(incomplete: str) -> list[str]:
    """The families that may follow what was typed, after the last comma."""
    before, comma, last = incomplete.rpartition(",")
    names = [*FAMILIES, "E", "V"]
    return [before + comma + name for name in names if name.startswith(last.upper())]


Columns = Annotated[str, typer.Option(help="Columns to use, separated by commas. Default: all.")]
Weights = Annotated[
    str,
    typer.Option(
        metavar="COLUMN",
        help="The column of frequency weights: weight 2 equals two identical rows.",
    ),
]
if TYPE_CHECKING:
    Missing = str
else:
    Missing = Annotated[
        StrEnum("_Missing", {name: name for name in MISSING}),
        typer.Option(
            help="What to do with missing values: marginalize fits the values that are there."
        ),
    ]
Labels = Annotated[
    str,
    typer.Option(
        metavar="COLUMN", help="The column with the rows' classes; empty where none is known."
    ),
]
Noise = Annotated[
    str,
    typer.Option(
        metavar="volume|DENSITY",
        help="A uniform component for outliers: of one over the data's volume, or a density.",
    ),
]
ComponentNames = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="What the components are called, in their order, separated by commas.",
    ),
]
Components = Annotated[str, typer.Option("-k", help="Numbers of components: 1:9, or 2, or 1,3,5.")]
Families = Annotated[
    str,
    typer.Option(
        help="Covariance families, such as EEE,VVV. Default: all.",
        autocompletion=_complete_families,
    ),
]
FamilyName = Annotated[
    str,
    typer.Option(
        "--family", help="Covariance family. Default: VVV, or V for one column.",
        autocompletion=_complete_families,
    ),
]  # fmt: skip
Starts = Annotated[
    int | None, typer.Option("--n-init", min=1, help="Random starts. Default: the library's "
                             "own number.")
]  # fmt: skip
Draws = Annotated[int, typer.Option(min=4, help="Posterior draws per chain.")]
Tune = Annotated[int, typer.Option(min=1, help="Warm-up draws per chain.")]
TuneIfGiven = Annotated[
    int | None,
    typer.Option(min=1, help="Warm-up draws per chain. Default: the sampler's own."),
]
Chains = Annotated[int, typer.Option(min=1, help="Chains.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same result.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]


def writable(path: Path | None) -> Path | None:
    """The path, if it can be written to: refused before minutes of work, not after."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"no directory {path.parent} to write {path.name} to.")
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a directory: name a file.")
    return path


def writable_folder(path: Path) -> Path:
    """The path of a folder to write, which may be there."""
    if not path.parent.is_dir():
        raise typer.BadParameter(f"no directory {path.parent} to write {path.name} to.")
    if path.is_file():
        raise typer.BadParameter(f"{path} is a file: name a folder.")
    return path


def spare_inputs(out: Path | None, *inputs: Path | None) -> None:
    """Refuse to write over a file that is read."""
    for given in inputs:
        if out is not None and given is not None and out.exists() and out.samefile(given):
            raise typer.BadParameter(
                f"{out} is the file to read: name another, or it would be lost.",
                param_hint="--out",
            )


def out(help_text: str) -> Any:
    """The option for the file to write."""
    return typer.Option("--out", "-o", help=help_text, callback=writable)


def noise(text: str) -> bool | float | None:
    """Noise as `fit` takes it; None where there is none."""
    if not text or text == _VOLUME:
        return True if text else None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no density: write {_VOLUME} or a number.", param_hint="--noise"
        ) from None


def numbers(text: str) -> list[int]:
    """1:9, 3 or 1,2,5 as a list of numbers."""
    found: Sequence[int]
    try:
        if ":" in text:
            low, high = (int(part) for part in text.split(":"))
            found = range(low, high + 1)
        else:
            found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) > _MOST_NUMBERS or (found and max(found) >= 2**63):
        raise typer.BadParameter(
            f"{text!r} names too many numbers of components: write such as 1:9.", param_hint="-k"
        )
    if not found or min(found) < 1:
        raise typer.BadParameter(
            f"{text!r} names no numbers of components: write 1:9, 3, or 1,2,5 (at least 1).",
            param_hint="-k",
        )
    return list(found)


def families(text: str, d: int, option: str = "--families") -> list[str] | None:
    """The families named, checked for so many columns; None for all."""
    names = listed(text)
    for name in names or []:
        try:
            get_family(name, d)
        except ValueError as error:
            hint = did_you_mean(name, [*FAMILIES, "E", "V"])
            raise typer.BadParameter(f"{error}{hint}", param_hint=option) from None
    return names


def listed(text: str) -> list[str] | None:
    """Names separated by commas; None where there are none."""
    return [name.strip() for name in text.split(",") if name.strip()] or None
