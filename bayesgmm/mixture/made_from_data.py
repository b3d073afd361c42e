"""Priors made from the data: the library's defaults, and Huang & Wand's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ..data.data import Data, as_data
from ..families.hyperparameters import Gamma
from ..utils.validation import positive, real_array
from .default_priors import (
    conjugate_hyperparameters,
    half_t_hyperparameters,
    lkj_of,
    weakly_informative_hyperparameters,
)
from .share_of_noise import UNIFORM


class MadeFromData:
    """Ways to a prior from the data."""

    @classmethod
    def from_data(
        cls,
        x: Any,
        columns: Sequence[str] | None = None,
        *,
        concentration: float | Gamma = 1.0,
        noise_share: tuple[float, float] = UNIFORM,
        random_scale: bool = False,
        conjugate: bool = False,
        n_components: int | None = None,
        missing: str = "refuse",
    ) -> Self:
        """Weakly informative defaults from the data.

        With R_j the ranges of the columns: b0 the midranges and B0 = diag(R^2) (Richardson &
        Green 1997, JRSS B 59, 731-792, section 2.4); nu = d + 4 and Psi = 0.06 diag(R^2), so that
        the covariances have mean 0.02 diag(R^2) (a standard deviation of 14 % of the range) and
        finite variance.

        Parameters
        ----------
        x : array-like (n, d)
            The data, as for `fit`.
        columns : sequence of str, optional
            Columns to use.
        concentration : float or Gamma
            a of the Dirichlet prior.
        noise_share : (a, b)
            Of the beta prior of the share of noise.
        random_scale : bool
            Psi_jj ~ Gamma(g, h_j) instead, with nu = 2(d + 1), g = (d + 1)/10 and h_j such that
            the covariances have the same mean. For one column that is Richardson & Green's
            sigma^-2 ~ Gamma(2, beta), beta ~ Gamma(0.2, 10/R^2); for two, alpha = 3 and g = 0.3
            are those of Stephens (2000).
        conjugate : bool
            mu_k | Sigma_k ~ Normal(mean of the columns, Sigma_k / 0.01) instead; with nu = d + 2
            and Psi = (covariance of the columns) / K^(2/d) unless the scale is random (Fraley &
            Raftery 2007, J. Classif. 24, 155-181). mclust's `priorControl` for EEE, VVV, E and V.
        n_components : int, optional
            K in the conjugate prior's Psi.
        missing : {"refuse", "marginalize"}
            As for `fit`: ranges, means and covariance are of the values that are there.

        Raises
        ------
        DataError
            Data that are not numeric, or have missing values.
        ValueError
            `conjugate` without `n_components`; columns that are constant or depend on each other.
        """
        data = as_data(x, columns, missing=missing)
        if conjugate:
            values = conjugate_hyperparameters(data, random_scale, n_components)
        else:
            values = weakly_informative_hyperparameters(data, random_scale)
        return cls._of_columns(data, concentration=concentration, noise_share=noise_share, **values)

    @classmethod
    def huang_wand(
        cls,
        x: Any,
        columns: Sequence[str] | None = None,
        *,
        nu: float = 2.0,
        widths: ArrayLike | None = None,
        concentration: float | Gamma = 1.0,
        noise_share: tuple[float, float] = UNIFORM,
        missing: str = "refuse",
    ) -> Self:
        """Half-t standard deviations, and correlations that are uniform for nu = 2.

        Sigma_k ~ InverseWishart(nu + d - 1, Psi), Psi diagonal and random, Psi_jj ~ Gamma(1/2,
        1 / (2 nu A_j^2)) (Huang & Wand 2013, Bayesian Anal. 8, 439-452, with Psi_jj = 2 nu / a_j):
        given Psi inverse Wishart, so that every sampler and the evidence have it. Each standard
        deviation of a full family is then half-t with nu degrees of freedom and scale A_j, each
        correlation has a density in (1 - rho^2)^(nu / 2 - 1). The components have Psi in common, as
        in every `Prior` with a random scale: that keeps one component from being as narrow as fewer
        than 2 + (K - 1) (nu + d - 1) rows of equal values in a column would have it, and several
        that are narrow at once less (`docs/decisions/0049-equal-values-and-narrow-components.md`).
        EM maximises the density with Psi integrated out.

        Parameters
        ----------
        x : array-like (n, d)
            The data, for the prior of the means (that of `from_data`) and the widths.
        columns : sequence of str, optional
            Columns to use.
        nu : float
            Degrees of freedom of the half-t: 1 is half-Cauchy; 2 makes correlations uniform.
        widths : array (d,) or float, optional
            A, in the columns' units; a fifth of the ranges, if left out, so that for nu = 2 half of
            the standard deviations are below 16 % of the range.
        concentration : float or Gamma
            a of the Dirichlet prior.
        noise_share : (a, b)
            Of the beta prior of the share of noise.
        missing : {"refuse", "marginalize"}
            As for `fit`.

        Raises
        ------
        DataError
            Data that are not numeric, or have missing values.
        ValueError
            nu or a width that is not positive.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_faithful()
        >>> prior = bayesgmm.Prior.huang_wand(X)
        >>> fit = bayesgmm.fit(X, 2, prior=prior, random_seed=1)
        >>> fit.weights.round(2).tolist()
        [0.64, 0.36]
        """
        data = as_data(x, columns, missing=missing)
        a = 0.2 * (data.high - data.low) if widths is None else real_array(widths, "widths")
        if a.ndim > 1 or a.size not in (1, data.d) or not np.all(np.isfinite(a) & (a > 0)):
            raise ValueError(f"widths is {widths!r}: pass a positive number for each column.")
        means = weakly_informative_hyperparameters(data, random_scale=False)
        values = means | half_t_hyperparameters(positive(nu, "nu"), np.broadcast_to(a, data.d))
        return cls._of_columns(data, concentration=concentration, noise_share=noise_share, **values)

    @classmethod
    def lkj_from_data(
        cls,
        x: Any,
        columns: Sequence[str] | None = None,
        *,
        eta: float = 1.0,
        nu: float = 3.0,
        widths: ArrayLike | None = None,
        shape: float | None = None,
        scale: ArrayLike | None = None,
        concentration: float | Gamma = 1.0,
        noise_share: tuple[float, float] = UNIFORM,
        missing: str = "refuse",
    ) -> Self:
        """LKJ correlations, with half-t standard deviations or inverse gamma variances.

        Sigma_k = diag(s_k) R_k diag(s_k), all R_k ~ LKJ(eta) and s_kj independent (Barnard,
        McCulloch & Meng 2000, Stat. Sinica 10, 1281-1311, with the correlations of Lewandowski,
        Kurowicka & Joe 2009). For EEE, VVV, EEI, VVI (without correlations), and E and V of one
        column. The means have the prior of `from_data`.

        Parameters
        ----------
        x : array-like (n, d)
            The data, for the prior of the means and the widths.
        columns : sequence of str, optional
            Columns to use.
        eta : float
            Of the LKJ density det(R)^(eta - 1): 1 is uniform, more favours small correlations.
        nu : float
            Degrees of freedom of the half-t; 1 is half-Cauchy.
        widths : array (d,) or float, optional
            Scales of the half-t, in the columns' units; a fifth of the ranges, if left out.
        shape, scale : float and array (d,) or float, optional
            s_kj^2 ~ InverseGamma(shape, scale_j) instead, in the columns' squared units; a scale
            that is left out gives a mean of 0.02 squared ranges, for which the shape exceeds 1.
        concentration : float or Gamma
            a of the Dirichlet prior.
        noise_share : (a, b)
            Of the beta prior of the share of noise.
        missing : {"refuse", "marginalize"}
            As for `fit`.

        Returns
        -------
        Prior

        Raises
        ------
        DataError
            Data that are not numeric, or have missing values.
        ValueError
            A number that is not positive; widths and shape; scale without shape.

        Notes
        -----
        No inverse Wishart, this prior does not keep covariances away from singular ones: its
        density has no maximum, as the likelihood has none. The posterior is proper where no two
        rows have an equal value in a column; where rounding makes some equal, a component of these
        alone may under half-t deviations be as narrow as it likes, and with several components pass
        `shape`, under which it may not. So EM treats degenerate components, and spurious maxima, as
        without a prior, and with few rows to a component it is for `refine` more than for `fit`.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_faithful()
        >>> prior = bayesgmm.Prior.lkj_from_data(X, eta=2)
        >>> fit = bayesgmm.fit(X, 2, prior=prior, random_seed=1)
        >>> fit.weights.round(2).tolist()
        [0.64, 0.36]
        """
        data = as_data(x, columns, missing=missing)
        means = weakly_informative_hyperparameters(data, random_scale=False)
        kept = {name: means[name] for name in ("mean", "mean_covariance")}
        lkj = lkj_of(data, eta=eta, nu=nu, widths=widths, shape=shape, scale=scale)
        return cls._of_columns(
            data, concentration=concentration, noise_share=noise_share, lkj=lkj, **kept
        )

    @classmethod
    def _of_columns(cls, data: Data, **values: Any) -> Self:
        make: Any = cls  # a Prior, which has these fields
        made: Self = make(**values, names=data.names if data.named else None)
        return made

    @classmethod
    def univariate(
        cls,
        mean: float,
        variance: float,
        shape: float,
        scale: float | Gamma,
        concentration: float | Gamma = 1.0,
        noise_share: tuple[float, float] = UNIFORM,
    ) -> Self:
        """Prior for one column: mu ~ Normal(mean, variance), sigma^2 ~ InverseGamma(shape, scale).

        A random scale is Richardson & Green's beta.

        Parameters
        ----------
        mean, variance : float
            Of the normal prior of every component mean.
        shape : float
            Of the inverse gamma prior of every component variance.
        scale : float or Gamma
            Of the same.
        concentration : float or Gamma
            a of the Dirichlet prior.
        noise_share : (a, b)
            Of the beta prior of the share of noise.

        Returns
        -------
        Prior

        Examples
        --------
        >>> from bayesgmm import Prior
        >>> Prior.univariate(mean=20, variance=100, shape=3, scale=20).dof
        6.0
        """
        psi = scale.times(2.0) if isinstance(scale, Gamma) else np.array([2 * scale])
        make: Any = cls  # a Prior, which has these fields
        made: Self = make(
            np.array([mean]), np.array([variance]), 2 * shape, psi, concentration,
            noise_share=noise_share,
        )  # fmt: skip
        return made
