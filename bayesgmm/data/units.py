"""Units of columns, which a data frame brings along and a posterior keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_ATTRIBUTE = "units"


def units_in(x: Any) -> dict[str, str]:
    """The units of a table's columns by name (`DataFrame.attrs["units"]`), of those that have one.

    A result that keeps them has them as JSON in the attributes of its `tree`.
    """
    attributes = getattr(getattr(x, "tree", x), "attrs", {})
    known = attributes.get(_ATTRIBUTE, {})
    if isinstance(known, str) and hasattr(x, "tree"):
        known = json.loads(known)
    if not isinstance(known, Mapping):  # of all of an xarray's values, for one
        return {}
    return {str(name): str(unit) for name, unit in known.items() if unit}


def kept_units(x: Any) -> dict[str, str]:
    """The units of a table as an attribute of a tree: one, or none where no unit is known."""
    units = units_in(x)
    return {_ATTRIBUTE: json.dumps(units)} if units else {}
