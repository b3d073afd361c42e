"""Priors of covariances for models of PyMC, in batches (..., d, d), with transforms for NUTS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform, _default_transform
from pytensor.graph import Variable
from pytensor.tensor.random.op import RandomVariable

from ...utils.types import FloatArray
from .correlations import CorrelationFactor


class LogCholesky(Transform):
    """Positive definite L L' by the rows of L, with logarithms of its diagonal."""

    name = "log_cholesky"
    ndim_supp = 2

    def __init__(self, d: int) -> None:
        self.d = d
        rows, columns = np.tril_indices(d)
        self.rows, self.columns = rows, columns
        self.on_diagonal = rows == columns

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The coordinates (..., d(d+1)/2)."""
        packed = pt.linalg.cholesky(value)[..., self.rows, self.columns]
        return pt.where(self.on_diagonal, pt.log(pt.where(self.on_diagonal, packed, 1.0)), packed)

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Sigma."""
        logs = pt.where(self.on_diagonal, value, 0.0)
        numbers = pt.where(self.on_diagonal, pt.exp(logs), value)
        lower = pt.zeros((*[value.shape[i] for i in range(value.ndim - 1)], self.d, self.d))
        lower = lower[..., self.rows, self.columns].set(numbers)
        return lower @ pt.swapaxes(lower, -1, -2)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """With L_ii = exp u_i: 2^d prod L_ii^(d - i + 1), the axis i from 0."""
        powers = self.d + 1.0 - self.rows[self.on_diagonal]
        logs = value[..., np.flatnonzero(self.on_diagonal)]
        return self.d * np.log(2.0) + (powers * logs).sum(axis=-1)


class PartialCorrelations(Transform):
    """Cholesky factors of correlations by tanh^-1 of canonical partial correlations, by rows.

    Lewandowski, Kurowicka & Joe 2009, Journal of Multivariate Analysis 100, eq. 2, 3.
    """

    name = "partial_correlations"
    ndim_supp = 2

    def __init__(self, d: int) -> None:
        self.d = d

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The coordinates (..., d(d-1)/2)."""
        before = pt.cumsum(value**2, axis=-1) - value**2
        z = value / pt.sqrt(pt.maximum(1.0 - before, np.finfo(np.float64).tiny))
        rows, columns = np.tril_indices(self.d, -1)
        return pt.arctanh(z[..., rows, columns])

    def backward(self, value: Any, *inputs: Any) -> Any:
        """The factor."""
        return CorrelationFactor(self.d)(value)[0]

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Sum of log(1 - z^2) and half the logarithms of what is left for each element."""
        return CorrelationFactor(self.d)(value)[1]


class InverseWishartRV(RandomVariable):
    """Inverse Wishart matrices: inputs nu and Psi."""

    name = "inverse_wishart"
    signature = "(),(d,d)->(d,d)"
    dtype = "float64"
    _print_name = ("InverseWishart", "\\operatorname{InverseWishart}")

    @classmethod
    def rng_fn(
        cls, rng: np.random.Generator, nu: FloatArray, psi: FloatArray, size: Any
    ) -> FloatArray:
        """Draw by Bartlett's decomposition: Sigma = (T^-1 L')' (T^-1 L'), Psi = L L'."""
        d = psi.shape[-1]
        batch = np.broadcast_shapes(nu.shape, psi.shape[:-2]) if size is None else tuple(size)
        triangle = np.tril(rng.standard_normal((*batch, d, d)), -1)
        index = np.arange(d)
        triangle[..., index, index] = np.sqrt(rng.chisquare(nu[..., None] - index, (*batch, d)))
        half = np.linalg.solve(triangle, np.swapaxes(np.linalg.cholesky(psi), -1, -2))
        return np.asarray(np.swapaxes(half, -1, -2) @ half)


