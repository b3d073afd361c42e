"""The LKJ prior of covariances: correlations and standard deviations that are independent.

Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001. With v_j the
variances the density of Sigma is in |Sigma|^(eta - 1) prod_j v_j^-(eta - 1 + (d - 1)/2) p(v_j).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, gammaln

from ..utils.types import FloatArray
from ..utils.validation import positive, real_array
from .family import Family
from .hyperparameters import show


class Terms(NamedTuple):
    """A density of variances: log p(v) = constant - (power + 1) log v - beta log(1 + v / c) - b/v.

    root is 2 where standard deviations are what has the distribution, else 1.
    """

    root: float
    power: float
    beta: float
    c: FloatArray
    b: FloatArray
    constant: FloatArray


@final
@dataclass(frozen=True, eq=False)
class LKJ:
    """Covariances diag(s) R diag(s) with R ~ LKJ(eta), for `Prior(lkj=...)`; give widths, or shape.

    Parameters
    ----------
    eta : float
        Positive: the density of R is in det(R)^(eta - 1), 1 is uniform over correlation matrices.
    widths : array (d,), optional
        s_j ~ half-t with `nu` degrees of freedom and scale widths_j, in the columns' units.
    nu : float
        Of the half-t; 1 is half-Cauchy.
    shape : float, optional
        s_j^2 ~ InverseGamma(shape, scale_j) instead.
    scale : array (d,), optional
        Of these, in the columns' squared units.

    Raises
    ------
    ValueError
        A number that is not positive; widths and shape, or neither.

    Examples
    --------
    >>> from bayesgmm import LKJ, Prior
    >>> Prior([0, 0], [9, 9], lkj=LKJ(2, widths=[1, 1], nu=4))
    Prior
      pi      ~ Dirichlet(1, ..., 1)
      mu_k    ~ Normal((0, 0), diag(9, 9))
      Sigma_k ~ LKJ(2), deviations half-t(4, (1, 1))
    """

    eta: float = 1.0
    widths: ArrayLike | None = None
    nu: float = 3.0
    shape: float | None = None
    scale: ArrayLike | None = None

    def __post_init__(self) -> None:
        if (self.widths is None) == (self.shape is None) or (self.shape is None) != (
            self.scale is None
        ):
            raise ValueError("LKJ takes widths, or shape and scale: give one of the two.")
        values: dict[str, Any] = {"eta": positive(self.eta, "LKJ eta")}
        values["nu"] = positive(self.nu, "LKJ nu")
        if self.shape is not None:
            values["shape"] = positive(self.shape, "LKJ shape")
        name = "widths" if self.shape is None else "scale"
        each = np.atleast_1d(real_array(getattr(self, name), f"LKJ {name}"))
        if each.ndim > 1 or not np.all(np.isfinite(each) & (each > 0)):
            raise ValueError(f"LKJ {name} is {each}: pass a positive number for each column.")
        each.flags.writeable = False
        vars(self).update(values | {name: each})  # the instance is frozen

    #: Nothing in it is random itself.
    random_scale = False

    @property
    def sizes(self) -> FloatArray:
        """The widths or scales (d,)."""
        return np.asarray(self.widths if self.shape is None else self.scale)

    @property
    def d(self) -> int:
        """Number of columns."""
        return len(self.sizes)

    @property
    def terms(self) -> Terms:
        """The density of the variances."""
        each, none = self.sizes, np.zeros(self.d)
        if self.shape is not None:
            constant = self.shape * np.log(each) - gammaln(self.shape)
            return Terms(1.0, self.shape, 0.0, none + 1.0, each, constant)
        half = 0.5 * self.nu
        c = self.nu * each**2
        constant = gammaln(half + 0.5) - gammaln(half) - 0.5 * np.log(np.pi * c)
        return Terms(2.0, -0.5, half + 0.5, c, none, constant)

    def check_family(self, family: Family) -> None:
        """Refuse a family in which deviations and correlations are not free.

        Parameters
        ----------
        family : Family
            A mixture's.

        Raises
        ------
        ValueError
            It is another than EEI, VVI, EEE, VVV, or E and V of one column.
        """
        free = family.conjugate and (self.d == 1 or not family.spherical)
        if not free:
            raise ValueError(
                f"family {family.name} has no LKJ prior, which leaves each standard deviation "
                "free: choose EEE, VVV, EEI or VVI, or a prior with dof and scale."
            )

    @property
    def beta_shapes(self) -> FloatArray:
        """Of (1 + z)/2 with z the partial correlations, by rows of the strict lower triangle."""
        columns = np.tril_indices(self.d, -1)[1]
        return np.asarray(self.eta + 0.5 * (self.d - 2.0 - columns))

    def log_constant(self, family: Family) -> float:
        """Log of the constant of one covariance's density.

        Parameters
        ----------
        family : Family
            Diagonal ones have no correlations.

        Returns
        -------
        float
        """
        total = float(np.sum(self.terms.constant))
        if family.spherical or family.diagonal:
            return total
        shapes = self.beta_shapes
        return total - float(np.sum((2.0 * shapes - 1.0) * np.log(2.0) + betaln(shapes, shapes)))

    def packed(self, family: Family) -> FloatArray:
        """The density as EM reads it: the power of every v_j, beta, c (d,), b (d,).

        Parameters
        ----------
        family : Family
            Diagonal ones have no correlations.

        Returns
        -------
        array (2 + 2 d,)
        """
        terms = self.terms
        power = terms.power + 1.0
        if not (family.spherical or family.diagonal):
            power += self.eta - 1.0 + 0.5 * (self.d - 1)
        return np.concatenate([[power, terms.beta], terms.c, terms.b])

    def to_dict(self) -> dict[str, Any]:
        """What it was made of, as plain numbers and lists.

        Returns
        -------
        dict
        """
        if self.shape is None:
            return {"eta": self.eta, "widths": self.sizes.tolist(), "nu": self.nu}
        return {"eta": self.eta, "shape": self.shape, "scale": self.sizes.tolist()}

    def in_words(self) -> tuple[str, str, str]:
        """The parameter, its distribution and a note.

        Returns
        -------
        tuple of str
        """
        each = show(self.sizes)
        law = f"deviations half-t({self.nu:g}, {each})"
        if self.shape is not None:
            law = f"variances InverseGamma({self.shape:g}, {each})"
        return "Sigma_k", f"LKJ({self.eta:g}), {law}", "correlations uniform" * (self.eta == 1)
