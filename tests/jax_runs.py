"""What needs JAX, run in a process of its own: JAX's threads do not go together with fork.

`python jax_runs.py FOLDER JOB...` does the jobs and leaves in the folder, for each, a JSON file of
numbers or a NetCDF file of draws, which tests/sampling/test_engines.py looks at.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.prior import Prior
from bayesgmm.pymc import GaussianMixture
from bayesgmm.sampling.pymc.model import build_model, initial_point
from bayesgmm.sampling.pymc.sample import sample

PRIOR = Prior(
    mean=[4, 76], mean_covariance=[3.5**2, 53**2], dof=6, scale=[0.06 * 3.5**2, 0.06 * 53**2]
)


def faithful():
    x = bayesgmm.datasets.load_faithful()
    return x, bayesgmm.fit(x, 2, start=(x["eruptions"] > 3).astype(int), prior=PRIOR)


def model_and_start():
    x, fit = faithful()
    model = build_model(x, fit)
    return model, initial_point(model, fit)


def disagreement(model, rng):
    """Largest relative differences of JAX's log densities and gradients to Numba's."""
    import jax
    from pymc.sampling.jax import get_jaxified_graph

    function = get_jaxified_graph(inputs=model.value_vars, outputs=[model.logp()])
    by_jax = jax.jit(jax.value_and_grad(lambda point: function(*point)[0]))
    logp, dlogp = model.compile_logp(), model.compile_dlogp()
    worst = [0.0, 0.0]
    for _ in range(3):
        point = {
            k: v + 0.1 * rng.standard_normal(v.shape) for k, v in model.initial_point().items()
        }
        value, gradient = by_jax([jax.numpy.asarray(v) for v in point.values()])
        gradient = np.concatenate([np.ravel(g) for g in gradient])
        assert gradient.dtype == np.float64
        expected = dlogp(point)
        errors = (
            abs(value / logp(point) - 1),
            np.abs(gradient - expected).max() / np.abs(expected).max(),
        )
        worst = [max(a, float(b)) for a, b in zip(worst, errors, strict=True)]
    return worst


def gradients(families):
    x, _ = faithful()
    rng = np.random.default_rng(0)
    fits = {f: bayesgmm.fit(x, 2, f, random_seed=0, n_init=1) for f in families}
    return {f: disagreement(build_model(x, fit), rng) for f, fit in fits.items()}


def other_priors():
    """The conjugate prior of the means, and random hyperparameters."""
    x, fit = faithful()
    rng = np.random.default_rng(0)
    priors = {
        "conjugate": Prior([3.0, 75.0], None, 8, [[0.5, 2.0], [2.0, 90.0]], mean_strength=4.0),
        "random": Prior.from_data(x, concentration=Gamma(10, 40), random_scale=True),
    }
    return {name: disagreement(build_model(x, fit, p), rng) for name, p in priors.items()}


def by_blocks():
    """Rows so many that they are taken block by block, with a rest."""
    from bayesgmm.sampling.pymc.likelihood import jax as likelihood

    likelihood._BLOCK = 100
    return {"VVV": disagreement(model_and_start()[0], np.random.default_rng(1))}


def weighted_rows():
    """PyTensor's own gradient of a weighted sum over rows, compiled for JAX and for Numba."""
    return {"weighted": _of_weighted_rows(model_and_start()[0])}


def _of_weighted_rows(model):
    weights = np.random.default_rng(0).uniform(size=272)
    [pointwise] = model.logp(model.observed_RVs, sum=False)
    gradient = pt.grad((weights * pointwise).sum(), model.value_vars)
    point = model.initial_point()
    a, b = (
        np.concatenate([np.ravel(g) for g in model.compile_fn(gradient, mode=mode)(point)])
        for mode in ("JAX", "NUMBA")
    )
    return [float(np.abs(a - b).max() / np.abs(b).max())]


def incomplete():
    """Rows with missing values, labels, noise beside both, and a weighted sum over rows."""
    x, _ = faithful()
    rng = np.random.default_rng(3)
    rows = x.to_numpy()
    holes = np.where(rng.random(rows.shape) < 0.2, np.nan, rows)
    known = np.where(rng.random(272) < 0.3, (rows[:, 0] > 3).astype(int), -1)
    kinds = {
        "holes": (holes, {}), "labels": (rows, {"labels": known}),
        "all": (holes, {"labels": known, "noise": True}),
    }  # fmt: skip
    found = {}
    for family, name in (("VVI", "holes"), ("VVV", "labels"), ("EVE", "all")):
        of, given = kinds[name]
        fit = bayesgmm.fit(of, 2, family, missing="marginalize", random_seed=0, n_init=1, **given)
        model = build_model(of, fit)
        found[name] = disagreement(model, rng)
    return found | {"weighted": _of_weighted_rows(model)}