class InverseWishart(pm.Continuous):
    """Inverse Wishart covariances (..., d, d), which NUTS can sample.

    The density is ``|Psi|^(nu/2) |Sigma|^-((nu+d+1)/2) exp(-tr(Psi Sigma^-1)/2)`` over
    ``2^(nu d/2) Gamma_d(nu/2)``, as `scipy.stats.invwishart` has it.

    Parameters
    ----------
    nu : tensor
        Degrees of freedom, above d - 1; a batch of its own is one of matrices.
    psi : tensor (..., d, d)
        The scale; Psi / (nu - d - 1) is the mean.
    **kwargs
        As of every distribution of PyMC: ``shape=(K, d, d)``, ``dims``.

    Notes
    -----
    Free coordinates are those of the Cholesky factor, with logarithms of its diagonal; d must be
    known when the variable is made.

    Examples
    --------
    >>> import numpy as np, pymc as pm, bayesgmm.pymc
    >>> with pm.Model():
    ...     Sigma = bayesgmm.pymc.InverseWishart("Sigma", 6, np.eye(2), shape=(3, 2, 2))
    >>> Sigma.type.shape
    (3, 2, 2)
    """

    rv_op = InverseWishartRV()

    @classmethod
    def dist(cls, nu: Any, psi: Any, **kwargs: Any) -> pt.TensorVariable:
        """One variable outside a model."""
        return super().dist([pt.as_tensor_variable(v) for v in (nu, psi)], **kwargs)

    @staticmethod
    def support_point(rv: Variable, size: Variable, nu: Variable, psi: Variable) -> Variable:
        """The mode."""
        return pt.broadcast_to(psi / (nu[..., None, None] + psi.shape[-1] + 1.0), rv.shape)

    @staticmethod
    def logp(value: Variable, nu: Variable, psi: Variable) -> Variable:
        """Log density of every matrix."""
        d = value.type.shape[-1]
        lower, of_scale = pt.linalg.cholesky(value), pt.linalg.cholesky(psi)
        half = pt.linalg.solve_triangular(lower, pt.broadcast_to(of_scale, value.shape), lower=True)
        steps = np.arange(d)
        constant = nu * d / 2 * np.log(2.0) + d * (d - 1) / 4 * np.log(np.pi)
        constant += pt.gammaln((nu[..., None] - steps) / 2).sum(axis=-1)
        log_dets = nu * _log_diagonal(of_scale) - (nu + d + 1.0) * _log_diagonal(lower)
        return log_dets - 0.5 * (half**2).sum(axis=(-2, -1)) - constant


def _log_diagonal(lower: Any) -> Any:
    return pt.log(pt.diagonal(lower, 0, -2, -1)).sum(axis=-1)


class LKJCholeskyRV(RandomVariable):
    """Cholesky factors of correlations: inputs eta, and an array of which d is the length."""

    name = "lkj_cholesky"
    signature = "(),(d)->(d,d)"
    dtype = "float64"
    _print_name = ("LKJCholesky", "\\operatorname{LKJCholesky}")

    @classmethod
    def rng_fn(
        cls, rng: np.random.Generator, eta: FloatArray, of_d: FloatArray, size: Any
    ) -> FloatArray:
        """Draw canonical partial correlations, beta variables on (-1, 1), and multiply them."""
        d = of_d.shape[-1]
        batch = np.broadcast_shapes(eta.shape, of_d.shape[:-1]) if size is None else tuple(size)
        shape = eta[..., None, None] + 0.5 * (d - 2.0 - np.arange(d))
        shape = np.broadcast_to(np.where(shape > 0, shape, 1.0), (*batch, d, d))
        z = np.tril(2.0 * rng.beta(shape, shape) - 1.0, -1)
        left = np.cumprod(1.0 - z**2, axis=-1)
        left = np.concatenate([np.ones((*batch, d, 1)), left[..., :-1]], axis=-1)
        return np.asarray(np.tril((z + np.eye(d)) * np.sqrt(left)))


