"""Fits of more than a mixture, labels or noise, refused where only the mixture would be seen."""

from __future__ import annotations

from typing import Any


def refuse_apart(fit: Any) -> None:
    """Refuse a fit with labels or noise, for what would have to know them.

    Raises
    ------
    NotImplementedError
        It is one.
    """
    if apart := getattr(fit, "apart", ""):
        raise NotImplementedError(
            f"the fit {apart}, which only fit and the fit's own methods know: leave that out, or "
            "use its mixture (fit.mixture)."
        )
