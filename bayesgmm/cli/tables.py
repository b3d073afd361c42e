"""The table that a command reads: where it is, how it is written, and its columns and weights."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import numpy as np
import typer

from ..data.by_name import by_name
from ..data.data import Data, as_data
from ..data.files import SEPARATORS, STANDARD_INPUT, TextFormat, read_file
from ..data.in_chunks import in_chunks
from ..data.sources.sources import opened
from ..mixture.mixture import Mixture
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import did_you_mean
from .options import listed
from .outcome import print_error

if TYPE_CHECKING:
    import pandas as pd

_PANEL = "Text files"
# Files of so many bytes, by their endings, are read in chunks.
_IN_CHUNKS = {".npy": 0, ".parquet": 2**28, ".pq": 2**28}


def _existing(path: Path) -> Path:
    """The path of a file or folder that is there, or of standard input."""
    if str(path) != STANDARD_INPUT and not path.exists():
        raise typer.BadParameter(f"file {str(path)!r} does not exist.")
    return path


_Path = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", callback=_existing,
        help="Table: .csv, .txt or .dat, .tsv, .parquet or .feather, .npy, a folder of Parquet "
        "files; - is text on standard input.",
    ),
]  # fmt: skip
_Separator = Annotated[
    str,
    typer.Option(
        "--sep", metavar="CHARACTER", rich_help_panel=_PANEL,
        help="What separates fields: , or ; or tab or blank. Default: told from the first lines.",
    ),
]  # fmt: skip
_Decimal = Annotated[
    str, typer.Option(metavar="CHARACTER", rich_help_panel=_PANEL, help="The decimal mark.")
]
_Encoding = Annotated[
    str, typer.Option(rich_help_panel=_PANEL, help="Encoding, such as latin-1 or utf-16.")
]
_Header = Annotated[
    bool,
    typer.Option(
        "--header/--no-header", rich_help_panel=_PANEL,
        help="The first row has the columns' names; else they are x0, x1, ...",
    ),
]  # fmt: skip
# Names that a shell passes without trouble, for separators that it does not.
_BY_NAME = {"tab": "\t", r"\t": "\t", "blank": r"\s+", "space": r"\s+"}
_AS_WRITTEN = {"\t": "tab", r"\s+": "blank"}
# A number with a decimal comma.
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


@dataclass(frozen=True)
class Source:
    """A table in a file or on standard input.

    Attributes
    ----------
    path : Path
        Where it is; "-" is standard input.
    text : TextFormat
        How it is written, as far as the command says so.
    """

    path: Path
    text: TextFormat = TextFormat()

    def __str__(self) -> str:
        return "standard input" if str(self.path) == STANDARD_INPUT else str(self.path)

    @property
    def name(self) -> str:
        """The file's name."""
        return "standard input" if str(self.path) == STANDARD_INPUT else self.path.name

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return "standard input" if str(self.path) == STANDARD_INPUT else self.path.stem

    @property
    def options(self) -> str:
        """The options that read it again, as they are typed."""
        text, default = self.text, TextFormat()
        given = {
            "--sep": _AS_WRITTEN.get(text.separator or "", text.separator),
            "--decimal": None if text.decimal == default.decimal else text.decimal,
            "--encoding": None if text.encoding == default.encoding else text.encoding,
        }
        words = [f"{option} {shlex.quote(value)}" for option, value in given.items() if value]
        return " ".join([*words, *([] if text.header else ["--no-header"])])

    @property
    def in_chunks(self) -> bool:
        """Whether the rows are read in chunks: of folders, .npy files and large Parquet files."""
        least = _IN_CHUNKS.get(self.path.suffix.lower())
        large = least is not None and self.path.stat().st_size >= least
        return self.path.is_dir() or large

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The whole table, with column names as text; says which separator was guessed."""
        found = read_file(self.path, self.text)
        if found.guessed and found.separator is not None:
            print_error(
                f"note: the fields of {self.name} are taken to be separated by "
                f"{SEPARATORS[found.separator]} (--sep names another separator)."
            )
        found.frame.columns = [str(c) for c in found.frame.columns]
        return found.frame

    def rows(self, columns: str | Sequence[str], missing: str = "refuse") -> pd.DataFrame | Data:
        """The columns asked for, all numeric."""
        if self.in_chunks:
            return self._chunked(columns, "", missing)
        return self._chosen(self.frame, columns)

    def rows_of(self, mixture: Mixture) -> pd.DataFrame | Data:
        """The columns of a fit's mixture, all numeric."""
        return self.rows(_columns_of(mixture), mixture.missing)

    def weighted_rows_of(self, mixture: Mixture, weights: str) -> Data:
        """The columns of a fit's mixture as `Data` that treats missing values as the fit did."""
        return self.weighted_rows(_columns_of(mixture), weights, mixture.missing)

    def classes(self, labels: str) -> Any:
        """The column of the rows' classes, None where one is empty; nothing if none is named."""
        if not labels:
            return None
        if self.in_chunks:
            if labels not in self._classes:
                self._classes[labels] = by_name(self._opened, None, None, labels)[2]
            return self._classes[labels]
        self.refuse_unknown(labels, "--labels")
        column = self.frame[labels]
        return [None if out else v for v, out in zip(column, column.isna(), strict=True)]

    def weighted_rows(
        self,
        columns: str | Sequence[str],
        weights: str,
        missing: str = "refuse",
        labels: str = "",
    ) -> Data:
        """The columns asked for as checked `Data`, weighted by a column if one is named.

        The column of the labels is not among them.

        Raises
        ------
        DataError
            Rows or weights that cannot be used.
        """
        for name, of in ((weights, "weights"), (labels, "labels")):
            if name and name in (_names(columns) or ()):
                raise typer.BadParameter(
                    f"{name!r} is the column of the {of}, which are not data: leave it out.",
                    param_hint="--columns",
                )
        if self.in_chunks:
            return self._chunked(columns, weights, missing, labels)
        frame = self.frame
        for name, of in ((weights, "weights"), (labels, "labels")):
            if name:
                self.refuse_unknown(name, f"--{of}")
        data = self._chosen(frame.drop(columns=[n for n in (weights, labels) if n]), columns)
        counted = _checked_weights(frame[weights]) if weights else None
        return as_data(data, None, counted, missing)

    def _chunked(
        self, columns: str | Sequence[str], weights: str, missing: str, labels: str = ""
    ) -> Data:
        """The columns in chunks without those of the labels; that of the weights is in memory."""
        names, counts, known = by_name(
            self._opened, _names(columns), weights or None, labels or None
        )
        if labels:
            self._classes[labels] = known
        return in_chunks(self._opened, columns=names, sample_weight=counts, missing=missing)

    @cached_property
    def _opened(self) -> Any:
        """The dataset of files that pyarrow reads, whose footers are then read once; the path."""
        return opened(self.path)

    @cached_property
    def _classes(self) -> dict[str, Any]:
        """Columns of classes that have been read."""
        return {}

    def refuse_unknown(self, name: str, option: str) -> None:
        """Refuse a column that the table does not have."""
        names = list(self.frame.columns)
        if name not in names:
            raise typer.BadParameter(
                f"no column {name!r} in {self.name}{did_you_mean(name, names)}; "
                f"it has {', '.join(names)}.",
                param_hint=option,
            )

    def _chosen(self, frame: pd.DataFrame, columns: str | Sequence[str]) -> pd.DataFrame:
        names = _names(columns)
        for name in names or []:
            self.refuse_unknown(name, "--columns")
        if names is None and (unnamed := [c for c in frame.columns if c.startswith("Unnamed: ")]):
            raise DataError(
                f"{self.name} has {len(unnamed)} column{'s' if len(unnamed) > 1 else ''} without "
                "a name, such as row numbers or what follows a last comma: name those to use "
                "with --columns."
            )
        _refuse_text(frame, names)
        if names is None:
            _note_identifiers(frame)
        return frame[names] if names else frame


