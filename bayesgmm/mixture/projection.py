"""Directions of the columns' space in which a mixture's components differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import eigh

from ..data.data import Data
from ..utils.display import Displayed
from ..utils.types import FloatArray
from ..utils.validation import check_integer
from .mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

# Eigenvalues below this share of the largest are rounding errors: nothing differs there.
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Displayed):
    """Directions, most discriminating first, and the mixture in them.

    Attributes
    ----------
    directions : array (d, q)
        Coefficients of the columns; the projected mixture has the identity as its covariance.
    eigenvalues : array (q,)
        How much the components differ in each direction.
    of_means : array (q,)
        What part of that is due to means; the rest is due to covariances.
    center : array (d,)
        The mean of the mixture, which becomes 0.
    mixture : Mixture
        The mixture of the projected rows, exactly: columns "direction 1", "direction 2", ...
    original : Mixture
        The mixture before.
    """

    directions: FloatArray
    eigenvalues: FloatArray
    of_means: FloatArray
    center: FloatArray
    mixture: Mixture
    original: Mixture

    def transform(self, X: Any) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Rows in these directions.

        Parameters
        ----------
        X : array-like (n, d)
            Rows.

        Returns
        -------
        array (n, q)
        """
        rows: Data = self.original.rows(X)
        return np.asarray((np.asarray(rows.values, float) - self.center) @ self.directions)

    def to_frame(self) -> pd.DataFrame:
        """Coefficients of the columns in standard deviations, one column per direction."""
        import pandas as pd

        sd = np.sqrt(np.diag(_total(self.original)))
        names = list(self.mixture.names)
        return pd.DataFrame(
            self.directions * sd[:, None], index=list(self.original.names), columns=names
        )

    def _title(self) -> str:
        return f"Projection on {len(self.eigenvalues)} directions that separate the components"

    def _lines(self) -> list[tuple[str, str]]:
        shares = self.eigenvalues / self.eigenvalues.sum()
        return [("share of each", ", ".join(f"{share:.1%}" for share in shares))]

    def _table(self) -> pd.DataFrame:
        return self.to_frame()


def projection(
    mixture: Mixture, n_directions: int | None = None, balance: float = 1.0
) -> Projection:
    """The directions in which the components of a mixture differ, in means and covariances.

    Eigenvectors of balance M_I Sigma^-1 M_I + (1 - balance) M_II with respect to Sigma, the
    covariance of the mixture; M_I is the covariance of the means, and M_II is the mean of
    (Sigma_k - Sigma_within) Sigma^-1 (Sigma_k - Sigma_within). Those with a positive eigenvalue
    are kept: of means alone K - 1 at most, which are linear discriminants.

    Parameters
    ----------
    mixture : Mixture
        K components, at least 2, in d columns.
    n_directions : int, optional
        At most so many.
    balance : float
        From 0 to 1: 1 for differences of means alone, 0.5 for both alike, as in the paper.

    Returns
    -------
    Projection

    Raises
    ------
    ValueError
        A single component, or components that do not differ; a number out of range.

    References
    ----------
    Scrucca (2010), Statistics and Computing 20, 471-484; Scrucca (2014), Advances in Data Analysis
    and Classification 8, 147-165, has the balance.
    """
    if mixture.n_components == 1:
        raise ValueError("a single component has nothing to be distinguished from.")
    if not 0 <= balance <= 1:
        raise ValueError(f"balance is {balance!r}: pass a number from 0 to 1.")
    center = mixture.weights @ mixture.means
    total, between = _total(mixture), _between(mixture)
    own = mixture.covariances - (total - between)
    by_means = balance * between @ np.linalg.solve(total, between)
    by_covariances = np.einsum("k,kij->ij", mixture.weights, own @ np.linalg.solve(total, own))
    values, vectors = eigh(by_means + (1 - balance) * by_covariances, total)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > _NOTHING * max(values[0], _NOTHING)
    if not kept[0]:
        raise ValueError("the components do not differ: there is no direction to show.")
    if n_directions is not None:
        kept[check_integer("n_directions", n_directions, 1) :] = False
    values, basis = values[kept], vectors[:, kept]
    basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    projected = Mixture(
        mixture.weights,
        (mixture.means - center) @ basis,
        basis.T @ mixture.covariances @ basis,
        tuple(f"direction {j}" for j in range(1, len(values) + 1)),
        component_names=mixture.component_names,
    )
    of_means = np.einsum("ij,ik,kj->j", basis, by_means, basis) / values
    return Projection(basis, values, of_means, center, projected, mixture)


def _between(mixture: Mixture) -> FloatArray:
    away = mixture.means - mixture.weights @ mixture.means
    return np.asarray((away.T * mixture.weights) @ away)


def _total(mixture: Mixture) -> FloatArray:
    """The covariance of the mixture."""
    within = np.einsum("k,kij->ij", mixture.weights, mixture.covariances)
    return np.asarray(within + _between(mixture))
