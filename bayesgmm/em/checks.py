"""Checks made before EM starts: options, the number of components, family, dependent columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data.data import Data
from ..families import FAMILIES, Family
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import expected_statistics
from ..mixture.apart import refuse_apart
from ..mixture.imputation import gaussian
from ..mixture.integrated_scale import integrable
from ..mixture.mixture import Mixture
from ..mixture.of_results import estimate_of
from ..mixture.prior import Prior
from ..mixture.prior_columns import check_columns
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import MOST_STEPS, check_at_least, check_integer
from .coverage import refuse_uncovered_pairs

if TYPE_CHECKING:
    from .result import Fit

# Below this the correlation matrix is singular to rounding.
_SMALLEST_CORRELATION_EIGENVALUE = 1e-13
# Rows that usually suffice to show that columns are independent.
_FIRST_ROWS = 4096


class Options(NamedTuple):
    """The options of EM, checked, as Python's own numbers."""

    n_init: int | None
    max_iter: int
    tol: float
    ridge: float


def check_options(
    n_init: Any, max_iter: Any, tol: Any, ridge: Any = 0.0, ridge_name: str = "ridge"
) -> Options:
    """The options as numbers; those out of range are refused before any work starts."""
    return Options(
        None if n_init is None else check_integer("n_init", n_init, 1, MOST_STEPS),
        check_integer("max_iter", max_iter, 0, MOST_STEPS),
        check_at_least("tol", tol, 0),
        check_at_least(ridge_name, ridge, 0),
    )


def as_fit(fit: Any, *, apart: bool = False) -> Fit:
    """The fit that was passed, or that an estimator or a grid stands for.

    apart: fits with labels or noise are known what to do with.

    Raises
    ------
    TypeError
        Something else; the message says what to pass instead.
    NotImplementedError
        A fit with labels or noise, unless `apart`.
    """
    from .result import Fit

    found = estimate_of(fit)
    if isinstance(found, Fit):
        if not apart:
            refuse_apart(found)
        return found
    cure = "a Fit, as bayesgmm.fit returns, a Selection or a GaussianMixture"
    if isinstance(fit, Mixture):
        cure = "a Fit, such as bayesgmm.fit(X, K, start=mixture, max_iter=0)"
    elif hasattr(fit, "fit") and isinstance(fit.fit, Fit):
        cure = "its .fit"
    raise TypeError(f"fit is a {type(fit).__name__}: pass {cure}.")


def check_problem(
    data: Data,
    n_components: int,
    family: Family,
    prior: Prior | None,
    ridge: float = 0.0,
    max_ratio: float | None = None,
    noise: bool = False,
) -> None:
    """Refuse a number of components, a family or a prior that does not suit the data."""
    check_bounds(data, prior, max_ratio, noise)
    if prior is not None and prior.integrate_scale and not integrable(family, data.d):
        raise ValueError(
            f"the prior's scale cannot be integrated out for {family.name} of several columns: "
            "choose another family, or a prior with integrate_scale=False."
        )
    bounded = bounds(prior) or ridge > 0 or max_ratio is not None
    check_family(data, family, max_ratio, prior, ridge)
    check_number(data, n_components, bounded)


def check_bounds(
    data: Data, prior: Prior | None, max_ratio: float | None, noise: bool = False
) -> None:
    """Refuse a prior that EM cannot maximise under, and a ratio below 1."""
    if prior is not None:
        check_columns(prior, data)
        if prior.expected_concentration < 1:
            raise ValueError(
                f"the prior's concentration is {prior.concentration}: below 1 (on average, if it "
                "is random) the posterior has its maximum at an empty component; use at least 1 "
                "for fit(), and pass this prior to refine()."
            )
        if noise and min(prior.noise_share) < 1:
            raise ValueError(
                f"the prior's noise_share is {prior.noise_share}: below 1 the posterior has its "
                "maximum where all or none is noise; use numbers of at least 1 for fit(), and pass "
                "this prior to refine()."
            )
    if max_ratio is not None:
        check_at_least("max_ratio", max_ratio, 1)
        if prior is not None and prior.lkj is not None:
            raise ValueError("max_ratio does not go with an LKJ prior: leave one of them out.")