def _names(columns: str | Sequence[str]) -> list[str] | None:
    """Names typed with commas between them, or given one by one; None where there are none."""
    return listed(columns) if isinstance(columns, str) else list(columns)


def _columns_of(mixture: Mixture) -> Sequence[str]:
    """The names of a mixture's columns; none where it has them by position alone."""
    return mixture.names if mixture.named else ""


def reads_table(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter, `data`, is a `Source`, with options of how to read it."""
    hints = get_type_hints(command, include_extras=True)
    [_, *others] = inspect.signature(command).parameters.values()  # the first is `data`
    own = [p.replace(annotation=hints[p.name]) for p in others]
    keyword = inspect.Parameter.KEYWORD_ONLY
    reading = [
        inspect.Parameter("data", keyword, annotation=_Path),
        *(p.replace(kind=keyword) for p in own),
        inspect.Parameter("sep", keyword, annotation=_Separator, default=""),
        inspect.Parameter("decimal", keyword, annotation=_Decimal, default="."),
        inspect.Parameter("encoding", keyword, annotation=_Encoding, default="utf-8"),
        inspect.Parameter("header", keyword, annotation=_Header, default=True),
    ]

    @wraps(command)
    def with_source(
        *, data: Path, sep: str, decimal: str, encoding: str, header: bool, **others: Any
    ) -> None:
        command(data=_source(data, sep, decimal, encoding, header), **others)

    vars(with_source)["__signature__"] = inspect.Signature(reading)
    with_source.__annotations__ = {p.name: p.annotation for p in reading}
    return with_source


def _source(path: Path, sep: str, decimal: str, encoding: str, header: bool) -> Source:
    separator = _BY_NAME.get(sep, sep) or None
    if separator is not None and separator not in _AS_WRITTEN and len(separator) != 1:
        raise typer.BadParameter(f"{sep!r} is no single character.", param_hint="--sep")
    if len(decimal) != 1 or decimal == separator:
        raise typer.BadParameter(
            f"{decimal!r} cannot be the decimal mark: write one character that does not separate "
            "fields.",
            param_hint="--decimal",
        )
    return Source(path, TextFormat(separator, decimal, encoding, header))


def _checked_weights(column: pd.Series) -> FloatArray:
    """Numbers, none of them negative or missing; the first that is not is named."""
    import pandas as pd

    # pandas converts dates to numbers, but a date is not a weight
    values = column if pd.api.types.is_numeric_dtype(column) else column.astype(str)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = ~(np.isfinite(numbers) & (numbers >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        value = column.iloc[row]
        shown = repr(value) if isinstance(value, str) else str(value)
        found = "missing" if pd.isna(value) else shown
        raise DataError(
            f"the weight {column.name!r} is {found} in row {row}: pass finite numbers of at "
            "least 0 (0 leaves a row out)."
        )
    return numbers


def _refuse_text(frame: pd.DataFrame, names: list[str] | None) -> None:
    """Refuse a column of text, naming a value of it and the option that leaves it out."""
    import pandas as pd

    numeric = [c for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c])]
    for name in names or frame.columns:
        if name in numeric or frame[name].isna().all():
            continue
        numbers = pd.to_numeric(frame[name], errors="coerce")
        row = int((numbers.isna() & frame[name].notna()).to_numpy().argmax())
        value = str(frame[name].iloc[row])
        cure = f"name the others with --columns {','.join(numeric)}" if numeric else "convert it"
        if _DECIMAL_COMMA.fullmatch(value):
            cure = "if that is a decimal comma, add --decimal ,"
        raise DataError(
            f"column {name!r} holds text ({value!r} in row {row}): correct that value, or {cure}."
        )


def _note_identifiers(frame: pd.DataFrame) -> None:
    """Say which columns look like identifiers: whole numbers, all different, one after another."""
    found = [
        str(name)
        for name, column in frame.items()
        if column.dtype.kind in "iu" and len(column) > 2 and _counts(column.to_numpy())
    ]
    if found and (others := [str(c) for c in frame.columns if str(c) not in found]):
        print_error(
            f"note: {' and '.join(map(repr, found))} numbers the rows, as an identifier does, and "
            f"is used as data: leave it out with --columns {','.join(others)}."
        )


def _counts(values: Any) -> bool:
    """Whether whole numbers go up by one from row to row."""
    return bool(np.all(np.diff(values) == 1))