def own_models():
    """Models around the distribution itself: every form of covariances, parameters by row."""
    rng = np.random.default_rng(2)
    root = rng.standard_normal((3, 2, 2))
    definite = root @ np.swapaxes(root, 1, 2) + np.eye(2)
    forms = {
        "sigma": np.ones((3, 2)), "chol": np.linalg.cholesky(definite), "cov": definite,
        "tau": definite[0],
    }  # fmt: skip
    return {form: disagreement(_own_model(rng, **{form: v}), rng) for form, v in forms.items()}


def _own_model(rng, **covariance):
    """Proportions and means by row, and a factor of the covariances."""
    x, z = rng.standard_normal((150, 2)), rng.standard_normal(150)
    [(form, value)] = covariance.items()
    with pm.Model() as model:
        slope = pm.Normal("slope", shape=3)
        mu = pm.Normal("mu", shape=(3, 2)) + z[:, None, None] * pm.Normal("trend", shape=(3, 2))
        size = pm.HalfNormal("size")
        w = pm.math.softmax(z[:, None] * slope, axis=-1)
        GaussianMixture("y", w, mu, **{form: size * value}, observed=x)
    return model


def draws(sampler, **options):
    model, start = model_and_start()
    options = {"draws": 1000, "tune": 500, "chains": 4, "random_seed": 1} | options
    return sample(model, start, sampler=sampler, progressbar=False, **options)


def labelled():
    """A sampler on rows with a missing value and labels, chain by chain in JAX's own threads."""
    x, _ = faithful()
    rows = x.to_numpy()
    rows[::9, 1] = np.nan
    known = np.where(np.arange(272) % 4 == 0, (rows[:, 0] > 3).astype(int), -1)
    fit = bayesgmm.fit(rows, 2, labels=known, missing="marginalize", random_seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)  # of so few draws
        posterior = bayesgmm.refine(
            rows, fit, sampler="numpyro", draws=200, tune=200, chains=2, random_seed=1,
            progressbar=False,
        )  # fmt: skip
    other = bayesgmm.refine(rows, fit, random_seed=2, progressbar=False)
    a, b = (p.summary(var_names=["pi", "mu"]) for p in (posterior, other))
    z = (a["mean"] - b["mean"]) / np.hypot(a["mcse_mean"], b["mcse_mean"])
    return {"z": z.tolist(), "sd": (a["sd"] / b["sd"]).tolist()}


def edited(sampler, **options):
    """A term of the user's, and another prior for the proportions, count."""
    model, start = model_and_start()
    with model:
        pm.Potential("pull", -0.5 * ((model["mu"][1, 1] - 70.0) / 0.01) ** 2)
    changed = pm.do(model, {"pi": np.array([0.2, 0.8])})
    start = {name: value for name, value in start.items() if name != "pi"}
    return sample(
        changed, start, draws=300, tune=500, chains=2, random_seed=1, sampler=sampler,
        progressbar=False, **options,
    )  # fmt: skip


def through_pymc():
    """pm.sample itself, as a user who knows nothing of our engines calls it."""
    model, start = model_and_start()
    with model:
        return pm.sample(
            200, tune=300, chains=2, nuts_sampler="numpyro", initvals=start, random_seed=1,
            progressbar=False, quiet=True, compute_convergence_checks=False,
        )  # fmt: skip


JOBS = {
    "gradients": lambda: gradients(["VVV"]),
    "all_gradients": lambda: gradients(["EII", "VII", "EEI", "VVI", "EEE", "VVV"]),
    "other_priors": other_priors,
    "by_blocks": by_blocks,
    "incomplete": incomplete,
    "numpyro_of_labelled_rows": labelled,
    "own_models": own_models,
    "weighted_rows": weighted_rows,
    "numpyro": lambda: draws("numpyro"),
    "numpyro_on_one_core": lambda: draws("numpyro", draws=200, chains=2, cores=1),
    "blackjax": lambda: draws("blackjax"),
    "pathfinder": lambda: draws("pathfinder"),
    "edited_numpyro": lambda: edited("numpyro"),
    "edited_blackjax": lambda: edited("blackjax"),
    "through_pymc": through_pymc,
}


def main(folder, *jobs):
    """Do the jobs; nothing before the first loads JAX."""
    build_model(*faithful()).compile_logp()
    assert "jaxlib" not in sys.modules  # ArviZ puts a promise of "jax" there
    for job in jobs:
        result = JOBS[job]()
        if isinstance(result, dict):
            Path(folder, f"{job}.json").write_text(json.dumps(result))
        else:
            result.to_netcdf(Path(folder, f"{job}.nc"), engine="h5netcdf")


if __name__ == "__main__":
    main(*sys.argv[1:])
