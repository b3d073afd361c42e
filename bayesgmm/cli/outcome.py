"""How a command ends: results on standard output, advice and errors on standard error."""

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

#: Exit code where there is no result that can be used.
FAILED = 1
#: Exit code where Ctrl-C came, and there is no result or only what there was: a shell's own.
INTERRUPTED = 130
# What data, arguments, files, the mathematics, or a library that is not installed can raise.
_EXPECTED = (
    ValueError, OSError, NotImplementedError, DegenerateComponentError, ImportError,
)  # fmt: skip


def print_error(text: str) -> None:
    """A line on standard error."""
    typer.echo(visible(f"bayesgmm: {text}"), err=True)


def print_text(text: str) -> None:
    """Lines on standard output: names in them cannot steer the terminal."""
    typer.echo(visible(text))


@dataclass(slots=True)
class End:
    """How a command ends: `check` it when all is printed."""

    interrupted: bool = False

    def check(self) -> None:
        """Exit with the code of an interruption, if there was one."""
        if self.interrupted:
            raise typer.Exit(INTERRUPTED)


@contextmanager
def errors_as_text() -> Iterator[End]:
    """Errors of the data or the mathematics are one line and exit code 1; advice is a line too."""
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
