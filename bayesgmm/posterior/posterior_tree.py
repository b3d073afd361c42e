"""The tree of a posterior with its fit and prior, and its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..em.kinds import Fit
from ..mixture.prior import Prior
from ..utils.archive import sealed, unsealed
from ..utils.matrices import diagonals
from .named_components import with_names_of
from .of_model import is_of_model

FORMAT = "bayesgmm.Posterior/4"
#: The groups of any tree of draws.
GROUPS = ("posterior", "sample_stats", "observed_data", "em_fit")
# The arrays of a fit with labels or noise, and their dims.
_OWN = {
    "label_sets": ("label_set", "component"), "label_of_rows": ("labelled_row",),
    "noise_ends": ("end", "feature"), "noise_box": ("axis_of_box", "feature"),
}  # fmt: skip
# How far drawn proportions may sum from 1.
_SIMPLEX_TOLERANCE = 1e-6


def write_tree(tree: xr.DataTree, path: str | Path) -> None:
    """Write a tree to a sealed NetCDF file."""
    with sealed(path) as file:
        # Made in memory: the HDF5 library crashes where it cannot write on.
        file.write(tree.to_netcdf(engine="h5netcdf"))


def read_tree[T](path: str | Path, made_of: Callable[[xr.DataTree], T]) -> T:
    """What is made of the tree in a file that `write_tree` wrote.

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        The file is not a saved posterior, or is damaged.
    """
    with unsealed(path, "posterior"), xr.open_datatree(path, engine="h5netcdf") as file:
        return made_of(file.load())


def with_fit_and_prior(
    tree: xr.DataTree,
    fit: Fit,
    prior: Prior | None,
    attrs: dict[str, Any],
    form: str = FORMAT,
) -> xr.DataTree:
    """The same tree, to which the fit, the prior and these attributes have been added."""
    tree = with_names_of(tree, fit)
    tree.attrs |= attrs | {
        "format": form,
        "prior": json.dumps(None if prior is None else prior.to_dict()),
        "fit": json.dumps(fit.to_meta()),
    }
    own = {name: value for name, value in fit.to_arrays().items() if name in _OWN}
    em = fit.to_xarray().assign(
        history=("iteration", np.array(fit.history)),
        scale=("feature", fit.mixture.scale),
        moments=(("moment", "feature"), fit.moments),
        projections=("projection", fit.fingerprint.projections),
    )
    em = em.assign({name: (_OWN[name], value) for name, value in own.items()})
    tree["em_fit"] = xr.DataTree(em)
    return tree


def fit_and_prior(tree: xr.DataTree) -> tuple[Fit, Prior | None]:
    """The fit that the chains started at and the prior, from a tree whose draws match them.

    Raises
    ------
    ValueError, LookupError, TypeError
        The tree has another format, or something is missing, of another type or impossible.
    """
    fit, prior = kept_fit_and_prior(tree, FORMAT, (*GROUPS, "relabelling"))
    check_draws(tree["posterior"].to_dataset(), fit.n_components, fit.d)
    return fit, prior


def kept_fit_and_prior(
    tree: xr.DataTree, form: str, groups: Sequence[str]
) -> tuple[Fit, Prior | None]:
    """The fit and the prior in a tree of that format, which has to have these groups.

    The prior is None where the posterior is of a user's model.
    """
    if tree.attrs.get("format") != form:
        raise ValueError(
            f"the tree has format {tree.attrs.get('format')!r}, not {form!r}: pass one that "
            "this version of bayesgmm made"
        )
    missing = [name for name in groups if name not in tree]
    if missing:
        raise ValueError(f"the tree has no {', '.join(missing)}")
    kept = tree["em_fit"]
    arrays = {
        "weights": kept["pi"].to_numpy(),
        "means": kept["mu"].to_numpy(),
        "covariances": kept["Sigma"].to_numpy(),
        "scale": kept["scale"].to_numpy(),
        "history": kept["history"].to_numpy(),
        "moments": kept["moments"].to_numpy(),
        "projections": kept["projections"].to_numpy(),
        **{name: kept[name].to_numpy() for name in _OWN if name in kept},
    }
    fit = Fit.from_parts(json.loads(tree.attrs["fit"]), arrays)
    known = json.loads(tree.attrs["prior"])
    prior = None if known is None and is_of_model(tree) else Prior(**known)
    if prior is not None and prior.d != fit.d:
        raise ValueError(f"the prior is of {prior.d} columns, the fit of {fit.d}")
    rows = tree["observed_data"]["y"]
    if rows.ndim != 2 or rows.shape[1] != fit.d:
        raise ValueError(f"the rows have shape {rows.shape}, the fit has {fit.d} columns")
    return fit, prior


def check_draws(posterior: xr.Dataset, k: int, d: int) -> None:
    """Refuse draws of other shapes, and invalid proportions, means or variances."""
    chains = posterior.sizes["chain"], posterior.sizes["draw"]
    for name, shape in {"pi": (k,), "mu": (k, d), "Sigma": (k, d, d)}.items():
        values = posterior[name].to_numpy()
        if values.shape != (*chains, *shape):
            raise ValueError(f"the draws of {name} have shape {values.shape}, not {shape}")
        if not np.all(np.isfinite(values)):
            raise ValueError(f"a draw of {name} is NaN or infinite")
    pi = posterior["pi"].to_numpy()
    if np.any(pi < 0) or np.any(np.abs(pi.sum(axis=-1) - 1) > _SIMPLEX_TOLERANCE):
        raise ValueError("the drawn proportions are negative or do not sum to 1")
    variances = diagonals(posterior["Sigma"].to_numpy())
    if np.any(variances <= 0):
        raise ValueError("a drawn variance is not positive")
