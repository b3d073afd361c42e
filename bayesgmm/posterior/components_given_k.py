"""Draws that have a given number of components, as an ordinary posterior."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..data.data import Data
from ..density.log_posterior import LogPosterior
from ..em.fit import fit as estimate
from ..em.result import Fit
from ..families.parametrisation.base import Parametrisation
from ..families.parametrisation.parametrisation import parametrisation
from ..mixture.prior import Prior
from ..utils.types import FloatArray
from .posterior import Posterior

# Draws of a chain that can be judged.
_FEWEST = 4
# The seed of the fit whose labels the draws get: the same draws always have the same labels.
_SEED = 0


def posterior_given(
    tree: xr.DataTree, data: Data, fit: Fit, prior: Prior, n_components: int
) -> Posterior:
    """The draws with so many components as a posterior under the prior, not yet relabelled.

    Raises
    ------
    ValueError
        A chain has too few of them.
    """
    chosen = _draws_with(tree["posterior"].to_dataset(), n_components)
    of_k = parametrisation(fit.family, n_components, data.d, lkj=prior.lkj)
    names = _variables(of_k, prior) & set(chosen.data_vars)
    draws = chosen[sorted(names)].isel(component=slice(n_components))
    draws = draws.assign_coords(component=np.arange(n_components))
    values = {str(name): draws[name].to_numpy() for name in draws.data_vars}
    density = _log_density(LogPosterior(data, of_k, prior), values)
    new = xr.DataTree.from_dict({
        "posterior": draws.assign_attrs(tree["posterior"].attrs),
        "sample_stats": xr.Dataset(
            {"lp": (("chain", "draw"), density)},
            coords={name: draws[name] for name in ("chain", "draw")},
        ),
        "observed_data": tree["observed_data"].to_dataset(),
    })  # fmt: skip
    attrs = {str(name): value for name, value in tree.attrs.items() if name != "components"}
    return Posterior.assemble(new, _fit_of(data, fit, prior, n_components), prior, attrs)


def _variables(of_k: Parametrisation, prior: Prior) -> set[str]:
    """The names of the variables of a posterior with so many components."""
    names = {"pi", "mu", "Sigma", *(variable.name for variable in of_k.variables), *prior.random}
    return names if of_k.n_components > 1 else names - {"concentration"}


def _draws_with(posterior: xr.Dataset, n_components: int) -> xr.Dataset:
    """The draws with so many components, as many of every chain."""
    has = posterior["n_components"].transpose("chain", "draw").to_numpy() == n_components
    made = has.sum(axis=1)
    if made.min() < _FEWEST:
        raise ValueError(
            f"n_components is {n_components}: of the chains' draws only {made.tolist()} have so "
            f"many components, and {_FEWEST} of each are needed; raise draws, or call "
            "bayesgmm.refine with prior=posterior.prior_given(n_components)."
        )
    number = int(made.min())
    parts = [
        posterior.isel(chain=[c], draw=np.flatnonzero(has[c])[:number]).assign_coords(
            draw=np.arange(number)
        )
        for c in range(len(has))
    ]
    return xr.concat(parts, "chain")


def _log_density(density: LogPosterior, values: dict[str, FloatArray]) -> FloatArray:
    """The log posterior density in free coordinates at draws (chain, draw)."""
    if "pi" in values:
        values = values | {"pi": np.maximum(values["pi"], np.finfo(np.float64).tiny)}
    free = density.space.free({piece.name: values[piece.name] for piece in density.space.pieces})
    flat = free.reshape(-1, density.size)
    found = np.array([density(u)[0] for u in flat])
    return (found - density.space.log_measure(flat)).reshape(free.shape[:2])


def _fit_of(data: Data, fit: Fit, prior: Prior, n_components: int) -> Fit:
    """The fit with so many components: the given one, or a new one under the prior."""
    if fit.n_components == n_components:
        return fit
    return estimate(data, n_components, fit.family, prior=prior.for_em, random_seed=_SEED)
