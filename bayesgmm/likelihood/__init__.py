"""The mixture's likelihood for PyMC: one distribution, whose density is one Op.

op.py            pointwise log-likelihood and gradients from one pass over the data
distribution.py  the distribution: draws in NumPy and compiled, density by the Op
"""

from .distribution import GaussianMixture, GaussianMixtureRV
from .op import MixtureLogLikelihood

__all__ = ["GaussianMixture", "GaussianMixtureRV", "MixtureLogLikelihood"]
