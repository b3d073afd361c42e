"""What `select` is asked for, checked before it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..data.data import Data
from ..data.same_data import refuse_other_data
from ..em.checks import bounds, check_family, check_number
from ..families import Family
from ..mixture.prior import Prior
from ..utils.validation import check_integer
from .grid import Place
from .selection import CellName, Selection

# Numbers of components up to this are accepted however few the rows.
_MOST_ANYWAY = 100


def refuse_resume(resume: Any, labels: Any, noise: Any) -> None:
    """Refuse to resume a grid with labels, whose cells exchange nothing, or with noise."""
    for name, value in (("labels", labels), ("noise", noise)):
        if resume is not None and value is not None:
            raise NotImplementedError(
                f"select() cannot resume a grid with {name}: leave resume out, or the {name}."
            )


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


def check_resume(resume: Selection, data: Data) -> None:
    """Refuse anything but a grid of the same data."""
    if not isinstance(resume, Selection):
        raise TypeError(
            f"resume is a {type(resume).__name__}: pass a Selection, as select returns and "
            "Selection.load reads."
        )
    cure = "select without resume; a fit of other rows is a start for bayesgmm.fit(X, K, start=)."
    for fit in resume.fits.values():
        refuse_other_data(fit.fingerprint, data.fingerprint, cure, "the grid's table")


def _reason(check: Callable[..., None], *arguments: Any) -> str:
    """The message of a check's ValueError; "" if its arguments pass."""
    try:
        check(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def numbers_of(n_components: int | Iterable[int], n: int) -> list[int]:
    """The numbers asked for, in order; those that can only be a mistake are refused."""
    if isinstance(n_components, str) or not isinstance(n_components, Iterable):
        n_components = [n_components]
    most, found = max(n, _MOST_ANYWAY), set()
    for k in n_components:
        found.add(check_integer("n_components", k, 1, most, f": the data have {n} rows"))
    if not found:
        raise ValueError("n_components is empty: name at least one number of components.")
    return sorted(found)
