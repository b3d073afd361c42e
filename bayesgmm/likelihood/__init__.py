"""The mixture's likelihood for PyMC: one distribution, whose density is one Op.

op.py            pointwise log-likelihood and gradients from one pass over the data
means.py         the conjugate prior of the means, given Bartlett's variables
distribution.py  the distribution: draws in NumPy and compiled, density by the Op
"""

from .distribution import GaussianMixture, GaussianMixtureRV
from .means import BartlettNormal
from .op import MixtureLogLikelihood

__all__ = ["BartlettNormal", "GaussianMixture", "GaussianMixtureRV", "MixtureLogLikelihood"]
