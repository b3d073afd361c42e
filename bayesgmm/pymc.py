"""Distributions for models of PyMC: the Gaussian mixture itself, fast in any model.

    with pm.Model():
        ...
        bayesgmm.pymc.GaussianMixture("y", w, mu, cov=Sigma, observed=X)

`import bayesgmm.pymc` loads PyMC; `import bayesgmm` does not.
"""

from __future__ import annotations

from .sampling.pymc.likelihood.distribution import GaussianMixture

__all__ = ["GaussianMixture"]
