"""Covariance families: letters, M-steps, free variables, the bound on eigenvalues.

Sigma_k = lambda_k D_k A_k D_k': volume, shape, orientation.

`get_family("VVV", d)` gives a Family, `family.estimate(counts, scatters)` the covariances of its
M-step, and `family.n_parameters(K, d)` its free parameters, for BIC and its like.
"""

from .family import FAMILIES, Family, FamilyName, get_families, get_family, simplest_name

__all__ = ["FAMILIES", "Family", "FamilyName", "get_families", "get_family", "simplest_name"]
