"""A Gaussian mixture and uniform noise together, as one distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.data import Data
from ..data.tables import MARGINALIZE
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer, check_size, random_stream
from .conditional import positions, split
from .imputation import conditional_means, drawn, with_own_values
from .mixture import Mixture
from .noise import Noise, mixed, with_noise_column


@dataclass(frozen=True, eq=False)
class NoisyMixture:
    """A share of noise beside the components of a mixture: what a `NoisyFit` estimates.

    p(x) = (1 - pi_0) sum_k pi_k N(x | mu_k, Sigma_k) + pi_0 c

    c is the same everywhere, also where no row was. The marginal of some columns is of this kind
    again where the noise is over a box along the columns, c times the ranges of the others; and so
    is the mixture of some columns given the others.

    Attributes
    ----------
    mixture : Mixture
        The components.
    noise_share : float
        pi_0.
    noise : Noise
        The noise's density.

    See Also
    --------
    NoisyFit.marginal, NoisyFit.conditional : Where it comes from.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, noise=0.001, random_seed=1)
    >>> fit.conditional({"eruptions": 4.5}).mixture.names
    ('waiting',)
    """

    mixture: Mixture
    noise_share: float
    noise: Noise

    @property
    def n_components(self) -> int:
        """Number of components K, the noise not counted."""
        return self.mixture.n_components

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return self.mixture.names

    def log_density(self, x: Any) -> FloatArray:
        """Log density of each row (n,) of an array-like (n, d)."""
        return self._evaluated(self.mixture.rows(x))[0]

    def noise_probability(self, x: Any) -> FloatArray:
        """The probability of each row (n,) of an array-like (n, d) to be noise."""
        return self.is_noise(self.mixture.rows(x))

    def predict_proba(self, x: Any) -> FloatArray:
        """Responsibilities (n, K + 1): those of the components, then that of the noise."""
        return self.responsibilities(self.mixture.rows(x))

    def responsibilities(self, rows: Data) -> FloatArray:
        """Those (n, K + 1) of rows in the mixture's coordinates, by what is known of them too."""
        density, resp = evaluate(rows, self._about(rows), responsibilities=True)
        of_noise = mixed(density, self.noise.of_rows(rows), self.noise_share)[1]
        return with_noise_column(resp, of_noise)

    def predict(self, x: Any) -> IntArray:
        """The most probable component of each row, (n,) of int; -1 for noise."""
        found = np.argmax(self.predict_proba(x), axis=1)
        return np.where(found == self.n_components, -1, found)

    def sample(
        self, n: int, random_seed: int | np.random.Generator | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Draw n rows (n, d) and their components (n,), which are -1 for noise.

        Noise lies in the box that its density is one over the volume of.

        Raises
        ------
        NotImplementedError
            Noise of a given density, which says not where it ends.
        """
        rng = random_stream(random_seed)
        rows, component = self.mixture.sample(check_size("n", n, self.mixture.d), rng)
        strays = rng.random(len(rows)) < self.noise_share
        rows[strays] = self.noise.rows(int(strays.sum()), rng)
        component[strays] = -1
        return rows, component

    def impute(
        self,
        x: Any,
        draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """The rows with missing values filled in, as `Mixture.impute`.

        What a row of noise lacks is uniform over the columns' ranges, whose middle is its mean.

        Parameters
        ----------
        x : array-like (n, d)
            Rows, of which values may be missing.
        draws : int, optional
            Give so many sets of rows, drawn; else one, of conditional means.
        random_seed : int or Generator, optional
            Seed.

        Returns
        -------
        array (n, d) or (draws, n, d)
        """
        rows = self.mixture.rows(x, missing=MARGINALIZE)
        at = self._about(rows), self.noise, self.noise_share
        if draws is None:
            return filled(rows, *at)
        draws = check_integer("draws", draws, 1)
        rng = random_stream(random_seed)
        return np.array([completed(rows, *at, rng) for _ in range(draws)])

    def marginal(self, columns: Sequence[str | int] | str | int) -> NoisyMixture:
        """The distribution of some columns alone.

        Parameters
        ----------
        columns : sequence of str or int
            Names or positions to keep, in the order wanted.

        Returns
        -------
        NoisyMixture

        Raises
        ------
        NotImplementedError
            Noise over a box along the principal axes, of which some columns are not uniform.
        """
        keep = positions(columns, self.names)
        return NoisyMixture(
            self.mixture.marginal(columns), self.noise_share, self.noise.marginal(keep)
        )

    def conditional(self, given: Mapping[str | int, float]) -> NoisyMixture:
        """The distribution of the other columns, given values of some.

        Parameters
        ----------
        given : mapping of column name or position to value
            At least one column, and not all.

        Returns
        -------
        NoisyMixture
            Its share is the probability that a row with these values is noise.

        Raises
        ------
        NotImplementedError
            As `marginal`.
        """
        known, value, rest = split(given, self.names)
        share = self.marginal(known).noise_probability(value[None])[0]
        return NoisyMixture(self.mixture.conditional(given), float(share), self.noise.given(rest))

    def is_noise(self, rows: Data) -> FloatArray:
        """The probability of each row (n,) to be noise."""
        return self._evaluated(rows)[1]

    def _about(self, rows: Data) -> Parameters:
        """The components' parameters in the rows' coordinates."""
        return self.mixture.parameters_about(rows.center)

    def _evaluated(self, rows: Data) -> tuple[FloatArray, FloatArray]:
        return _evaluated(rows, self._about(rows), self.noise, self.noise_share)


def filled(rows: Data, parameters: Parameters, noise: Noise, share: float) -> FloatArray:
    """The rows (n, d) with the means of what they miss, of components and of noise."""
    is_noise = _evaluated(rows, parameters, noise, share)[1][:, None]
    assert noise.ends is not None
    middle = noise.ends.mean(axis=0) - rows.center
    found = (1 - is_noise) * conditional_means(rows, parameters) + is_noise * middle
    return with_own_values(rows, found)


def completed(
    rows: Data, parameters: Parameters, noise: Noise, share: float, rng: np.random.Generator
) -> FloatArray:
    """The rows (n, d) with draws of what they miss: of noise over the columns' ranges."""
    found = drawn(rows, parameters, rng)
    strays = rng.random(rows.n) < _evaluated(rows, parameters, noise, share)[1]
    assert noise.ends is not None
    low, high = noise.ends
    found[strays] = rng.uniform(low, high, (int(strays.sum()), rows.d)) - rows.center
    return with_own_values(rows, found)


def _evaluated(
    rows: Data, parameters: Parameters, noise: Noise, share: float
) -> tuple[FloatArray, FloatArray]:
    """Log densities (n,) of components and noise together, and the rows' probabilities of noise."""
    return mixed(evaluate(rows, parameters)[0], noise.of_rows(rows), share)
