"""A posterior that Stan's posteriordb publishes, through a prior of the user's own."""

from __future__ import annotations

import json

import arviz as az
import numpy as np
import pymc as pm

import bayesgmm
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.pymc.model import build_model, initial_point
from bayesgmm.sampling.pymc.sample import sample
from tests.places import SHIPPED

REFERENCE = json.loads((SHIPPED / "low_dim_gauss_mix.json").read_text())
SHAPE, SCALE = 2.0, 2.0


def test_low_dim_gauss_mix():
    """Means within 4 Monte Carlo errors, ours and theirs, of 10 chains of Stan's."""
    y = np.array(REFERENCE["y"])[:, None]
    prior = Prior.univariate(mean=0, variance=4, shape=SHAPE, scale=SCALE, concentration=5)
    fit = bayesgmm.fit(y, 2, "V", prior=prior, start=(y[:, 0] > 0).astype(int))
    with build_model(y, fit, prior) as model:
        v = model["variance"]
        ours = -(SHAPE + 1) * pm.math.log(v) - SCALE / v
        half_normal = -v / 8 - 0.5 * pm.math.log(v)  # sqrt(v) ~ HalfNormal(2), as a density of v
        pm.Potential("half_normal", pm.math.sum(half_normal - ours))
    tree = sample(
        model, initial_point(model, fit, prior), draws=1000, tune=500, chains=4, random_seed=1,
        progressbar=False,
    )  # fmt: skip
    group = tree["posterior"].to_dataset()
    group["sigma"] = np.sqrt(group["variance"])
    mean = group.mean(("chain", "draw"))
    mcse = az.mcse(group[["pi", "mu", "sigma"]])
    found, error = (
        np.concatenate([s["mu"].values.ravel(), s["sigma"].values.ravel(), s["pi"].values[:1]])
        for s in (mean, mcse)
    )
    z = (found - REFERENCE["mean"]) / np.hypot(error, REFERENCE["mcse_mean"])
    assert np.all(np.abs(z) < 4), dict(zip(REFERENCE["names"], z, strict=True))
    assert np.all(error < 1.5e-3)
    assert not tree["sample_stats"]["diverging"].any()
