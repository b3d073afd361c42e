"""What `select` is asked for, checked before it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..data.data import Data
from ..data.same_data import refuse_other_data
from ..em.checks import bounds, check_family, check_number
from ..em.labelled_fit import LabelledFit
from ..em.labels import read_labels
from ..em.result import Fit
from ..families import Family
from ..mixture.prior import Prior
from ..utils.validation import check_integer
from .grid import Place
from .selection import CellName, Selection

# Numbers of components up to this are accepted however few the rows.
_MOST_ANYWAY = 100


def cells_of(
    data: Data, families: list[Family], ks: list[int], max_ratio: float | None, prior: Prior | None
) -> tuple[list[Place], dict[CellName, str]]:
    """The cells that the data allow, and the reasons of the others."""
    bounded = bounds(prior) or max_ratio is not None
    refused_numbers = {k: _reason(check_number, data, k, bounded) for k in ks}
    refused_families = {f: _reason(check_family, data, f, max_ratio, prior) for f in families}
    failures = {
        (family.name, k): reason
        for k in ks
        for family in families
        if (reason := refused_families[family] or refused_numbers[k])
    }
    allowed = [(family, k) for k in ks for family in families if (family.name, k) not in failures]
    return allowed, failures


def check_resume(resume: Selection, data: Data, labels: Any) -> None:
    """Refuse anything but a grid of the same data and labels."""
    if not isinstance(resume, Selection):
        raise TypeError(
            f"resume is a {type(resume).__name__}: pass a Selection, as select returns and "
            "Selection.load reads."
        )
    cure = "select without resume; a fit of other rows is a start for bayesgmm.fit(X, K, start=)."
    for fit in resume.fits.values():
        refuse_other_data(fit.fingerprint, data.fingerprint, cure, "the grid's table")
        _refuse_other_labels(fit, data.n, labels)


def _refuse_other_labels(fit: Fit, n: int, labels: Any) -> None:
    """Log-likelihoods with labels are those of rows and labels together."""
    if not isinstance(fit, LabelledFit):
        if labels is not None:
            raise ValueError(
                "the grid to resume was made without labels: select without resume, or without "
                "labels."
            )
        return
    if labels is None:
        raise ValueError(
            "the grid to resume was made with labels: pass them again, labels=, or select without "
            "resume."
        )
    known = read_labels(labels, n, fit.n_components)
    if known.classes != fit.labels.classes or not np.array_equal(known.table, fit.labels.table):
        raise ValueError(
            "labels are not those of the grid to resume: pass the same, or select without resume."
        )


def _reason(check: Callable[..., None], *arguments: Any) -> str:
    """The message of a check's ValueError; "" if its arguments pass."""
    try:
        check(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def numbers_of(n_components: int | Iterable[int], n: int, fewest: int = 1) -> list[int]:
    """The numbers from 1 on asked for, in order; those that can only be a mistake are refused."""
    if isinstance(n_components, str) or not isinstance(n_components, Iterable):
        n_components = [n_components]
    most, found = max(n, _MOST_ANYWAY), set()
    for k in n_components:
        found.add(check_integer("n_components", k, fewest, most, f": the data have {n} rows"))
    found.discard(0)
    if not found:
        raise ValueError("n_components is empty: name at least one number of components.")
    return sorted(found)
