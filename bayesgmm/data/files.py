"""Tables in files: CSV, TSV, Parquet and Feather, as pandas data frames."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..utils.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_TEXT = {".csv": ",", ".txt": ",", ".tsv": "\t", ".tab": "\t"}
_COLUMNAR = {
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".feather": "read_feather",
    ".arrow": "read_feather",
}
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


def read_table(path: str | Path) -> pd.DataFrame:
    """The table in a file, whose format its name's ending tells.

    Parameters
    ----------
    path : str or Path
        .csv or .txt (commas) and .tsv or .tab (tabs), with a header row, also compressed (.csv.gz);
        .parquet or .pq, .feather or .arrow, which pyarrow reads.

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
    path = Path(path)
    ending = path.suffix.lower()
    if ending in _COLUMNAR:
        return _read_columnar(path, _COLUMNAR[ending])
    if ending in _COMPRESSED:
        ending = Path(path.stem).suffix.lower()
    if ending not in _TEXT:
        raise DataError(
            f"{path.name} ends in {path.suffix!r}: pass a table in a file that ends in "
            f"{', '.join([*_TEXT, *_COLUMNAR])}."
        )
    return _read_text(path, _TEXT[ending])


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    import pandas as pd

    kind = "CSV" if separator == "," else "TSV"
    try:
        with warnings.catch_warnings():
            # fields beyond the header, which pandas would drop
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, sep=separator, index_col=False)
            header = pd.read_csv(
                path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False
            )
    except (FileNotFoundError, PermissionError):
        raise
    except pd.errors.ParserWarning:
        raise DataError(
            f"{path}: rows have more fields than the header has names. Name every column, and "
            "write decimal points, not commas."
        ) from None
    except Exception as error:
        if path.suffix.lower() in _COMPRESSED:
            raise DataError(
                f"{path} is damaged, or is not a {path.suffix} file ({error}): write it anew."
            ) from None
        if not isinstance(error, ValueError):
            raise
        raise DataError(f"{path} is not a {kind} file with a header row ({error}).") from None
    _refuse_header(path, [str(name) for name in header.iloc[0]])
    return frame


def _refuse_header(path: Path, names: list[str]) -> None:
    """Refuse a first row that is numbers, or names a column twice or not at all."""
    for name in names:
        if _is_number(name):
            raise DataError(
                f"{path}: the first row has the number {name}, not names: add a header row, such "
                f"as {','.join(f'x{j}' for j in range(len(names)))}."
            )
        if name and names.count(name) > 1:
            raise DataError(f"{path}: two columns are named {name!r}: rename one.")
        if ";" in name:
            raise DataError(
                f"{path}: the header {name!r} has semicolons: separate columns by commas (or tabs "
                "in a .tsv), and write decimal points."
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
