"""The mixture's likelihood for PyMC: one distribution, whose density is one Op.

distribution.py  the distribution: shapes, and the density by the Op
draws.py         its draws
op.py            the Op: pointwise log-likelihood and gradients from one pass over the data
native.py        what the Op calls, compiled once: gradient.py, of forms.py (covariances as they
                 are handed in), moments.py (the pass) and by_row.py (parameters that differ by row)
incomplete.py    the Op of rows that miss values, or can belong to some components only
admissible.py    proportions of these, by which the density knows such rows
pruned.py        the Op of the pairs of a row and a component that matter
means.py         the conjugate prior of the means, given Bartlett's variables
rotations.py     uniform rotations as a distribution
axes.py          volume, shape and orientation as variables, and the covariances they make
jax_on_demand.py loads jax.py, the density in JAX, when PyTensor first compiles for it, and
                 jax_incomplete.py, that of incomplete.py
"""

from . import jax_on_demand as jax_on_demand
from .axes import Covariances, covariances_along_axes
from .distribution import GaussianMixture, GaussianMixtureRV
from .means import BartlettNormal
from .op import MixtureLogLikelihood

__all__ = [
    "BartlettNormal",
    "Covariances",
    "GaussianMixture",
    "GaussianMixtureRV",
    "MixtureLogLikelihood",
    "covariances_along_axes",
]