def bounds(prior: Prior | None) -> bool:
    """Whether there is a prior under which the posterior density is bounded."""
    return prior is not None and prior.bounded


def check_number(data: Data, n_components: int, bounded: bool) -> None:
    """Refuse more components than there are rows for."""
    needed = n_components if bounded else n_components + 1
    distinct = data.distinct_rows(needed)
    if distinct == needed:
        return
    most, cure = distinct, ""
    if needed > n_components:
        most, cure = max(distinct - 1, 1), ", or pass a prior"
    raise DataError(
        f"the data have {distinct} distinct rows (n_samples = {data.n}), too few for "
        f"n_components = {n_components}: ask for at most {most}{cure}."
    )


def check_family(
    data: Data, family: Family, max_ratio: float | None, prior: Prior | None, ridge: float = 0.0
) -> None:
    """Refuse a family that the bound, or relations between the columns, do not allow.

    A bound on covariances keeps them regular, and does not make up for rows that no two columns
    share: only a prior does.
    """
    if prior is not None and prior.lkj is not None:
        prior.lkj.check_family(family)
    if max_ratio is not None and not family.boundable:
        names = ", ".join(name for name, f in FAMILIES.items() if f.boundable)
        raise ValueError(
            f"max_ratio cannot bound family {family}, whose eigenvalues are tied to each other: "
            f"choose among {names}, or pass a prior."
        )
    if family.diagonal or family.spherical:
        return
    if prior is None:
        refuse_uncovered_pairs(data, family)
    if not bounds(prior) and max_ratio is None and ridge == 0:
        refuse_dependent_columns(data, family)


def refuse_dependent_columns(data: Data, family: Family) -> None:
    """Refuse columns with a linear relation, which makes every full covariance singular."""
    n = data.n if data.counted is None else int(np.count_nonzero(data.counted))
    if n <= data.d:
        raise DataError(
            f"{n} rows cannot determine a covariance of {data.d} columns (family "
            f"{family.name}): use fewer columns, a diagonal family (VVI, EEI), or pass a prior."
        )
    if _independent(data):
        return
    correlation = _covariance(data) / np.outer(data.sd, data.sd)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    if eigenvalues[0] > _SMALLEST_CORRELATION_EIGENVALUE:
        return
    involved = np.flatnonzero(np.abs(vectors[:, 0]) > 0.01)
    names = " and ".join(repr(data.names[j]) for j in involved)
    what = "carry the same information" if len(involved) == 2 else "are linearly dependent"
    raise DataError(
        f"columns {names} {what}: every covariance of family {family.name} is then singular; "
        "drop one, use a diagonal family (VVI, EEI), or pass a prior."
    )


def _covariance(data: Data) -> FloatArray:
    """The columns' covariance: where values are missing, that of one Gaussian."""
    if data.incomplete:
        return np.asarray(gaussian(data).covariances[0])
    overall = Parameters(np.ones(1), np.zeros((1, data.d)), np.diag(data.scale**2)[None])
    return np.asarray(expected_statistics(data, overall)[1].scatters[0] / data.total)


def _independent(data: Data) -> bool:
    """Whether the first rows alone show that no column depends on the others.

    Later rows can only add to the correlation matrix's eigenvalues. Where values are missing the
    first rows show nothing.
    """
    if data.incomplete:
        return False
    first = data.part(0, _FIRST_ROWS)
    z = (np.asarray(first.values) - data.center) / data.sd
    weighted = z if first.weights is None else first.weights[:, None] * z
    least = np.linalg.eigvalsh(weighted.T @ z / data.total)[0]
    return bool(least > _SMALLEST_CORRELATION_EIGENVALUE)
