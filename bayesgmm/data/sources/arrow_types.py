"""Which columns a dataset of pyarrow's has, and of which type: the files of a folder may differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...utils.errors import DataError
from ...utils.validation import did_you_mean
from ..tables import not_numbers

_CURE = "name the columns that all have with columns=[...], or leave that file out."


class Columns:
    """The columns of all files of a dataset.

    Parameters
    ----------
    files : sequence of pyarrow fragments
        The files.
    schema : pyarrow.Schema
        Of the dataset: the first file's columns, and those that folders stand for.
    """

    def __init__(self, files: Sequence[Any], schema: Any) -> None:
        self.schema = schema
        # One file of each kind: folders have thousands of the same.
        self._files: dict[Any, Any] = {}
        for file in files:
            self._files.setdefault(file.physical_schema.remove_metadata(), file)
        types = {name: schema.field(name).type for name in schema.names}
        for own in self._files:
            types = {field.name: field.type for field in own} | types
        first = [*schema.names, *(name for name in types if name not in schema.names)]
        self._types = {name: types[name] for name in first}

    @property
    def names(self) -> list[str]:
        """All names, the dataset's first."""
        return list(self._types)

    @property
    def of_data(self) -> list[str]:
        """All names but those of pandas' index, which pandas would not take for a column either."""
        index = (self.schema.pandas_metadata or {}).get("index_columns", [])
        return [name for name in self.names if name not in index]

    def kinds(self, name: str) -> dict[Any, Any]:
        """The types of a column, and a file for each.

        Raises
        ------
        DataError
            There is no such column, or not in all files, or twice in one.
        """
        from pyarrow.dataset import get_partition_keys

        if name not in self.names:
            meant = did_you_mean(name, self.names)
            raise DataError(f"no column {name!r}{meant}: there are {', '.join(self.names)}.")
        found: dict[Any, Any] = {}
        for own, file in self._files.items():
            count = own.names.count(name)
            if count > 1:
                raise DataError(f"{place_of(file)} has two columns named {name!r}: rename one.")
            if count:
                found.setdefault(own.field(name).type, file)
            elif name in get_partition_keys(file.partition_expression):
                found.setdefault(self.schema.field(name).type, file)
            else:
                raise DataError(
                    f"{place_of(file)} has no column {name!r}, which other files have: {_CURE}"
                )
        return found

    def number_types(self, columns: Sequence[str] | None) -> dict[str, Any]:
        """The types in which columns are read, all of them if left out.

        Raises
        ------
        DataError
            One does not hold numbers, in the file that is named, or what `kinds` refuses.
        """
        names = self.of_data if columns is None else [str(c) for c in columns]
        return {name: _number_type(name, self.kinds(name)) for name in names}

    def with_types(self, types: dict[str, Any]) -> Any:
        """The schema of all columns by which files are read, with these types of some of them."""
        import pyarrow as pa

        return pa.schema(list((self._types | types).items()), metadata=self.schema.metadata)


def _number_type(name: str, kinds: dict[Any, Any]) -> Any:
    """The type that holds all numbers of columns of these types."""
    import pyarrow as pa
    from pyarrow import types

    filled = {kind: file for kind, file in kinds.items() if not types.is_null(kind)}
    for kind, file in (filled or kinds).items():
        if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
            continue
        if types.is_decimal(kind):
            continue
        if len(filled) > 1:
            raise DataError(
                f"column {name!r} holds {kind} in {place_of(file)}, and numbers in other files or "
                "another type: write that file anew, or name other columns with columns=[...]."
            )
        raise DataError(not_numbers(name, kind))
    if len(filled) == 1:
        return next(iter(filled))
    halves = all(kind in (pa.float16(), pa.float32()) for kind in filled)
    return pa.float32() if halves else pa.float64()


def place_of(fragment: Any) -> str:
    """The file of a fragment, and its row group where it is only one of them."""
    path = getattr(fragment, "path", None) or "the table"
    groups = getattr(fragment, "row_groups", None)
    return str(path) if not groups or len(groups) > 1 else f"{path}, row group {groups[0].id}"
