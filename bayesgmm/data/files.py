"""Tables in files: CSV, TSV, Parquet and Feather, as pandas data frames."""

from __future__ import annotations

import csv
import sys
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# Separators by ending; None: the one that the first lines have.
_TEXT: dict[str, str | None] = {
    ".csv": None,
    ".txt": None,
    ".tsv": "\t",
    ".tab": "\t",
    ".dat": None,
}
_COLUMNAR = {
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".feather": "read_feather",
    ".arrow": "read_feather",
}
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
# The pattern of one blank or more.
_BLANKS = r"\s+"
#: What separates fields, and what it is called in a message.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", _BLANKS: "blanks"}
# A .csv has no columns in blanks, but may have blanks in names.
_NEVER = {".csv": (_BLANKS,)}
#: The name of standard input in place of a file's.
STANDARD_INPUT = "-"
_KINDS: dict[str | None, str] = {"\t": "TSV"}
# Lines looked at to tell the separator, and a character that separates nothing in any text.
_LOOKED_AT, _NO_SEPARATOR = 50, "\x1f"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a table is written in a text file.

    Attributes
    ----------
    separator : str or None
        What separates fields; None: what its ending or its first lines tell.
    decimal : str
        The decimal mark.
    encoding : str
        Of its characters.
    header : bool
        The first row has the columns' names; else they are x0, x1, ...
    """

    separator: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    header: bool = True

    def __post_init__(self) -> None:
        if self.separator is not None and self.separator == self.decimal:
            raise DataError(
                f"fields are separated by {self.separator!r}, which is the decimal mark too: name "
                "another separator or another mark."
            )


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table as read: its columns, and what had to be guessed to read it.

    Attributes
    ----------
    frame : DataFrame
        The table.
    separator : str or None
        The separator of the text, if it is text.
    guessed : bool
        It was told from the first lines, and is not the one that the ending promises.
    """

    frame: pd.DataFrame
    separator: str | None = None
    guessed: bool = False


def read_table(path: str | Path, text: TextFormat | None = None) -> pd.DataFrame:
    """The table in a file, whose format its name's ending tells.

    Parameters
    ----------
    path : str or Path
        .csv, .txt or .dat, and .tsv or .tab (tabs), also compressed (.csv.gz); .parquet or .pq,
        .feather or .arrow, which pyarrow reads; "-" for text on standard input.
    text : TextFormat, optional
        How the text is written: with a header row, decimal points, UTF-8, and the separator that
        the first lines have, if left out.

    Raises
    ------
    DataError
        An ending that is not one of these, a file that is not what its ending says, or a file
        that needs pyarrow where that is not installed.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> from bayesgmm.data.files import read_table
    >>> read_table("eruptions.csv").columns  # doctest: +SKIP
    Index(['eruptions', 'waiting'], dtype='str')
    """
    return read_file(path, text).frame


def read_file(path: str | Path, text: TextFormat | None = None) -> TableFile:
    """The table in a file, as `read_table` reads it, and how it was read."""
    text = text or TextFormat()
    if str(path) == STANDARD_INPUT:
        return _read_text(Path("standard input"), None, text, sys.stdin.buffer.read())
    path = Path(path)
    ending = _ending(path)
    if ending in _COLUMNAR:
        return TableFile(_read_columnar(path, _COLUMNAR[ending]))
    if ending not in _TEXT:
        raise DataError(
            f"{path.name} ends in {path.suffix!r}: pass a table in a file that ends in "
            f"{', '.join([*_TEXT, *_COLUMNAR])}."
        )
    return _read_text(path, _TEXT[ending], text)


def _ending(path: Path) -> str:
    """The ending that tells the format, below one of compression."""
    ending = path.suffix.lower()
    return Path(path.stem).suffix.lower() if ending in _COMPRESSED else ending


