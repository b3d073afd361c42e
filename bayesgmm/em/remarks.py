"""What a fit says of starts that led to no estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..families import Family
from ..utils.errors import DegenerateComponentError
from .run import EMResult
from .status import Status


def set_aside(results: Sequence[EMResult], unsound: int, made: int) -> str:
    """The remark on starts that led to no estimate, and on a higher spurious maximum; or ""."""
    if not unsound:
        return ""
    text = f"{unsound} of {made} starts ended at or beside a singular covariance"
    best = max((r.objective for r in results if r.status.sound), default=np.inf)
    for result in results:
        if result.status is Status.SPURIOUS and result.objective > best:
            return (
                f"{text}, set aside: in the highest, at a log-likelihood of {result.loglik:.2f}, a "
                f"component {result.reason}"
            )
    return text


def start_advice(error: DegenerateComponentError, family: Family) -> str:
    """The message about a start that cannot be used."""
    return (
        f"the start gives component {error.component} a singular covariance (family "
        f"{family.name}): it holds too few different rows. Pass another start, fewer components, "
        "a family with fewer parameters, or a prior."
    )
