"""A covariance family is three letters; what follows from them is worked out here.

Volume, shape and orientation are each E (equal in all components), V (variable) or, for shape
and orientation, I (identity): Celeux & Govaert (1995), Pattern Recognition 28, 781-793.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..kernels.compilation import Entry
from ..utils.types import FloatArray
from .letters import FREEDOM, Letter
from .m_steps import WarmStart, m_step
from .matrices import Codes

#: The families' names, E and V those of one column; a parameter is `FamilyName | str`, so that
#: editors complete it and names made by a program are taken.
FamilyName = Literal[
    "EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV",
    "VVV", "E", "V",
]  # fmt: skip
# Sweeps of the inner iterations that some M-steps need, when they are to reach the optimum.
_SWEEPS = 1000


@dataclass(frozen=True, slots=True, repr=False)
class Family:
    """One covariance family, named by its letters.

    Attributes
    ----------
    volume : Letter
        E or V.
    shape, orientation : Letter
        E, V or I.
    univariate : bool
        Written with its one letter ("E", "V"), as mclust does for a single column.

    Examples
    --------
    >>> from bayesgmm.families import get_family
    >>> family = get_family("VVI", d=4)
    >>> family.name, family.diagonal, family.n_parameters(n_components=3, d=4)
    ('VVI', True, 26)
    """

    volume: Letter
    shape: Letter
    orientation: Letter
    univariate: bool = False

    @property
    def name(self) -> str:
        """The letters, as mclust writes them."""
        return "".join(self.letters[:1] if self.univariate else self.letters)

    @property
    def letters(self) -> tuple[Letter, Letter, Letter]:
        """Volume, shape and orientation."""
        return self.volume, self.shape, self.orientation

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        if self.univariate:
            return f"<Family {self.name}: variances {self.volume.word}>"
        letters = {"volumes": self.volume, "shapes": self.shape, "orientations": self.orientation}
        words = ", ".join(f"{name} {letter.word}" for name, letter in letters.items())
        return f"<Family {self.name}: {words}>"

    @property
    def codes(self) -> Codes:
        """Volume, shape and orientation as compiled code reads them."""
        return Codes(self.volume.code, self.shape.code, self.orientation.code)

    @property
    def m_step(self) -> Entry:
        """The M-step, compiled."""
        _, shape, orientation = self.codes
        return m_step(shape, orientation)

    @property
    def diagonal(self) -> bool:
        """Whether every covariance is diagonal: variances (K, d) then stand for it."""
        return self.orientation == Letter.IDENTITY and not self.univariate

    @property
    def spherical(self) -> bool:
        """Whether every covariance is a multiple of the identity."""
        return self.shape == Letter.IDENTITY or self.univariate

    @property
    def common(self) -> bool:
        """Whether all components share one covariance matrix."""
        return Letter.VARIABLE not in self.letters

    @property
    def conjugate(self) -> bool:
        """Whether the inverse Wishart restricted to the family has a known normalising constant.

        Volume and shape then vary together, as inverse gammas or as whole matrices.
        """
        whole = self.volume == self.shape and self.orientation in (Letter.IDENTITY, self.volume)
        return self.spherical or whole

    @property
    def one_scale(self) -> bool:
        """Whether a random scale is one number: Psi's diagonal has fixed ratios.

        So where the inverse Wishart is restricted to covariances with axes: its constant depends
        on these ratios by an average over rotations.
        """
        return not self.conjugate and self.orientation != Letter.IDENTITY

    @property
    def boundable(self) -> bool:
        """Whether the eigenvalues are free of each other, so that they can be cut one by one."""
        common_axes_alone = self.shape == Letter.VARIABLE and self.orientation == Letter.EQUAL
        return self.spherical or (self.volume == self.shape and not common_axes_alone)

    def n_covariance_parameters(self, n_components: int, d: int) -> int:
        """Free parameters of the covariances (Celeux & Govaert 1995, table 1)."""
        volume, shape, orientation = (letter.number(n_components) for letter in self.letters)
        return volume + shape * (d - 1) + orientation * (d * (d - 1) // 2)

    def n_parameters(self, n_components: int, d: int) -> int:
        """All free parameters: proportions, means and covariances."""
        return n_components - 1 + n_components * d + self.n_covariance_parameters(n_components, d)

    def contains(self, other: Family) -> bool:
        """Whether every mixture of `other` is one of this family (I within E within V)."""
        pairs = zip(self.letters, other.letters, strict=True)
        return all(FREEDOM.index(a) >= FREEDOM.index(b) for a, b in pairs)

    def fewest_rows(self, d: int) -> int:
        """The rows that a component itself needs for what its covariance does not share; or 0.

        With fewer, its covariance can become singular: one row has no volume, and d rows lie in a
        hyperplane, to which the axes can turn.
        """
        if Letter.VARIABLE in (self.shape, self.orientation):
            return 2 if self.diagonal or self.spherical else d + 1
        return 2 if self.volume == Letter.VARIABLE else 0

    def fewest_shared_rows(self, d: int) -> int:
        """The rows that K components need together, less one for every mean but the first."""
        return 2 if self.spherical or self.diagonal else d + 1

    def estimate(self, counts: FloatArray, scatters: FloatArray) -> FloatArray:
        """The M-step: covariances that maximise the expected log-likelihood.

        Minimises sum_k tr(W_k Sigma_k^-1) + n_k log|Sigma_k| over the family.

        Parameters
        ----------
        counts : array (K,)
            n_k, the expected number of rows of each component.
        scatters : array (K, d, d), or (K, d) for a diagonal family
            W_k about the component means, in the user's units squared.

        Returns
        -------
        array
            Sigma_k (K, d, d), or variances (K, d) for a diagonal family; not a number where a
            singular scatter leaves the optimum undefined.
        """
        n_components, d = scatters.shape[:2]
        # Copies: what is handed in may be read only, or not be contiguous.
        stack = np.array(scatters.reshape(n_components, -1, d), dtype=np.float64, order="C")
        out = np.empty_like(stack)
        with np.errstate(all="ignore"):
            self.m_step(
                self.codes, 0.0, np.array(counts, dtype=np.float64), stack, _SWEEPS, False,
                WarmStart(np.empty(n_components), np.empty((d, d))), out,
            )  # fmt: skip
        return out.reshape(scatters.shape)


*_ALL, _EQUAL, _VARIABLE = get_args(FamilyName)
FAMILIES: dict[str, Family] = {
    name: Family(Letter(name[0]), Letter(name[1]), Letter(name[2])) for name in _ALL
}

_UNIVARIATE = {
    name: Family(Letter(name), Letter.IDENTITY, Letter.IDENTITY, univariate=True)
    for name in (_EQUAL, _VARIABLE)
}
_SCIKIT_LEARN = {"spherical": "VII", "diag": "VVI", "tied": "EEE", "full": "VVV"}


def simplest_name(name: str, n_components: int) -> str:
    """The simplest of the families that are one model with so many components, by their names.

    In one component nothing varies, so that with K = 1 each of "EEE", "VVV" and six others is one
    model, of as many parameters.

    >>> simplest_name("VEV", 1), simplest_name("VEV", 2)
    ('EEE', 'VEV')
    """
    return name.replace(Letter.VARIABLE, Letter.EQUAL) if n_components == 1 else name


def get_family(name: str | Family, d: int) -> Family:
    """The family of that name for data of d columns.

    For one column every family is "E" (equal variances) or "V", after its volume, as in mclust.
    scikit-learn's "spherical", "diag", "tied" and "full" are VII, VVI, EEE and VVV.

    Raises
    ------
    ValueError
        Unknown name, or "E"/"V" for more than one column.
    """
    if isinstance(name, Family):
        name = name.name
    letters = _SCIKIT_LEARN.get(name, name) if isinstance(name, str) else None
    if letters in _UNIVARIATE:
        if d > 1:
            raise ValueError(
                f"covariance_type {name!r} is for one column and the data have {d}: "
                f"choose among {', '.join(FAMILIES)}."
            )
        return _UNIVARIATE[letters]
    if letters not in FAMILIES:
        raise ValueError(
            f"unknown covariance_type {name!r}: choose among {', '.join(FAMILIES)}, "
            f"for one column E or V, or scikit-learn's {', '.join(_SCIKIT_LEARN)}."
        )
    return _UNIVARIATE[letters[0]] if d == 1 else FAMILIES[letters]


def get_families(names: str | Family | Iterable[str | Family] | None, d: int) -> list[Family]:
    """The families of these names for data of d columns, each once; all of them for None.

    Raises
    ------
    ValueError
        No names, or an unknown one.
    TypeError
        Something else than names.
    """
    if names is None:
        names = FAMILIES
    if isinstance(names, str | Family):
        names = [names]
    if not isinstance(names, Iterable):
        raise TypeError(f"covariance_type is {names!r}: pass a family, such as 'VVV', or a list.")
    families = [get_family(name, d) for name in names]
    if not families:
        raise ValueError("covariance_type is empty: name at least one family.")
    return list(dict.fromkeys(families))
