"""The posterior of a mixture: draws with settled labels, how far to trust them, what they say."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .data import Data
from .diagnostics import Diagnostics, diagnose, relative_efficiency
from .draws import Draws, log_densities, mean_responsibilities, occupied
from .facts import html_rows
from .kernels.contract import FloatArray
from .loo import psis_loo
from .prior import Prior
from .result import Fit

if TYPE_CHECKING:
    import pandas as pd
    from arviz_stats.utils import ELPDData

_FORMAT = "bayesgmm.Posterior/1"


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from the posterior of a Gaussian mixture.

    Attributes
    ----------
    tree : xarray.DataTree
        ArviZ's own container: groups `posterior` (pi, mu, Sigma over component and feature, and
        the model's covariance variables), `sample_stats`, `observed_data`, `em_fit`. Every
        `az.*` function takes it.
    fit : Fit
        The EM fit the chains started from, whose labels the components keep.
    prior : Prior
        The prior sampled under.

    Examples
    --------
    A posterior is made by `refine`, kept by `save` and read back by `Posterior.load`.
    """

    tree: xr.DataTree
    fit: Fit
    prior: Prior

    @cached_property
    def draws(self) -> Draws:
        """The draws of all chains as plain arrays."""
        return Draws.from_dataset(self.tree["posterior"].to_dataset(), self.fit.family)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """Convergence: r-hat, effective sample sizes and so on; `.problems` in words."""
        return diagnose(self.tree["posterior"].to_dataset(), self.tree["sample_stats"].to_dataset())

    @property
    def data(self) -> Data:
        """The rows the posterior is of."""
        return self._rows(self.tree["observed_data"]["y"].to_numpy())

    @property
    def relabelled_draws(self) -> int:
        """Draws whose labels were changed to match the EM fit's."""
        return int(self.tree.attrs["relabelled_draws"])

    def summary(
        self, ci_prob: float = 0.89, var_names: Sequence[str] = ("pi", "mu", "Sigma")
    ) -> pd.DataFrame:
        """Mean, sd, interval, r-hat, effective sample sizes and Monte Carlo error by parameter.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed interval (ArviZ's default).
        var_names : sequence of str
            Variables to show.

        Returns
        -------
        DataFrame
            As `az.summary`, unrounded.
        """
        from arviz_stats import summary

        with np.errstate(invalid="ignore"):  # elements that are always 0 have no r-hat
            table: pd.DataFrame = summary(
                self.tree, var_names=list(var_names), ci_prob=ci_prob, ci_kind="eti",
                round_to="none",
            )  # fmt: skip
        return table

    def predict_proba(self, X: Any = None, *, n_draws: int | None = None) -> FloatArray:  # noqa: N803
        """Posterior mean of the responsibilities, (n, K); rows sum to 1.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        n_draws : int, optional
            Use only so many draws, evenly spaced.
        """
        data = self.data if X is None else self._rows(X)
        return mean_responsibilities(data, self.draws.thinned(n_draws))

    def log_density(
        self,
        X: Any = None,
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = None,  # noqa: N803
    ) -> pd.DataFrame:
        """Log density of each row: posterior predictive, and a band of its own uncertainty.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        ci_prob : float
            Probability of the equal-tailed band, between 0 and 1.
        n_draws : int, optional
            Use only so many draws, evenly spaced.

        Returns
        -------
        DataFrame
            Columns log_density (log of the posterior mean density), lower, upper; n rows.
        """
        import pandas as pd

        if not 0 < ci_prob < 1:
            raise ValueError(f"ci_prob is {ci_prob}: pass a probability between 0 and 1.")
        data = self.data if X is None else self._rows(X)
        draws = self.draws.thinned(n_draws)
        tails = [(1 - ci_prob) / 2, (1 + ci_prob) / 2]
        out = np.empty((data.n, 3))
        for rows, values in log_densities(data, draws):
            peak = values.max(axis=0)
            out[rows, 0] = peak + np.log(np.mean(np.exp(values - peak), axis=0))
            out[rows, 1:] = np.quantile(values, tails, axis=0).T
        return pd.DataFrame(out, columns=["log_density", "lower", "upper"])

    def occupied(
        self, *, n_draws: int | None = None, random_seed: int | np.random.Generator | None = None
    ) -> np.ndarray[Any, np.dtype[np.intp]]:
        """How many components hold at least one row, draw by draw (chains one after another).

        The rows' components, which the model sums out, are drawn from their responsibilities.
        Under a sparse prior (a concentration well below 1) the shares of the numbers among the
        draws estimate the posterior of the number of clusters (Malsiner-Walli,
        Fruehwirth-Schnatter & Gruen 2016, Stat. Comput. 26, 303-324).

        Parameters
        ----------
        n_draws : int, optional
            Use only so many draws, evenly spaced.
        random_seed : int or Generator, optional
            Seed of the allocations.

        Returns
        -------
        int array (S,)
        """
        rng = np.random.default_rng(random_seed)
        return occupied(self.data, self.draws.thinned(n_draws), rng)

    @cached_property
    def _loo(self) -> ELPDData:
        dataset = self.tree["posterior"].to_dataset()
        return psis_loo(self.data, self.draws, dataset.sizes["chain"], relative_efficiency(dataset))

    def loo(self) -> ELPDData:
        """PSIS leave-one-out cross-validation of the mixture density: elpd, its error, Pareto k.

        Computed once, in blocks of rows. `az.compare({name: posterior.loo(), ...})` ranks several.
        """
        return self._loo

    @cached_property
    def mean_loglik(self) -> float:
        """Posterior mean of the log-likelihood."""
        return math.fsum(
            float(values.mean(axis=0).sum()) for _, values in log_densities(self.data, self.draws)
        )

    def save(self, path: str | Path) -> None:
        """Write the posterior, with its fit and prior, to a NetCDF file (h5netcdf, no pickle)."""
        self.tree.to_netcdf(path, engine="h5netcdf")

    @classmethod
    def load(cls, path: str | Path) -> Posterior:
        """Read a posterior written by `save`.

        Raises
        ------
        ValueError
            The file is not a saved posterior.
        """
        if not Path(path).exists():
            raise FileNotFoundError(f"no file {path}.")
        try:
            with xr.open_datatree(path, engine="h5netcdf") as file:
                tree = file.load()
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is not a NetCDF file ({error}).") from None
        return cls.from_tree(tree)

    @classmethod
    def from_tree(cls, tree: xr.DataTree) -> Posterior:
        """The posterior in a tree that `save` wrote or `refine` made."""
        if tree.attrs.get("format") != _FORMAT:
            raise ValueError("the tree was not made by bayesgmm.refine.")
        fit = tree["em_fit"]
        arrays = {
            "weights": fit["pi"].to_numpy(),
            "means": fit["mu"].to_numpy(),
            "covariances": fit["Sigma"].to_numpy(),
            "scale": fit["scale"].to_numpy(),
            "history": fit["history"].to_numpy(),
        }
        prior = Prior(**json.loads(tree.attrs["prior"]))
        return cls(tree, Fit.from_parts(json.loads(tree.attrs["fit"]), arrays), prior)

    @classmethod
    def assemble(
        cls, tree: xr.DataTree, fit: Fit, prior: Prior, attrs: dict[str, Any]
    ) -> Posterior:
        """A posterior from sampled and relabelled draws; the tree gets all `save` needs."""
        tree.attrs |= attrs | {
            "format": _FORMAT,
            "prior": json.dumps(prior.to_dict()),
            "fit": json.dumps(fit.to_meta()),
        }
        em = fit.to_xarray().assign(
            history=("iteration", np.array(fit.history)), scale=("feature", fit.mixture.scale)
        )
        tree["em_fit"] = xr.DataTree(em)
        return cls(tree, fit, prior)

    def _rows(self, x: Any) -> Data:
        return self.fit.mixture.rows(x)

    def _facts(self) -> list[tuple[str, str]]:
        d = self.diagnostics
        efficiency = f"ESS at least {min(d.ess_bulk, d.ess_tail):.0f}"
        return [
            ("draws", f"{d.chains} chains x {d.draws}, sampler {self.tree.attrs['sampler']}"),
            ("labels", f"{self.relabelled_draws} draws relabelled to the EM fit (ECR)"),
            ("convergence", f"r-hat at most {d.rhat:.3f}, {efficiency}, "
             f"{d.divergences} divergences"),
            ("problems", " ".join(d.problems) or "none found"),
        ]  # fmt: skip

    def __repr__(self) -> str:
        fit = self.fit
        lines = [f"Posterior of a Gaussian mixture {fit.family.name}, K = {fit.n_components}"]
        lines += [f"  {name}: {text}" for name, text in self._facts()]
        return "\n".join(lines) + "\n" + self._table().to_string(float_format=_short)

    def _repr_html_(self) -> str:
        fit = self.fit
        facts = html_rows(self._facts())
        return (
            f"<p><b>Posterior of a Gaussian mixture {fit.family.name}, K = {fit.n_components}</b>"
            f"</p><table>{facts}</table>{self._table().to_html(float_format=_short, border=0)}"
        )

    def _table(self) -> pd.DataFrame:
        names = ("pi", "mu", "Sigma") if self.fit.d <= 3 else ("pi", "mu")
        return self.summary(var_names=names)


def _short(value: float) -> str:
    return f"{value:.4g}"
