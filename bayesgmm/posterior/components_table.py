"""Probabilities of the number of components as a table, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..mixture.prior_on_k import PriorOnK
from ..utils.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

# The table ends where nothing above this is left of either posterior.
_LEAST = 5e-4
# Probability of the interval in words.
_CI = 0.89


def table_of_components(
    posterior: xr.Dataset, on_k: PriorOnK, prior_on_filled: FloatArray
) -> pd.DataFrame:
    """Prior and posterior probabilities of K and K+, with Monte Carlo errors.

    That of K averages p(K | allocation) over the draws instead of counting them.
    """
    import pandas as pd

    most = on_k.max_components
    numbers = np.arange(1, most + 1)
    of_k = posterior["probability_of_k"].transpose("chain", "draw", "k").to_numpy()
    filled = posterior["n_filled"].transpose("chain", "draw").to_numpy()
    of_filled = (filled[..., None] == numbers).astype(np.float64)
    columns: dict[str, FloatArray] = {}
    for name, prior, draws in (
        ("K", on_k.probabilities, of_k), ("filled", prior_on_filled, of_filled)
    ):  # fmt: skip
        columns[f"{name}_prior"] = prior
        columns[f"{name}_posterior"] = draws.mean(axis=(0, 1))
        columns[f"{name}_mcse"] = _errors(draws)
    table = pd.DataFrame(columns, index=pd.Index(numbers, name="K"))
    shown = table[["K_posterior", "filled_posterior"]].max(axis=1) > _LEAST
    return table.loc[: shown[shown].index[-1]]


def _errors(draws: FloatArray) -> FloatArray:
    """Monte Carlo errors of the means of draws (chain, draw, M); 0 where they are constant."""
    from arviz_stats.base import array_stats

    return np.array([
        float(array_stats.mcse(draws[..., i], method="mean")) if np.ptp(draws[..., i]) > 0 else 0.0
        for i in range(draws.shape[-1])
    ])  # fmt: skip


def interval_in_words(numbers: IntArray, probabilities: pd.Series) -> str:
    """The most probable number, and the interval of draws (S,)."""
    low, high = np.quantile(numbers, [0.5 - _CI / 2, 0.5 + _CI / 2], method="inverted_cdf")
    best = probabilities.idxmax()
    return (
        f"{best} most probable ({probabilities[best]:.2f}); from {low:.0f} to {high:.0f} with "
        f"probability {_CI:.2f} or more"
    )
