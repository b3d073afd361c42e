"""The prior of a Gaussian mixture, the same for MAP estimates by EM and for the posterior.

    pi ~ Dirichlet(a, ..., a)     mu_k ~ Normal(b0, B0)     Sigma_k ~ InverseWishart(nu, Psi)

or mu_k ~ Normal(b0, Sigma_k / kappa0). On a constrained family the inverse-Wishart density is
restricted to the family: its kernel |Sigma|^-(nu+d+1)/2 exp(-tr(Psi Sigma^-1)/2) enters once per
*distinct* covariance matrix, so a covariance common to all components has one inverse-Wishart
prior and not K of them. a and Psi may be random themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import gammaln

from ..families import Family, get_family
from ..families.hyperparameters import Gamma, plain
from ..families.inverse_wishart import InverseWishart
from ..families.lkj import LKJ
from ..families.parametrisation.parametrisation import parametrisation
from ..kernels.e_step.contract import Parameters
from ..utils.matrices import diagonals
from ..utils.types import FloatArray
from ..utils.validation import check_size, random_stream
from .draws import Draws
from .integrated_scale import expected_scale_given, integrable
from .log_prior import log_kernel_at
from .made_from_data import MadeFromData
from .of_parameters import draw_rows
from .packed_prior import packed_covariances
from .prior_checks import checked_hyperparameters
from .prior_in_words import ShownInWords
from .share_of_noise import UNIFORM


@dataclass(frozen=True, eq=False, repr=False)
class Prior(MadeFromData, ShownInWords):
    """Prior of a Gaussian mixture, given by its hyperparameters.

    Parameters
    ----------
    mean : array (d,)
        b0, prior mean of every component mean, in the data's units.
    mean_covariance : array (d, d) or (d,), or None
        B0, prior covariance (or variances) of every component mean, whatever Sigma_k; None where
        `mean_strength` is given.
    dof : float, optional
        nu > d - 1, degrees of freedom of the inverse Wishart. None where `lkj` is given.
    scale : array (d, d) or (d,), or Gamma, optional
        Psi, scale matrix (or its diagonal) of the inverse Wishart, whose mean is
        Psi / (nu - d - 1). `Gamma(g, h)` with h one rate or (d,): Psi is diagonal and random, the
        same in all components, with independent Psi_jj ~ Gamma(g, h_j) (the hierarchical prior
        of Richardson & Green 1997, JRSS B 59, 731-792, for which Psi_jj is 2 beta; of several
        columns as in Stephens 2000, Ann. Statist. 28, 40-74, but for its Wishart).
    concentration : float or Gamma
        a > 0 of the symmetric Dirichlet prior of the proportions; 1 is uniform. Well below 1
        components that the data do not need are emptied (sparse finite mixture: Malsiner-Walli,
        Fruehwirth-Schnatter & Gruen 2016, Stat. Comput. 26, 303-324); theirs is Gamma(10, 10 K).
    mean_strength : float, optional
        kappa0 > 0 of the conjugate prior mu_k | Sigma_k ~ Normal(b0, Sigma_k / kappa0), which is
        worth so many rows at b0; give it or `mean_covariance`, not both.
    names : sequence of d str, optional
        The columns it is for, in this order; no others are then accepted.
    integrate_scale : bool
        EM maximises the density with the random scale integrated out, and not with the scale at
        its mean. The posterior is the same. Not for EII and VII of several columns.
    lkj : LKJ, optional
        Instead of dof and scale, and without `mean_strength`: see `Prior.lkj_from_data`.
    noise_share : (a, b)
        Of the beta prior of the share of noise, where a fit has noise; uniform, if left out.
        (a, K a) beside a concentration of a is a Dirichlet prior of all K + 1 shares.

    Raises
    ------
    ValueError
        A shape that does not fit, a matrix that is not positive definite, nu <= d - 1, a <= 0,
        kappa0 <= 0, none or both of `mean_covariance` and `mean_strength`, `noise_share` that is
        not two positive numbers.

    Notes
    -----
    For one column InverseWishart(nu, Psi) is the inverse gamma of shape nu/2 and scale Psi/2:
    `Prior.univariate` takes those two. A diagonal family has independent inverse gammas of shape
    (nu + d - 1)/2 and scales Psi_jj/2, a spherical one an inverse gamma of shape
    d(nu + d + 1)/2 - 1 and scale tr(Psi)/2 (the restricted densities).

    A posterior has draws of random hyperparameters, as `concentration` and `scale`. EM takes them
    at their prior means (`expected_concentration`, `expected_scale`) or integrates the scale out
    (`integrate_scale`), and refuses a concentration below 1, under which the posterior has its
    maxima at empty components: fit without a prior, or under one of concentration 1, and pass the
    sparse one to `refine`. It refuses a or b of `noise_share` below 1 likewise.

    Examples
    --------
    >>> from bayesgmm import Gamma, Prior
    >>> prior = Prior(mean=[4, 76], mean_covariance=[12.25, 2809], dof=6, scale=[0.735, 168.54])
    >>> prior.scale.shape
    (2, 2)
    >>> Prior.univariate(mean=20, variance=625, shape=2, scale=Gamma(0.2, 0.016))
    Prior
      pi      ~ Dirichlet(1, ..., 1)
      mu_k    ~ Normal(20, 625)
      Sigma_k ~ InverseGamma(2, scale / 2)
      scale   ~ Gamma(0.2, 0.008)
    """

    mean: FloatArray
    mean_covariance: FloatArray | None
    dof: float | None = None
    scale: FloatArray | Gamma | None = None
    concentration: float | Gamma = 1.0
    mean_strength: float | None = None
    names: tuple[str, ...] | None = None
    integrate_scale: bool = False
    lkj: LKJ | None = None
    noise_share: tuple[float, float] = UNIFORM

    def __post_init__(self) -> None:
        vars(self).update(checked_hyperparameters(**vars(self)))  # the instance is frozen

    @property
    def d(self) -> int:
        """Number of columns."""
        return len(self.mean)

    @property
    def random(self) -> tuple[str, ...]:
        """Names of the hyperparameters that are random themselves."""
        return tuple(n for n in ("concentration", "scale") if isinstance(getattr(self, n), Gamma))

    @property
    def random_concentration(self) -> bool:
        """Whether a is random itself."""
        return isinstance(self.concentration, Gamma)

    @property
    def expected_concentration(self) -> float:
        """a, or its prior mean if it is random."""
        a = self.concentration
        return float(a.mean) if isinstance(a, Gamma) else a

    @property
    def expected_scale(self) -> FloatArray:
        """Psi (d, d), or its prior mean if it is random."""
        return self.inverse_wishart.expected_scale

    @property
    def bounded(self) -> bool:
        """Whether the posterior density is bounded, as it is but for LKJ priors."""
        return self.lkj is None

    @property
    def for_em(self) -> Prior:
        """The prior of MAP-EM: concentrations below 1, whose mode is an empty component, are 1.

        So are those of the share of noise.
        """
        concentration = max(self.expected_concentration, 1.0)
        a, b = (max(value, 1.0) for value in self.noise_share)
        return replace(self, concentration=concentration, noise_share=(a, b))

    def scale_given(self, covariances: FloatArray, family: Family) -> FloatArray:
        """Psi's diagonal as EM takes it at covariances (K, d, d) or (K, d) of the family.

        Parameters
        ----------
        covariances : array (K, d, d) or (K, d)
            Where the scale is asked for.
        family : Family
            Theirs.

        Returns
        -------
        array (d,)
        """
        if isinstance(self.scale, Gamma) and self.integrate_scale and integrable(family, self.d):
            return expected_scale_given(self.scale, self.inverse_wishart.dof, family, covariances)
        return np.diagonal(self.expected_scale).copy()

    @cached_property
    def inverse_wishart(self) -> InverseWishart:
        """The prior of the covariances, where it is this one."""
        assert self.dof is not None and self.scale is not None
        return InverseWishart(self.d, self.dof, self.scale)

    @property
    def of_covariances(self) -> InverseWishart | LKJ:
        """The prior of the covariances."""
        return self.inverse_wishart if self.lkj is None else self.lkj

    def sample(
        self,
        n_components: int,
        family: str | Family = "VVV",
        draws: int = 1000,
        random_seed: int | np.random.Generator | None = None,
    ) -> Draws:
        """Independent draws of the parameters from the prior, in NumPy.

        What NUTS gives on `build_model(..., likelihood=False)`, and the `prior` group of
        `pm.sample_prior_predictive`. Random hyperparameters are drawn anew for every draw.

        Parameters
        ----------
        n_components : int
            K.
        family : str or Family
            Any; for one column E or V. Axes are drawn by Gibbs sampling, a chain for every draw.
        draws : int
            How many, S.
        random_seed : int or Generator, optional
            Seed.

        Returns
        -------
        Draws
            `weights` (S, K), `means` (S, K, d), and `covariances` (S, K, d, d), or variances
            (S, K, d) for a diagonal family.

        Raises
        ------
        ValueError
            Less than one component or draw.

        Examples
        --------
        >>> from bayesgmm import Prior
        >>> prior = Prior.univariate(mean=20, variance=100, shape=3, scale=20)
        >>> prior.sample(2, "V", draws=500, random_seed=1).means.shape
        (500, 2, 1)
        """
        n_components = check_size("n_components", n_components, self.d**2)
        draws = check_size("draws", draws, n_components * self.d**2)
        rng = random_stream(random_seed)
        family, d = get_family(family, self.d), self.d
        form = parametrisation(family, n_components, d, lkj=self.lkj)
        covariances = form.draw(self.of_covariances, rng, draws)
        spread = covariances / (self.mean_strength or 1.0)
        if self.mean_covariance is not None:
            spread = self.mean_covariance
        z = rng.standard_normal((draws, n_components, d, 1))
        means = self.mean + (np.linalg.cholesky(spread) @ z)[..., 0]
        if family.diagonal:
            covariances = diagonals(covariances).copy()
        return Draws(self._draw_weights(rng, draws, n_components), means, covariances)

    def _draw_weights(self, rng: np.random.Generator, draws: int, n_components: int) -> FloatArray:
        a = self.concentration
        each = a.draw(rng, draws) if isinstance(a, Gamma) else np.full(draws, a)
        return np.array([rng.dirichlet(np.full(n_components, v)) for v in each])

    def predictive(
        self,
        n_rows: int,
        n_components: int,
        family: str | Family = "VVV",
        draws: int = 100,
        random_seed: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """Data sets from the prior predictive distribution, each from a mixture of its own.

        Parameters
        ----------
        n_rows : int
            Rows of each data set, n.
        n_components, family, draws, random_seed
            As for `sample`.

        Returns
        -------
        array (S, n, d)
            In the units of the prior.

        Examples
        --------
        >>> import bayesgmm
        >>> prior = bayesgmm.Prior.from_data(bayesgmm.datasets.load_faithful())
        >>> prior.predictive(272, n_components=2, draws=20, random_seed=1).shape
        (20, 272, 2)
        """
        draws = check_size("draws", draws, self.d)
        n_rows = check_size("n_rows", n_rows, self.d * draws)
        rng = random_stream(random_seed)
        mixtures = self.sample(n_components, family, draws, rng).parameters(np.zeros(self.d))
        return np.array([draw_rows(mixture, n_rows, rng)[0] for mixture in mixtures])

    def log_density(self, parameters: Parameters, family: Family, center: FloatArray) -> float:
        """Log prior density of the parameters (means given about `center`).

        With respect to the free elements of (pi, mu) and of the distinct covariances: all of
        Sigma's for full families, its variances for diagonal ones, lambda for spherical ones.
        Normalised for those; for a family that restricts Sigma in other ways the restricted
        density's constant (`families/log_constants.py`) is left out. Random hyperparameters are at
        their means or integrated out, as EM takes them.

        Parameters
        ----------
        parameters : Parameters
            Of the mixture.
        family : Family
            The family of its covariances.
        center : array (d,)
            The origin of its means, in the data's units.

        Returns
        -------
        float
        """
        k = len(parameters.weights)
        kernel = log_kernel_at(parameters, family, self.packed(center, family, k))
        return kernel + self.log_constant(family, k)

    def log_constant(self, family: Family, n_components: int) -> float:
        """The log normalising constant in `log_density`, as far as it is known.

        Parameters
        ----------
        family : Family
            The family of the covariances.
        n_components : int
            K.

        Returns
        -------
        float
        """
        d, a = self.d, self.expected_concentration
        total = float(gammaln(n_components * a) - n_components * gammaln(a))
        total -= 0.5 * n_components * (d * np.log(2 * np.pi) + self._log_det_of_means())
        distinct = 1 if family.common else n_components
        return total + distinct * self.of_covariances.log_constant(family)

    def at_means(self) -> Prior:
        """The prior with random hyperparameters at their means.

        Returns
        -------
        Prior
        """
        scale = None if self.lkj is not None else self.expected_scale
        concentration = self.expected_concentration
        return replace(self, concentration=concentration, scale=scale, integrate_scale=False)

    def _log_det_of_means(self) -> float:
        """Log |B0|, or log |I / kappa0| of the conjugate prior."""
        if self.mean_covariance is None:
            return -self.d * float(np.log(self.mean_strength or 1.0))
        return float(np.linalg.slogdet(self.mean_covariance)[1])

    def packed(self, center: FloatArray, family: Family, n_components: int) -> FloatArray:
        """The hyperparameters about `center`, as compiled code reads them.

        Parameters
        ----------
        center : array (d,)
            The origin, in the data's units.
        family : Family
            The family of the covariances.
        n_components : int
            K.

        Returns
        -------
        array
        """
        spread = np.eye(self.d) if self.mean_covariance is None else self.mean_covariance
        dof, of_covariances = packed_covariances(
            self.of_covariances, self.integrate_scale, family, n_components
        )
        return np.concatenate([
            [self.expected_concentration, dof, self.mean_strength or 0.0],
            self.mean - center,  # rounded once, so that an offset of the data adds no noise
            spread.ravel(),
            np.linalg.cholesky(spread).ravel(),
            of_covariances,
        ])  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The hyperparameters as plain values: `Prior(**prior.to_dict())` is the same prior.

        Returns
        -------
        dict of str to float, list or dict
        """
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__}
