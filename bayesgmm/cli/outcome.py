"""How a command ends: results on standard output, advice and errors on standard error."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import typer

from ..utils.errors import DegenerateComponentError

#: Exit code where there is no result that can be used.
FAILED = 1
# What data, arguments, files, the mathematics, or a library that is not installed can raise.
_EXPECTED = (
    ValueError, OSError, NotImplementedError, DegenerateComponentError, ImportError,
)  # fmt: skip


def print_error(text: str) -> None:
    """A line on standard error."""
    typer.echo(f"bayesgmm: {text}", err=True)


@contextmanager
def errors_as_text() -> Iterator[None]:
    """Errors of the data or the mathematics are one line and exit code 1; advice is a line too."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)  # the library's own, and ArviZ's
        try:
            yield
        except _EXPECTED as error:
            print_error(str(error))
            raise typer.Exit(FAILED) from None
        finally:
            for text in dict.fromkeys(str(warning.message) for warning in found):
                print_error(f"warning: {text}")


def print_json(value: Any) -> None:
    """The one thing on standard output; what is no number is null."""
    typer.echo(json.dumps(plain(value), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """Nested values as JSON has them."""
    import pandas as pd

    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if value is pd.NA else value


def fit_facts(fit: Any) -> dict[str, Any]:
    """A fit as JSON has it."""
    figures = ("n", "n_parameters", "loglik", "aic", "bic", "icl", "entropy", "n_iter", "advice")
    return {
        "family": fit.family.name,
        "K": fit.n_components,
        "status": fit.status.value,
        **{name: getattr(fit, name) for name in figures},
        "columns": list(fit.names),
        "weights": fit.weights,
        "means": fit.means,
        "covariances": fit.covariances,
    }