class LKJCholesky(pm.Continuous):
    """Cholesky factors (..., d, d) of correlation matrices with the LKJ density det(R)^(eta - 1).

    A batch of any shape in one variable; ``sd[..., :, None] * C`` are factors of covariances
    (`lkj_covariances` makes both). Lewandowski, Kurowicka & Joe 2009, Journal of Multivariate
    Analysis 100, 1989-2001, eq. 16.

    Parameters
    ----------
    eta : tensor
        Above 0; 1 is uniform over correlation matrices.
    d : int
        Number of columns, at least 2.
    **kwargs
        As of every distribution of PyMC: ``shape=(K, d, d)``, ``dims``.

    Examples
    --------
    >>> import pymc as pm, bayesgmm.pymc
    >>> with pm.Model():
    ...     C = bayesgmm.pymc.LKJCholesky("C", 2.0, 3, shape=(4, 3, 3))
    >>> C.type.shape
    (4, 3, 3)
    """

    rv_op = LKJCholeskyRV()

    @classmethod
    def dist(cls, eta: Any, d: int, **kwargs: Any) -> pt.TensorVariable:
        """One variable outside a model."""
        return super().dist([pt.as_tensor_variable(eta), pt.zeros(int(d))], **kwargs)

    @staticmethod
    def support_point(rv: Variable, size: Variable, eta: Variable, of_d: Variable) -> Variable:
        """No correlation."""
        return pt.broadcast_to(pt.eye(of_d.type.shape[-1]), rv.shape)

    @staticmethod
    def logp(value: Variable, eta: Variable, of_d: Variable) -> Variable:
        """Log density of every factor, in the elements below its diagonal."""
        d = value.type.shape[-1]
        index = np.arange(d)
        powers = d - 1.0 - index + 2.0 * (eta[..., None] - 1.0)
        # A sum's gradient, unlike that of elements taken out, is quickly compiled.
        logs = pt.log((value * np.eye(d)).sum(axis=-1))
        columns = np.arange(1, d)  # d - k partial correlations are beta variables of this shape
        shape = eta[..., None] + 0.5 * (d - 1.0 - columns)
        one = (2.0 * shape - 1.0) * np.log(2.0) + 2.0 * pt.gammaln(shape) - pt.gammaln(2.0 * shape)
        return (powers * logs)[..., 1:].sum(axis=-1) - ((d - columns) * one).sum(axis=-1)


def lkj_covariances(name: str, eta: Any, sd: Any) -> pt.TensorVariable:
    """Cholesky factors (K, d, d) of covariances with LKJ correlations, in the open model.

    Parameters
    ----------
    name : str
        The factors' name; those of the correlations are ``name_corr``.
    eta : tensor
        Of `LKJCholesky`.
    sd : tensor (K, d) or (d,)
        Standard deviations: any variable of the model.

    Returns
    -------
    tensor (K, d, d) or (d, d)
        A deterministic variable, for `GaussianMixture(chol=...)`.

    Examples
    --------
    >>> import numpy as np, pymc as pm, bayesgmm.pymc
    >>> with pm.Model() as model:
    ...     sd = pm.Exponential("sd", 1.0, shape=(3, 2))
    ...     chol = bayesgmm.pymc.lkj_covariances("chol", 2.0, sd)
    >>> [v.name for v in model.free_RVs]
    ['sd', 'chol_corr']
    """
    d = sd.type.shape[-1]
    batch = tuple(sd.shape[i] for i in range(sd.ndim - 1))
    corr = LKJCholesky(f"{name}_corr", eta, d, shape=(*batch, d, d))
    return pm.Deterministic(name, sd[..., :, None] * corr)


@_default_transform.register(InverseWishartRV)
def _of_covariances(op: InverseWishartRV, rv: Variable) -> LogCholesky:
    return LogCholesky(rv.type.shape[-1])


@_default_transform.register(LKJCholeskyRV)
def _of_correlations(op: LKJCholeskyRV, rv: Variable) -> PartialCorrelations:
    return PartialCorrelations(rv.type.shape[-1])
