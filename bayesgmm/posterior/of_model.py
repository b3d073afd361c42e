"""What the tree of a posterior says besides the mixture of pi, mu and Sigma.

There may be a share of noise, labels and weights of the rows. The attributes of a posterior of a
user's PyMC model name the model's own variables, and say why its labels are fixed, where they are.
A group `rows` is there where a row's density is not that of the mixture of pi, mu and Sigma: where
proportions or means depend on the row, or the mixture is a part of another distribution.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from ..data.data import Data
from ..em.labelled_fit import LabelledFit
from ..em.noisy_fit import NoisyFit
from ..em.result import Fit
from ..mixture.draws import Draws, NoisyDraws, RowDraws
from ..utils.types import FloatArray

#: The group with the log density of every row, and of every row with every component.
ROWS = "rows"
#: The share of noise among the variables of a posterior.
NOISE_SHARE = "noise_share"
#: The numbers of the rows in a tree that has a sample of them.
ROW = "row"
_OWN, _FIXED = "own_variables", "fixed_labels"
_DIMS = ("chain", "draw", "obs_id", "component")


def marked(tree: xr.DataTree, own_variables: list[str], fixed_labels: str) -> xr.DataTree:
    """The same tree, marked as of a model: its own variables, and why labels are fixed, or ""."""
    tree.attrs |= {_OWN: json.dumps(own_variables), _FIXED: fixed_labels}
    return tree


def own_variables(tree: xr.DataTree) -> list[str]:
    """The names of variables besides the mixture's: a model's own, or the share of noise."""
    if _OWN in tree.attrs:
        return list(json.loads(tree.attrs[_OWN]))
    return [NOISE_SHARE] if NOISE_SHARE in tree["posterior"] else []


def rows_of(tree: xr.DataTree, fit: Fit) -> Data:
    """The rows in a tree, with their weights and labels."""
    seen = tree["observed_data"]
    weights = seen["weight"].to_numpy() if "weight" in seen else None
    rows = fit.mixture.rows(seen["y"].to_numpy(), weights)
    if not isinstance(fit, LabelledFit):
        return rows
    labels = fit.labels.take(seen[ROW].to_numpy()) if ROW in seen else fit.labels
    return labels.seen_in(rows)


def refuse_pseudo(tree: xr.DataTree, what: str) -> None:
    """Refuse what a pseudo-posterior does not have; `what` is its name."""
    if is_pseudo(tree):
        raise ValueError(
            f"a pseudo-posterior has no {what}: its likelihood is raised to survey weights, and is "
            "no probability of the rows."
        )


def is_pseudo(tree: xr.DataTree) -> bool:
    """Whether the rows' weights are those of a survey."""
    return str(tree.attrs.get("weights", "")) == "pseudo"


def draws_of(tree: xr.DataTree, fit: Fit) -> Draws:
    """The draws in a tree, with their share of noise or with what the tree says of every row."""
    draws = Draws.from_dataset(tree["posterior"].to_dataset(), fit.family)
    if not isinstance(fit, NoisyFit) or NOISE_SHARE not in tree["posterior"]:
        return _with_rows(draws, tree)
    share = tree["posterior"][NOISE_SHARE].transpose("chain", "draw").to_numpy().ravel()
    return NoisyDraws(draws.weights, draws.means, draws.covariances, share, fit.noise)


def fixed_labels(tree: xr.DataTree) -> str:
    """Why the components of these draws cannot change their names; "" where they can."""
    return str(tree.attrs.get(_FIXED, ""))


def is_of_model(tree: xr.DataTree) -> bool:
    """Whether the posterior is of a user's model."""
    return _OWN in tree.attrs


def rows_group(log_density: FloatArray, log_joint: FloatArray, posterior: xr.Dataset) -> xr.Dataset:
    """The group `rows` of (S, n) log densities and (S, n, K) joint ones, of these draws."""
    shape = posterior.sizes["chain"], posterior.sizes["draw"]
    values = {"log_density": log_density, "log_joint": log_joint}
    coords: dict[str, Any] = {name: posterior[name] for name in ("chain", "draw", "component")}
    return xr.Dataset(
        {
            name: (_DIMS[: v.ndim + 1], v.reshape(*shape, *v.shape[1:]))
            for name, v in values.items()
        },
        coords={**coords, "obs_id": np.arange(log_density.shape[1])},
    )


def _with_rows(draws: Draws, tree: xr.DataTree) -> Draws:
    """The draws with what the tree says of every row, where it does."""
    if ROWS not in tree.children:
        return draws
    rows = tree[ROWS]
    density = rows["log_density"].transpose(*_DIMS[:-1]).to_numpy()
    joint = rows["log_joint"].transpose(*_DIMS).to_numpy()
    return RowDraws(
        draws.weights, draws.means, draws.covariances,
        density.reshape(-1, *density.shape[2:]), joint.reshape(-1, *joint.shape[2:]),
    )  # fmt: skip
