"""Free variables of a family's covariances, in which the posterior is sampled.

    p = parametrisation(family, n_components, d)
    p.variables                   -> their names and dims
    p.priors(prior)               -> their distributions, where they are independent
    p.covariances(values, prior)  -> Sigma (..., K, d, d) from draws
    p.values_from(Sigma, prior)   -> the inverse map, for starting points

What all components share has no component axis. PyMC is not needed here.
"""

from __future__ import annotations

import numpy as np

from ...utils.types import FloatArray
from ..family import Family
from ..lkj import LKJ
from .axes import Axes, principal_axes, rotations
from .bartlett import Bartlett
from .base import Parametrisation
from .deviations import Deviations
from .variances import Variances


def parametrisation(
    family: Family,
    n_components: int,
    d: int,
    covariances: FloatArray | None = None,
    *,
    lkj: LKJ | None = None,
) -> Parametrisation:
    """The free variables of a family's covariances, under the inverse Wishart or an LKJ prior.

    covariances (K, d, d) give the axes D0 about which rotations are parametrised; I without them.

    Raises
    ------
    ValueError
        The family has no LKJ prior.
    """
    if lkj is not None:
        lkj.check_family(family)
        return Deviations(family, n_components, d, lkj)
    if family.conjugate:
        kind = Variances if family.spherical or family.diagonal else Bartlett
        return kind(family, n_components, d)
    number = family.orientation.number(n_components)
    about = np.repeat(np.eye(d)[None], number, axis=0)
    if covariances is not None and number > 0:
        about = rotations(principal_axes(covariances, family.orientation))[:number]
    return Axes(family, n_components, d, about)
