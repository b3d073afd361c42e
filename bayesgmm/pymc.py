"""Distributions for models of PyMC: the Gaussian mixture, fast in any model, and priors for it.

    with pm.Model():
        ...
        bayesgmm.pymc.GaussianMixture("y", w, mu, cov=Sigma, observed=X)

`import bayesgmm.pymc` loads PyMC; `import bayesgmm` does not.
"""

from __future__ import annotations

from .sampling.pymc.covariance_priors import InverseWishart, LKJCholesky, lkj_covariances
from .sampling.pymc.likelihood.distribution import GaussianMixture
from .sampling.pymc.likelihood.rotations import UniformRotation

__all__ = [
    "GaussianMixture",
    "InverseWishart",
    "LKJCholesky",
    "UniformRotation",
    "lkj_covariances",
]
