"""Priors of the number of components, and of how many of them hold rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import betaln, gammaln, roots_legendre

from ..families.hyperparameters import Gamma
from ..utils.display import Displayed
from ..utils.types import FloatArray
from ..utils.validation import check_integer, check_probability, positive, real_array
from .filled_components import filled_probabilities

# Components beyond which the priors with infinitely many values are cut off.
_MOST = 100
# Most components at all, and nodes of the integral over a random concentration.
_LIMIT, _NODES = 1000, 24


@dataclass(frozen=True, eq=False, repr=False)
class PriorOnK(Displayed):
    """Prior of the number K of components: probabilities of K = 1, 2, ..., M.

    Made by `uniform`, `geometric`, `poisson`, `negative_binomial`, `beta_negative_binomial`
    (K - 1 has that distribution, cut off at M = 100 or `max_components` and normalised), by `fixed`
    for one K, the sparse finite mixture, or from any probabilities.

    Parameters
    ----------
    probabilities : array (M,)
        p(K = 1), ..., p(K = M), up to a factor.
    text : str
        The distribution in words.

    Raises
    ------
    ValueError
        Probabilities that are negative or all 0, or more than 1000.

    See Also
    --------
    sample_components : The posterior of the number of components.

    References
    ----------
    Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Anal. 16, 1279-1307, section 2.

    Examples
    --------
    >>> from bayesgmm import PriorOnK
    >>> PriorOnK.beta_negative_binomial(1, 4, 3).probabilities[:3].round(3)
    array([0.571, 0.214, 0.095])
    >>> PriorOnK.uniform(30)
    Prior of K: uniform on 1, ..., 30
      mean: 15.5
      K = 1, 2, ...: 0.033, 0.033, 0.033, 0.033, 0.033, 0.033, 0.033, 0.033, 0.033, 0.033, ...
    """

    probabilities: FloatArray
    text: str = "given probabilities"

    def __post_init__(self) -> None:
        p = np.atleast_1d(real_array(self.probabilities, "probabilities of K"))
        if p.ndim != 1 or not len(p) <= _LIMIT or not np.all(p >= 0) or not 0 < p.sum() < np.inf:
            raise ValueError(
                f"probabilities of K have shape {p.shape}: pass at most {_LIMIT} numbers of at "
                "least 0, not all of them 0, for K = 1, 2, ..."
            )
        p = p[: np.flatnonzero(p)[-1] + 1] / p.sum()
        p.flags.writeable = False
        object.__setattr__(self, "probabilities", p)

    @classmethod
    def uniform(cls, max_components: int = 30) -> Self:
        """K uniform on 1, ..., max_components (Richardson & Green 1997 with 30).

        Parameters
        ----------
        max_components : int
            The largest number of components.
        """
        most = check_integer("max_components", max_components, 1, _LIMIT)
        return cls(np.ones(most), f"uniform on 1, ..., {most}")

    @classmethod
    def fixed(cls, n_components: int) -> Self:
        """K known: with a small concentration the sparse finite mixture.

        Parameters
        ----------
        n_components : int
            The number of components.
        """
        k = check_integer("n_components", n_components, 1, _LIMIT)
        return cls(np.eye(k)[-1], f"K = {k}")

    @classmethod
    def geometric(cls, p: float = 0.1, max_components: int = _MOST) -> Self:
        """K - 1 ~ Geometric: p(K) = p (1 - p)^(K - 1).

        Parameters
        ----------
        p : float
            The probability that it ends at each number.
        max_components : int
            The largest number kept.
        """
        p = check_probability("p", p)
        return cls._of_log(lambda k: k * np.log1p(-p), max_components, f"Geometric({p:g})")

    @classmethod
    def poisson(cls, rate: float = 1.0, max_components: int = _MOST) -> Self:
        """K - 1 ~ Poisson(rate).

        Parameters
        ----------
        rate : float
            The mean of K - 1.
        max_components : int
            The largest number kept.
        """
        rate = positive(rate, "rate")
        return cls._of_log(
            lambda k: k * np.log(rate) - gammaln(k + 1), max_components, f"Poisson({rate:g})"
        )

    @classmethod
    def negative_binomial(cls, n: float, p: float, max_components: int = _MOST) -> Self:
        """K - 1 ~ NegativeBinomial(n, p), of mean n (1 - p) / p, as in SciPy and PyMC.

        Parameters
        ----------
        n, p : float
            Its parameters, for K - 1.
        max_components : int
            The largest number kept.
        """
        n, p = positive(n, "n"), check_probability("p", p)
        return cls._of_log(
            lambda k: gammaln(n + k) - gammaln(k + 1) + k * np.log1p(-p),
            max_components,
            f"NegativeBinomial({n:g}, {p:g})",
        )

    @classmethod
    def beta_negative_binomial(
        cls, n: float = 1.0, a: float = 4.0, b: float = 3.0, max_components: int = _MOST
    ) -> Self:
        """K - 1 ~ NegativeBinomial(n, p), p ~ Beta(a, b); of mean n b / (a - 1).

        (1, 4, 3) is recommended by Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021): 57 % of its
        mass is on K = 1, its mean is 2, and its tail is heavy.

        Parameters
        ----------
        n, a, b : float
            Its parameters, for K - 1.
        max_components : int
            The largest number kept.
        """
        n, a, b = positive(n, "n"), positive(a, "a"), positive(b, "b")
        return cls._of_log(
            lambda k: gammaln(n + k) - gammaln(k + 1) + betaln(a + n, b + k),
            max_components,
            f"BetaNegativeBinomial({n:g}, {a:g}, {b:g})",
        )

    @classmethod
    def _of_log(cls, log_mass: Any, max_components: int, text: str) -> Self:
        """The prior of which K - 1 = k has a mass proportional to exp(log_mass(k))."""
        k = np.arange(check_integer("max_components", max_components, 1, _LIMIT))
        logs = log_mass(k)
        return cls(np.exp(logs - logs.max()), f"K - 1 ~ {text}")

    @property
    def max_components(self) -> int:
        """The largest K that it allows, M."""
        return len(self.probabilities)

    @property
    def mean(self) -> float:
        """The prior mean of K."""
        return float(self.probabilities @ np.arange(1, len(self.probabilities) + 1))

    def filled(
        self, n_rows: int, concentration: float | Gamma = 1.0, *, dynamic: bool = False
    ) -> FloatArray:
        """What it implies for the number K+ of components that hold rows, exactly.

        Parameters
        ----------
        n_rows : int
            Number of rows.
        concentration : float or Gamma
            a of pi ~ Dirichlet(a, ..., a).
        dynamic : bool
            The Dirichlet's concentration is a / K instead.

        Returns
        -------
        array (M,)
            Prior probabilities of K+ = 1, ..., M. Over a random concentration they are integrated
            by Gauss-Legendre quadrature in its quantiles.

        Notes
        -----
        Time grows with n_rows M^2, and with 24 times that for a random concentration.

        Examples
        --------
        >>> from bayesgmm import PriorOnK
        >>> PriorOnK.uniform(3).filled(4).round(3)
        array([0.533, 0.4  , 0.067])
        """
        n_rows = check_integer("n_rows", n_rows, 1)
        total = np.zeros(self.max_components)
        for a, weight in _nodes(concentration):
            for k in np.flatnonzero(self.probabilities) + 1:
                share = weight * self.probabilities[k - 1]
                total[:k] += share * filled_probabilities(n_rows, int(k), a / k if dynamic else a)
        return total

    def _title(self) -> str:
        return f"Prior of K: {self.text}"

    def _lines(self) -> list[tuple[str, str]]:
        shown = ", ".join(f"{p:.3f}" for p in self.probabilities[:10])
        more = ", ..." if self.max_components > 10 else ""
        return [("mean", f"{self.mean:.4g}"), ("K = 1, 2, ...", shown + more)]


def as_prior_on_k(value: Any) -> PriorOnK:
    """The prior, or that of an array of probabilities."""
    return value if isinstance(value, PriorOnK) else PriorOnK(value)


def _nodes(concentration: float | Gamma) -> list[tuple[float, float]]:
    """Values of the concentration and their weights."""
    if not isinstance(concentration, Gamma):
        return [(positive(concentration, "concentration"), 1.0)]
    from scipy.stats import gamma

    x, weights = roots_legendre(_NODES)
    values = gamma.ppf(0.5 * (x + 1), concentration.shape) / concentration.rate
    return list(zip(values.tolist(), (0.5 * weights).tolist(), strict=True))
