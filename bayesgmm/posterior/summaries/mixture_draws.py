"""Posterior draws as mixtures of named columns, with their marginals and conditionals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ...data.data import Data, as_rows_like
from ...data.tables import REFUSE
from ...mixture.conditional import conditional, marginal, positions, split
from ...mixture.draws import Draws
from ...mixture.mixture import Mixture
from ...utils.display import Displayed
from ...utils.matrices import as_diagonals, as_full
from ...utils.types import FloatArray
from ...utils.validation import check_integer
from .densities import default_axes, density_intervals, grid_axes, grid_rows
from .functions import along_draws, value_by_draw, value_of_arrays
from .intervals import summarise
from .regression import regression_intervals

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class MixtureDraws(Displayed):
    """Draws of a Gaussian mixture: the posterior of some columns, alone or given others.

    Attributes
    ----------
    draws : Draws
        Arrays over S = chains x draws: weights (S, K), means (S, K, d), covariances (S, K, d, d) or
        variances (S, K, d).
    names : tuple of d str
        Column names.
    chain, draw : array
        Coordinates of the draws, those of a chain one after another.
    named : bool
        False if the data were an array without names: columns of a table then go by their order.
    missing : {"refuse", "marginalize"}
        Whether rows may miss values, as they may in the fit.
    components : tuple of K int or str
        What the components are called.
    """

    draws: Draws
    names: tuple[str, ...]
    chain: NDArray[Any]
    draw: NDArray[Any]
    named: bool = True
    missing: str = REFUSE
    components: tuple[int, ...] | tuple[str, ...] = ()

    @classmethod
    def of(
        cls, posterior: xr.Dataset, draws: Draws, named: bool, missing: str = REFUSE
    ) -> MixtureDraws:
        """Draws with the coordinates of the posterior group they were read from."""
        names = tuple(str(c) for c in posterior["feature"].to_numpy())
        chain, draw = (posterior[name].to_numpy() for name in ("chain", "draw"))
        components = tuple(posterior["component"].to_numpy().tolist())
        return cls(draws, names, chain, draw, named, missing, components)

    def thinned(self, n_draws: int | None) -> MixtureDraws:
        """At most n_draws of them: as many of every chain, evenly spaced."""
        at_most = len(self.draws) if n_draws is None else check_integer("n_draws", n_draws, 1)
        if at_most >= len(self.draws):
            return self
        n_chains = len(self.chain)
        each = at_most // n_chains
        if each < 1:
            raise ValueError(
                f"n_draws is {n_draws}: use at least one of each of {n_chains} chains."
            )
        kept = np.linspace(0, len(self.draw) - 1, each).round().astype(int)
        index = (np.arange(n_chains)[:, None] * len(self.draw) + kept).ravel()
        return replace(self, draws=self.draws.at(index), draw=self.draw[kept])

    def mixtures(self) -> Iterator[Mixture]:
        """Every draw as a `Mixture`."""
        d = self.draws
        for pi, mu, sigma in zip(d.weights, d.means, d.covariances, strict=True):
            yield Mixture(pi, mu, sigma, self.names, named=self.named, missing=self.missing)

    def marginal(self, columns: Sequence[str | int] | str | int) -> MixtureDraws:
        """The posterior of the mixture of some columns alone, in the order given."""
        keep = positions(columns, self.names)
        draws = Draws(self.draws.weights, *marginal(self.draws.means, self.draws.covariances, keep))
        return self._of(draws, keep)

    def conditional(self, given: Mapping[str | int, float]) -> MixtureDraws:
        """The posterior of the mixture of the other columns, given values of some."""
        known, value, rest = split(given, self.names)
        d = self.draws
        draws = Draws(*conditional(d.weights, d.means, d.covariances, known, value, rest))
        return self._of(draws, rest)

    def mean(self, ci_prob: float = 0.89) -> xr.Dataset:
        """The mixture's mean, sum_k pi_k mu_k: mean, sd, lower, upper over `feature`."""
        values = np.einsum("sk,skj->sj", self.draws.weights, self.draws.means)
        return xr.Dataset(
            {name: (("feature",), value) for name, value in summarise(values, ci_prob).items()},
            coords={"feature": list(self.names)},
        )

    def density(
        self,
        at: ArrayLike | Mapping[str | int, ArrayLike] | None = None,
        *,
        columns: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> xr.Dataset:
        """The density with its interval, as `Posterior.density`."""
        if isinstance(at, Mapping):
            if columns is not None:
                raise ValueError("at names its columns: leave columns out.")
            columns = list(at)
        part = self.marginal(self.names if columns is None else columns)
        axes = None
        if at is None:
            axes = default_axes(part.draws, part.names)
        elif isinstance(at, Mapping):
            axes = grid_axes(dict(zip(part.names, at.values(), strict=True)))
        data = part.rows(at if axes is None else grid_rows(axes))
        return density_intervals(data, part.draws.thinned(n_draws), ci_prob, axes)

    def regression(
        self,
        response: str | int,
        X: Any,  # noqa: N803 - scikit-learn's name for the data
        *,
        given: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
    ) -> pd.DataFrame:
        """One column predicted from others, as `Posterior.regression`."""
        return regression_intervals(self, response, X, given, ci_prob)

    def function_of(
        self,
        function: Callable[..., Any],
        *,
        dims: str | Sequence[str] | None = None,
        coords: Mapping[str, Any] | None = None,
        name: str = "value",
        vectorized: bool = False,
        n_draws: int | None = None,
    ) -> xr.DataArray:
        """The posterior of a function of the mixture, as `Posterior.function_of`."""
        part = self.thinned(n_draws)
        if vectorized:
            values = value_of_arrays(function, part._arrays())
        else:
            values = value_by_draw(function, part.mixtures())
        own: dict[str, Any] = {"component": list(self.components or range(self.draws.n_components))}
        own |= dict.fromkeys(("feature", "feature_bis"), list(self.names))
        at = {"chain": part.chain, "draw": part.draw}
        return along_draws(values, at, dims, own | dict(coords or {}), name)

    def to_dataset(self) -> xr.Dataset:
        """pi, mu and Sigma over chain, draw, component, feature: what ArviZ's functions take."""
        dims = ("component", "feature", "feature_bis")
        return xr.Dataset(
            {
                name: self.function_of(
                    lambda *arrays, i=i: arrays[i], dims=dims[: i + 1], name=name, vectorized=True
                )
                for i, name in enumerate(("pi", "mu", "Sigma"))
            }
        )

    def rows(self, x: Any) -> Data:
        """Rows in the coordinates of these mixtures: centre and scale of their mean."""
        d = self.draws
        variances = as_diagonals(d.covariances, leading=2)
        share = d.weights[:, :, None] / len(d)
        center = np.sum(share * d.means, axis=(0, 1))
        total = np.sum(share * (variances + (d.means - center) ** 2), axis=(0, 1))
        scale = np.exp2(np.round(0.5 * np.log2(total)))
        return as_rows_like(x, self.names, center, scale, self.named, missing=self.missing)

    def _arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        d = self.draws
        return d.weights, d.means, as_full(d.covariances, leading=2)

    def _of(self, draws: Draws, keep: Sequence[int]) -> MixtureDraws:
        return replace(self, draws=draws, names=tuple(self.names[j] for j in keep))

    def _title(self) -> str:
        return (
            f"{len(self.chain)} x {len(self.draw)} draws of a mixture of "
            f"{self.draws.n_components} components in {', '.join(self.names)}"
        )

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("other columns", ".marginal(columns), .conditional({column: value})"),
            ("summaries", ".mean(), .density(X), .function_of(f), .to_dataset() for ArviZ"),
        ]
