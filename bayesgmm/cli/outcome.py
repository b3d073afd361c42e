"""Output of commands: results on standard output, advice and errors on standard error."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer

from ..utils.display import visible
from ..utils.errors import DegenerateComponentError, InterruptionAdvice

#: Exit code where there is no usable result.
FAILED = 1
#: Exit code after Ctrl-C, with no result or a partial one; the one that shells use.
INTERRUPTED = 130
# What data, arguments, files, the mathematics, or a library that is not installed can raise.
_EXPECTED = (
    ValueError, OSError, NotImplementedError, DegenerateComponentError, ImportError,
)  # fmt: skip


def print_error(text: str) -> None:
    """Print a line on standard error."""
    typer.echo(visible(f"bayesgmm: {text}"), err=True)


def print_text(text: str) -> None:
    """Print lines on standard output, without control characters for the terminal."""
    typer.echo(visible(text))


@dataclass(slots=True)
class End:
    """Whether a command was interrupted; call `check` when everything is printed."""

    interrupted: bool = False

    def check(self) -> None:
        """Exit with the code of an interruption, if there was one."""
        if self.interrupted:
            raise typer.Exit(INTERRUPTED)


@contextmanager
def errors_as_text() -> Iterator[End]:
    """Turn expected errors into one line and exit code 1, and warnings into lines."""
    end = End()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)  # the library's own, and ArviZ's
        try:
            yield end
        except KeyboardInterrupt as error:
            print_error(f"interrupted, nothing is kept: {error}".removesuffix(": "))
            raise typer.Exit(INTERRUPTED) from None
        except _EXPECTED as error:
            print_error(str(error))
            raise typer.Exit(FAILED) from None
        finally:
            end.interrupted = any(issubclass(w.category, InterruptionAdvice) for w in found)
            for text in dict.fromkeys(str(warning.message) for warning in found):
                print_error(f"warning: {text}")


def print_json(value: Any) -> None:
    """Print a value as JSON, the only output; NaN and infinite numbers are null."""
    typer.echo(json.dumps(plain(value), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """Nested values as JSON can hold them."""
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


def fit_fields(fit: Any) -> dict[str, Any]:
    """The fields of a fit in JSON."""
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
        **{name: getattr(fit, name) for name in ("noise_share", "classes") if hasattr(fit, name)},
    }
