"""Covariance families as values: Sigma_k = lambda_k D_k A_k D_k' (volume, shape, orientation).

    get_family("VVV", d)           -> Family
    family.estimate(counts, W)     -> covariances of the M-step
    family.n_parameters(K, d)      -> free parameters, for BIC and its like
"""

from .family import FAMILIES, Family, get_family

__all__ = ["FAMILIES", "Family", "get_family"]