def _read_text(
    path: Path, separator: str | None, text: TextFormat, content: bytes | None = None
) -> TableFile:
    """The table of a text file, or of the content of one."""
    import pandas as pd

    promised = separator or ","
    separator = text.separator or separator
    kind = _KINDS.get(separator, "CSV")
    try:
        lines = _first_lines(path if content is None else BytesIO(content), text)
        guessed = separator is None
        separator = separator or _separator(lines, {text.decimal, *_NEVER.get(_ending(path), ())})
        _refuse_header(path, lines, separator, text)
        frame = _parsed(path if content is None else BytesIO(content), separator, text)
    except pd.errors.ParserWarning:
        raise DataError(
            f"{path}: rows have more fields than the header has names. Name every column, and "
            "write decimal points, not commas (in the command line: --decimal , )."
        ) from None
    except (FileNotFoundError, PermissionError, DataError):
        raise
    except LookupError as error:
        raise DataError(f"{path}: {error}: name the encoding, such as utf-8 or latin-1.") from None
    except UnicodeError as error:
        raise DataError(
            f"{path} is not text in {text.encoding} ({error}): name its encoding, such as latin-1 "
            "or utf-16 (--encoding in the command line), or save it as UTF-8."
        ) from None
    except Exception as error:
        if path.suffix.lower() in _COMPRESSED:
            raise DataError(
                f"{path} is damaged, or is not a {path.suffix} file ({error}): write it anew."
            ) from None
        if not isinstance(error, ValueError):
            raise
        raise DataError(f"{path} is not a {kind} file with a header row ({error}).") from None
    return TableFile(frame, separator, guessed and separator != promised)


def _parsed(source: Path | BytesIO, separator: str, text: TextFormat) -> pd.DataFrame:
    import pandas as pd

    with warnings.catch_warnings():
        # fields beyond the header, which pandas would drop
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(source, **_options(separator, text), index_col=False)
    if not text.header:
        frame.columns = pd.Index([f"x{j}" for j in range(frame.shape[1])])
    return frame


def _options(separator: str, text: TextFormat) -> dict[str, Any]:
    """The options of pandas' reader."""
    return {
        "sep": separator,
        "decimal": text.decimal,
        "encoding": text.encoding,
        "header": 0 if text.header else None,
        "skipinitialspace": separator == _BLANKS,
    }


def _first_lines(source: Path | BytesIO, text: TextFormat) -> list[str]:
    """The first lines of a text file that are not empty, also of a compressed one."""
    import pandas as pd

    lines = pd.read_csv(
        source, sep=_NO_SEPARATOR, header=None, nrows=_LOOKED_AT, dtype=str, encoding=text.encoding,
        quoting=csv.QUOTE_NONE, keep_default_na=False,
    )  # fmt: skip
    return [str(line) for line in lines[0]]


def _separator(lines: list[str], excluded: set[str]) -> str:
    """The first separator that splits all lines into the same number of fields, two at least.

    The first that is not excluded if none does, as in a table of one column.
    """
    candidates = [separator for separator in SEPARATORS if separator not in excluded]
    return next((s for s in candidates if _splits(lines, s)), candidates[0])


def _splits(lines: list[str], separator: str) -> bool:
    counts = {len(fields) for fields in _split(lines, separator)}
    return len(counts) == 1 and counts.pop() > 1


def _split(lines: list[str], separator: str) -> list[list[str]]:
    """The fields of lines."""
    if separator == _BLANKS:
        return [line.split() for line in lines]
    return [fields for fields in csv.reader(lines, delimiter=separator) if fields]


def _refuse_header(path: Path, lines: list[str], separator: str, text: TextFormat) -> None:
    """Refuse a first row that is numbers, or names a column twice."""
    if not text.header:
        return
    names = next(iter(_split(lines[:1], separator)), [])
    for name in names:
        if _is_number(name):
            raise DataError(
                f"{path}: the first row has the number {name}, not names: add a header row, such "
                f"as {','.join(f'x{j}' for j in range(len(names)))} (or, in the command line, "
                "--no-header)."
            )
        if name and names.count(name) > 1:
            raise DataError(f"{path}: two columns are named {name!r}: rename one.")
        if ";" in name:
            raise DataError(
                f"{path}: the header {name!r} has semicolons: separate columns by commas (or tabs "
                "in a .tsv) and write decimal points, or name both (in the command line, "
                "--sep ';' --decimal , )."
            )


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


def _read_columnar(path: Path, reader: str) -> pd.DataFrame:
    import pandas as pd

    try:
        import pyarrow
    except ImportError:
        raise DataError(
            f"{path.name} needs pyarrow, which is not installed: install bayesgmm[parquet], or "
            "save the table as CSV."
        ) from None
    try:
        return getattr(pd, reader)(path)
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"{path} is not a {path.suffix[1:]} file ({error}).") from None
