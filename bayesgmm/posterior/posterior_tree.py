"""What a posterior's tree holds besides draws, so that its file is enough: the fit and prior."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..em.result import Fit
from ..mixture.prior import Prior

_FORMAT = "bayesgmm.Posterior/2"


def read_tree(path: str | Path) -> xr.DataTree:
    """The tree in a NetCDF file.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file, or it is another kind of file.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"no file {path}.")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as file:
            return file.load()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a NetCDF file ({error}).") from None


def with_fit_and_prior(
    tree: xr.DataTree, fit: Fit, prior: Prior, attrs: dict[str, Any]
) -> xr.DataTree:
    """The tree itself, with all that `fit_and_prior` reads, and these attributes."""
    tree.attrs |= attrs | {
        "format": _FORMAT,
        "prior": json.dumps(prior.to_dict()),
        "fit": json.dumps(fit.to_meta()),
    }
    em = fit.to_xarray().assign(
        history=("iteration", np.array(fit.history)),
        scale=("feature", fit.mixture.scale),
        moments=(("moment", "feature"), fit.moments),
    )
    tree["em_fit"] = xr.DataTree(em)
    return tree


def fit_and_prior(tree: xr.DataTree) -> tuple[Fit, Prior]:
    """The fit that the chains started at, and the prior.

    Raises
    ------
    ValueError
        The tree has another format.
    """
    if tree.attrs.get("format") != _FORMAT:
        raise ValueError(
            f"the tree has format {tree.attrs.get('format')!r}, not {_FORMAT!r}: pass one that "
            "this version's bayesgmm.refine made."
        )
    fit = tree["em_fit"]
    arrays = {
        "weights": fit["pi"].to_numpy(),
        "means": fit["mu"].to_numpy(),
        "covariances": fit["Sigma"].to_numpy(),
        "scale": fit["scale"].to_numpy(),
        "history": fit["history"].to_numpy(),
        "moments": fit["moments"].to_numpy(),
    }
    prior = Prior(**json.loads(tree.attrs["prior"]))
    return Fit.from_parts(json.loads(tree.attrs["fit"]), arrays), prior
