"""The mixture as PyMC's users write it: `pm.Mixture` over `MvNormal`s with `LKJCholeskyCov`."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import nutpie
import pymc as pm
import xarray as xr

import bayesgmm


@dataclass(frozen=True, slots=True)
class Run:
    """Draws with pi, mu and Sigma, and the seconds that compilation and sampling took."""

    posterior: xr.Dataset
    compilation: float
    sampling: float


def model_of(x: np.ndarray, k: int) -> pm.Model:
    """The model, its priors from the data's ranges."""
    d = x.shape[1]
    ranges = np.ptp(x, axis=0)
    with pm.Model() as model:
        pi = pm.Dirichlet("pi", np.ones(k))
        mu = pm.Normal("mu", (x.min(axis=0) + x.max(axis=0)) / 2, ranges, shape=(k, d))
        components = []
        for i in range(k):
            chol, _, _ = pm.LKJCholeskyCov(
                f"chol_{i}", n=d, eta=2.0, sd_dist=pm.Exponential.dist(1 / (0.14 * ranges)),
                compute_corr=True,
            )  # fmt: skip
            components.append(pm.MvNormal.dist(mu[i], chol=chol))
        pm.Mixture("y", w=pi, comp_dists=components, observed=x)
    return model


def run(x: np.ndarray, fit: bayesgmm.Fit, draws: int, tune: int, seed: int = 0) -> Run:
    """Four chains by nutpie as `pm.sample` calls it, every one started at the EM fit."""
    k, d = fit.means.shape
    model = model_of(x, k)
    rows, columns = np.tril_indices(d)
    start = {"pi": fit.weights, "mu": fit.means}
    for i, chol in enumerate(np.linalg.cholesky(fit.covariances)):
        start[f"chol_{i}"] = chol[rows, columns]
    begun = time.perf_counter()
    compiled = nutpie.compile_pymc_model(
        model, backend="numba", initial_points=start, jitter_rvs=set()
    )
    compilation = time.perf_counter() - begun
    begun = time.perf_counter()
    tree = nutpie.sample(
        compiled, draws=draws, tune=tune, chains=4, seed=seed, progress_bar=False, save_warmup=False
    )
    sampling = time.perf_counter() - begun
    posterior = tree["posterior"].to_dataset()
    packed = np.stack([posterior[f"chol_{i}"].to_numpy() for i in range(k)], axis=2)
    lower = np.zeros((*packed.shape[:3], d, d))
    lower[..., rows, columns] = packed
    sigma = lower @ np.swapaxes(lower, -1, -2)
    posterior["Sigma"] = (("chain", "draw", "component", "i", "j"), sigma)
    return Run(posterior[["pi", "mu", "Sigma"]], compilation, sampling)
