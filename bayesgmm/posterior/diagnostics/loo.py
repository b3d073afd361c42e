"""Leave-one-out cross-validation of a mixture posterior, in blocks of rows.

Vehtari, Gelman & Gabry (2017), Stat. Comput. 27, 1413-1432. The pointwise log density is that of
the mixture (allocations summed out), and is never stored for all rows at once. ArviZ does the
smoothing, and its own result comes back, so that `az.compare` takes it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ...data.data import Data
from ...mixture.draws import Draws
from ...mixture.evaluation import log_densities

if TYPE_CHECKING:
    from arviz_stats.utils import ELPDData


def psis_loo(data: Data, draws: Draws, n_chains: int, relative_efficiency: float) -> ELPDData:
    """Expected log pointwise predictive density by Pareto-smoothed importance sampling.

    Parameters
    ----------
    data : Data
        The rows of the posterior.
    draws : Draws
        Its draws, S = n_chains times draws of a chain.
    n_chains : int
    relative_efficiency : float
        Effective over actual number of draws.

    Returns
    -------
    arviz_stats ELPDData
        elpd, se, p, and pointwise elpd_i and pareto_k over obs_id.
    """
    from arviz_stats.base import array_stats
    from arviz_stats.utils import ELPDDataLOO

    elpd_i, khat, p_i = (np.empty(data.n) for _ in range(3))
    for rows, values in log_densities(data, draws):
        by_chain = values.T.reshape(-1, n_chains, len(draws) // n_chains)
        with warnings.catch_warnings():  # Pareto k is reported with advice, row by row
            warnings.simplefilter("ignore", UserWarning)
            elpd_i[rows], khat[rows], p_i[rows] = array_stats.loo(
                by_chain, chain_axis=-2, draw_axis=-1, r_eff=relative_efficiency
            )
    elpd, se, p, _ = array_stats.loo_summary(elpd_i, p_i)
    good_k = min(1 - 1 / np.log10(len(draws)), 0.7)
    obs: dict[str, Any] = {"dims": ["obs_id"], "coords": {"obs_id": np.arange(data.n)}}
    return ELPDDataLOO(
        elpd=float(elpd),
        se=float(se),
        p=float(p),
        n_samples=len(draws),
        n_data_points=data.n,
        scale="log",
        warning=bool(np.any(khat > good_k)),
        good_k=good_k,
        elpd_i=xr.DataArray(elpd_i, name="elpd_i", **obs),
        pareto_k=xr.DataArray(khat, name="pareto_k", **obs),
    )
