"""A Gaussian mixture as a distribution: validated proportions, means and covariances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.by_name import by_name
from ..data.data import Data, as_rows_like
from ..data.lazy import lazy_on_dask
from ..data.tables import MARGINALIZE, MISSING, REFUSE
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import check_components, evaluate
from ..utils.display import Displayed, pair
from ..utils.errors import DegenerateComponentError
from ..utils.matrices import as_diagonals, as_full
from ..utils.types import FloatArray, IntArray
from ..utils.validation import (
    check_choice,
    check_integer,
    check_size,
    one_per_column,
    random_stream,
    real_array,
)
from .component_names import NamedComponents, checked_component_names
from .conditional import conditional, marginal, positions, split
from .imputation import conditional_means, drawn, with_own_values
from .of_parameters import draw_rows, responsibility_blocks
from .probabilities import Probabilities
from .shapes import check_shapes

if TYPE_CHECKING:
    import pandas as pd

_SIMPLEX_TOLERANCE = 1e-8
_ROUNDING = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, repr=False)
class Mixture(NamedComponents, Probabilities, Displayed):
    """A Gaussian mixture with given parameters, as a distribution.

    It has densities, probabilities, responsibilities, draws, marginals and conditionals.

    Parameters
    ----------
    weights : array (K,)
        Mixing proportions pi, positive or zero, summing to 1.
    means : array (K, d)
        Component means mu, in the data's units.
    covariances : array (K, d, d), or (K, d) for diagonal ones
        Component covariances Sigma, positive definite, in the data's units squared.
    names : sequence of d str, optional
        Column names; "x0", "x1", ... if left out.
    scale : array (d,), optional
        Spread of the columns, which the components' widths are measured against; the mixture's
        own if left out.
    named : bool
        False where the names were made up for an array: tables' columns are not looked up by them.
    missing : {"refuse", "marginalize"}
        What it does with rows that have missing values: refuse them, or go by the values that are
        there, under the marginal of these columns. That of a fit is as it was fitted.
    component_names : sequence of K str, optional
        What the components are called in tables and plots; by their numbers if left out.

    Raises
    ------
    ValueError
        Shapes that do not agree, proportions that do not sum to 1, a covariance that is not
        symmetric positive definite.

    Examples
    --------
    >>> from bayesgmm import Mixture
    >>> mixture = Mixture([0.5, 0.5], [[-2.0], [2.0]], [[[1.0]], [[1.0]]])
    >>> mixture.predict_proba([[0.0], [2.0]]).round(3).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    names: tuple[str, ...] = ()
    scale: FloatArray = field(default_factory=lambda: np.empty(0), repr=False)
    named: bool = field(default=True, repr=False)
    missing: str = field(default=REFUSE, repr=False)
    component_names: tuple[str, ...] = field(default=(), repr=False)
    _center: FloatArray = field(init=False, repr=False)
    _parameters: Parameters = field(init=False, repr=False)

    def __post_init__(self) -> None:
        weights = real_array(self.weights, "weights")
        means = real_array(self.means, "means")
        covariances = real_array(self.covariances, "covariances")
        check_shapes(weights, means, covariances)
        n_components, d = means.shape
        made_up = tuple(f"x{j}" for j in range(d))
        names = one_per_column(made_up if _is_empty(self.names) else self.names, d, "names")
        check_choice("missing", self.missing, MISSING)
        for array in (weights, means, covariances):
            if not np.all(np.isfinite(array)):
                raise ValueError("a parameter of the mixture is NaN or infinite.")
        if np.any(weights < 0) or abs(weights.sum() - 1.0) > _SIMPLEX_TOLERANCE:
            raise ValueError(
                f"weights {weights.tolist()} sum to {weights.sum():.10g}: proportions are at "
                "least 0 and sum to 1."
            )
        if abs(weights.sum() - 1.0) > len(weights) * _ROUNDING:  # else they are left to the bit
            weights /= weights.sum()
        variances = as_diagonals(covariances)
        if np.any(variances <= 0):
            raise ValueError("a component has a variance that is not positive.")
        center = weights @ means
        total = weights @ (variances + (means - center) ** 2)
        scale = np.exp2(np.round(0.5 * np.log2(total)))
        if len(self.scale):
            scale = np.array(self.scale, dtype=np.float64)
            if scale.shape != (d,) or not np.all(np.isfinite(scale)) or not np.all(scale > 0):
                raise ValueError(f"scale is {self.scale!r}: pass {d} positive numbers.")
        parameters = Parameters(weights, means - center, covariances)
        try:
            check_components(parameters, scale)
        except DegenerateComponentError as error:
            raise ValueError(
                f"covariance {error.component} is not positive definite (or narrower than 1e-8 "
                f"of the columns' spread): {covariances[error.component].tolist()}."
            ) from None
        for array in (weights, means, covariances, scale):
            array.flags.writeable = False
        vars(self).update(  # the instance is frozen
            weights=weights, means=means, covariances=covariances, names=names,
            named=self.named and len(self.names) > 0, scale=scale, _center=center,
            _parameters=parameters,
            component_names=checked_component_names(self.component_names, n_components),
        )  # fmt: skip
        if covariances.ndim == 2:
            del self.__dict__["covariances"]  # diagonal matrices, made when first used

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The covariances (K, d, d) of a mixture given by variances, made when first used."""
            if name != "covariances" or "_parameters" not in self.__dict__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            full = as_full(self._parameters.covariances)
            full.flags.writeable = False
            object.__setattr__(self, "covariances", full)
            return full

    @property
    def variances(self) -> FloatArray:
        """Variances of the columns in each component, (K, d)."""
        return as_diagonals(self._parameters.covariances)

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return len(self.weights)

    @property
    def d(self) -> int:
        """Number of columns."""
        return len(self.names)

    def to_frame(self) -> pd.DataFrame:
        """One row per component: proportion, means, standard deviations and correlations.

        Returns
        -------
        DataFrame
            `pi`, `mean` and `sd` of each column, `corr` of each pair.
        """
        import pandas as pd

        sd = np.sqrt(self.variances)
        table = {"pi": self.weights}
        table |= {f"mean {name}": self.means[:, j] for j, name in enumerate(self.names)}
        table |= {f"sd {name}": sd[:, j] for j, name in enumerate(self.names)}
        for i in range(self.d):
            for j in range(i + 1, self.d):
                correlation = self.covariances[:, i, j] / (sd[:, i] * sd[:, j])
                table[f"corr {pair(self.names[i], self.names[j])}"] = correlation
        return pd.DataFrame(table, index=pd.Index(self.components, name="component"))

    def _title(self) -> str:
        return f"Gaussian mixture of {self.n_components} components in {', '.join(self.names)}"

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        if self.d <= 6:
            return self.to_frame()
        index = pd.Index(self.components, name="component")
        return pd.DataFrame({"pi": self.weights}, index=index)

    def parameters_about(self, center: FloatArray) -> Parameters:
        """The parameters in the coordinates centred there, as the kernels take them.

        Parameters
        ----------
        center : array (d,)
            The origin, in the data's units.

        Returns
        -------
        about : Parameters
        """
        p = self._parameters
        return Parameters(p.weights, self.means - center, p.covariances)

    def rows(self, x: Any, sample_weight: Any = None, missing: str | None = None) -> Data:
        """New rows checked against the mixture's columns, in its own coordinates.

        Parameters
        ----------
        x : array-like (n, d)
            As for `log_density`.
        sample_weight : array-like (n,), optional
            What each row counts for.
        missing : {"refuse", "marginalize"}, optional
            The mixture's own if left out.

        Returns
        -------
        Data
        """
        missing = self.missing if missing is None else missing
        counts = by_name(x, self.names if self.named else None, sample_weight)[1]
        return as_rows_like(x, self.names, self._center, self.scale, self.named, counts, missing)

    @lazy_on_dask
    def log_density(self, x: Any) -> FloatArray:
        """Log density of each row, (n,).

        Parameters
        ----------
        x : array-like (n, d)
            Rows, as a table or an array; columns of a table are found by name.

        Returns
        -------
        array (n,)

        Raises
        ------
        DataError
            Wrong columns, text, missing or infinite values.
        """
        return evaluate(self.rows(x), self._parameters)[0]

    @lazy_on_dask
    def predict_proba(self, x: Any) -> FloatArray:
        """Responsibilities of the components for each row, (n, K); rows sum to 1.

        gamma_ik = pi_k N(x_i | mu_k, Sigma_k) / sum_j pi_j N(x_i | mu_j, Sigma_j).

        Parameters
        ----------
        x : array-like (n, d)
            As for `log_density`.

        Returns
        -------
        array (n, K)
        """
        return evaluate(self.rows(x), self._parameters, responsibilities=True)[1]

    @lazy_on_dask
    def predict(self, x: Any) -> IntArray:
        """The most probable component of each row.

        Parameters
        ----------
        x : array-like (n, d)
            As for `log_density`.

        Returns
        -------
        int array (n,)
        """
        rows = self.rows(x)
        labels = np.empty(rows.n, dtype=np.intp)
        for block, resp in responsibility_blocks(rows, self._parameters):
            labels[block] = np.argmax(resp, axis=1)
        return labels

    def impute(
        self,
        x: Any,
        draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """The rows with their missing values filled in.

        Parameters
        ----------
        x : array-like (n, d)
            Rows, of which values may be missing whatever `missing` says.
        draws : int, optional
            Give so many sets of rows (draws, n, d), in which what is missing is drawn given what
            is there, for these parameters. Else one (n, d), with the conditional means.
        random_seed : int, Generator or None
            Seed of the draws.

        Returns
        -------
        array (n, d) or (draws, n, d)

        Raises
        ------
        DataError
            Wrong columns, text or infinite values.

        References
        ----------
        Little & Rubin (2002), Statistical Analysis with Missing Data, sections 5.4 and 11.2.

        Examples
        --------
        >>> from bayesgmm import Mixture
        >>> mixture = Mixture([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.5, 1.0]]])
        >>> mixture.impute([[2.0, float("nan")]]).tolist()
        [[2.0, 1.0]]
        """
        rows = self.rows(x, missing=MARGINALIZE)
        if draws is None:
            return with_own_values(rows, conditional_means(rows, self._parameters))
        draws = check_integer("draws", draws, 1)
        rng = random_stream(random_seed)
        of_each = (drawn(rows, self._parameters, rng) for _ in range(draws))
        return np.array([with_own_values(rows, values) for values in of_each])

    def sample(
        self, n: int, random_seed: int | np.random.Generator | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Draw n independent rows and their components.

        Parameters
        ----------
        n : int
            How many.
        random_seed : int, Generator or None
            Seed.

        Returns
        -------
        x : array (n, d)
            Rows in random order of components.
        component : int array (n,)
            The component each row came from.
        """
        n = check_size("n", n, self.d)
        return draw_rows(self.parameters_about(np.zeros(self.d)), n, random_stream(random_seed))

    def marginal(self, columns: Sequence[str | int] | str | int) -> Mixture:
        """The mixture of some columns alone.

        Parameters
        ----------
        columns : sequence of str or int
            Names or positions to keep, in the order wanted.

        Returns
        -------
        Mixture
        """
        keep = positions(columns, self.names)
        return self._of_columns(self.weights, *marginal(self.means, self.covariances, keep), keep)

    def conditional(self, given: Mapping[str | int, float]) -> Mixture:
        """The mixture of the other columns, given values of some.

        Parameters
        ----------
        given : mapping of column name or position to value
            At least one column, and not all.

        Returns
        -------
        Mixture
        """
        known, value, rest = split(given, self.names)
        found = conditional(self.weights, self.means, self.covariances, known, value, rest)
        return self._of_columns(*found, rest)

    def _of_columns(
        self, weights: FloatArray, means: FloatArray, covariances: FloatArray, columns: list[int]
    ) -> Mixture:
        return replace(
            self, weights=weights, means=means, covariances=covariances, scale=np.empty(0),
            names=tuple(self.names[j] for j in columns),
        )  # fmt: skip


def _is_empty(names: object) -> bool:
    return isinstance(names, Sized) and not isinstance(names, str) and len(names) == 0
