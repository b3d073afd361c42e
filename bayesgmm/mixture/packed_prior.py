"""The prior of the covariances as compiled code reads it (`em/m_step.py`)."""

from __future__ import annotations

import numpy as np

from ..families import Family
from ..families.hyperparameters import Gamma
from ..families.inverse_wishart import InverseWishart
from ..families.lkj import LKJ
from ..utils.types import FloatArray
from .integrated_scale import integrable, packed_scale


def packed_covariances(
    prior: InverseWishart | LKJ, integrate_scale: bool, family: Family, n_components: int
) -> tuple[float, FloatArray]:
    """The degrees of freedom, then Psi (d, d) with what follows it.

    Under an LKJ prior the power of |Sigma| is given by degrees of freedom, which are then negative,
    Psi is 0, and `LKJ.packed` follows.
    """
    d = prior.d
    if isinstance(prior, LKJ):
        prior.check_family(family)
        power = 0.0 if family.spherical or family.diagonal else prior.eta - 1.0
        return -2.0 * power - (d + 1.0), np.concatenate([np.zeros(d * d), prior.packed(family)])
    psi = prior.expected_scale.ravel()
    if integrate_scale and isinstance(prior.scale, Gamma) and integrable(family, d):
        more = packed_scale(prior.scale, prior.dof, family, n_components)
        return prior.dof, np.concatenate([psi, more])
    return prior.dof, psi
