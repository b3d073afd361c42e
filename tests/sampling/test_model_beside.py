"""PyMC's models of rows with noise, labels and counts: densities by hand, and posteriors."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import bayesgmm
import bayesgmm.pymc
from bayesgmm import DataError
from bayesgmm.em.box_around import box_around
from bayesgmm.sampling.pymc.coordinates import Coordinates, python_function, without_c
from bayesgmm.sampling.pymc.model import initial_point

SHARE = 0.3


def table(rng, holes=False):
    """Two components, strays, the classes of a few rows; a seventh of the values missing."""
    x = np.vstack([
        rng.normal(size=(40, 2)), rng.normal(4.0, 1.5, size=(30, 2)), rng.uniform(-9, 9, (15, 2))
    ])  # fmt: skip
    if holes:
        x[rng.random(x.shape) < 0.14] = np.nan
        x[3] = np.nan
    classes = np.array([None] * len(x), dtype=object)
    classes[5:20], classes[45:55] = "a", "b"
    return x, classes


KINDS = {
    "noise": {"noise": True},
    "given noise": {"noise": 0.01},
    "labels": {"labels": True},
    "labels and holes": {"labels": True, "missing": "marginalize"},
    "all": {"noise": True, "labels": True, "missing": "marginalize"},
}


def fitted(rng, kind, family="VVV"):
    options = dict(KINDS[kind])
    x, classes = table(rng, "missing" in options)
    if options.pop("labels", False):
        options["labels"] = classes
    return x, bayesgmm.fit(x, 2, family, n_init=3, random_seed=1, **options)


def by_hand(x, fit, pi, mu, cov, share):
    """The rows' log density by PyMC's normal, those of the same columns and components at once."""
    admissible = fit.labels.table if hasattr(fit, "labels") else np.ones((len(x), 2), bool)
    noise = getattr(fit, "noise_density", 0.0)
    kind = np.hstack([~np.isnan(x), admissible])
    total = 0.0
    for of_kind in np.unique(kind, axis=0):
        rows = x[(kind == of_kind).all(axis=1)]
        there, allowed = np.flatnonzero(of_kind[:2]), of_kind[2:]
        parts = []
        for k in np.flatnonzero(allowed):
            log = pt.log((1 - share) * pi[k]) * np.ones(len(rows))
            if len(there):
                normal = pm.MvNormal.dist(mu[k][there], cov[k][there][:, there])
                log += pm.logp(normal, rows[:, there])
            parts.append(log)
        if noise and allowed.all():
            missing = np.setdiff1d(np.arange(2), there)
            of_row = noise * np.prod(np.asarray(fit.ranges)[missing]) if len(there) else 1.0
            parts.append((pt.log(share) + np.log(of_row)) * np.ones(len(rows)))
        total += pt.logsumexp(pt.stack(parts), axis=0).sum()
    return total


@pytest.mark.parametrize(
    ("kind", "seed"),
    [("noise", 1), ("all", 1)]
    + [pytest.param(kind, 2, marks=pytest.mark.slow) for kind in ("labels and holes", "all")],
)
def test_density_and_gradient_by_hand(kind, seed):
    """The likelihood, and its slopes in all of the model's coordinates, to 1e-9."""
    x, fit = fitted(np.random.default_rng(seed), kind)
    with without_c():
        model = bayesgmm.build_model(x, fit, Sigma=True)
        at = Coordinates(model, initial_point(model, fit))
    share = model["noise_share"] if "noise_share" in model.named_vars else 0.0
    [expected] = at.graphs([by_hand(x, fit, model["pi"], model["mu"], model["Sigma"], share)])
    pairs = []
    for value in (model.logp(vars=[model["y"]]), expected):
        slopes = [g.ravel() for g in pt.grad(value, model.value_vars, disconnected_inputs="ignore")]
        function = python_function(model.value_vars, [value, pt.concatenate(slopes)])
        pairs.append(function(*at.split(at.start + 0.05 * np.sin(np.arange(at.size)))))
    (value, slope), (by_pymc, gradient) = pairs
    assert value == pytest.approx(by_pymc, rel=1e-9)
    np.testing.assert_allclose(slope, gradient, atol=1e-9 * np.abs(gradient).max())


def test_counts_are_the_repeated_table():
    """The model of counted rows is that of the rows repeated, to rounding."""
    rng = np.random.default_rng(1)
    x, classes = table(rng)
    times = rng.integers(0, 4, len(x))
    repeated = np.repeat(x, times, axis=0)
    for options, of_repeated in (
        ({"noise": 0.01}, {"noise": 0.01}),
        ({"labels": classes}, {"labels": np.repeat(classes, times)}),
    ):
        fit = bayesgmm.fit(x, 2, sample_weight=times, random_seed=1, n_init=3, **options)
        other = bayesgmm.fit(repeated, 2, start=fit.mixture, max_iter=0, **of_repeated)
        with without_c():
            a = bayesgmm.build_model(x, fit, sample_weight=times, weights="counts")
            b = bayesgmm.build_model(repeated, other)
            point = a.initial_point()
            values = [m.compile_logp(mode="FAST_COMPILE")(point) for m in (a, b)]
        assert values[0] == pytest.approx(values[1], rel=1e-10)


def drawn(x, fit, mu):
    """Rows (200, n, 2) of the model at these means and this share of noise."""
    with without_c():
        fixed = pm.do(bayesgmm.build_model(x, fit), {"mu": mu})
        if "noise_share" in fixed.named_vars:
            fixed = pm.do(fixed, {"noise_share": SHARE})
        return pm.draw(fixed["y"], 200, random_seed=1, mode="FAST_COMPILE")


def test_draws_of_rows():
    """Labelled rows are of components admissible for them; strays lie in the box, in their share.

    The share to 4 standard errors; the largest gap of m draws at a box's end is 20 / m at most.
    """
    rng = np.random.default_rng(1)
    x, fit = fitted(rng, "labels and holes", "VVI")
    far = drawn(x, fit, np.array([[0.0, 0.0], [900.0, 900.0]]))[..., 0] > 450
    known = fit.labels.known
    assert far[:, known == 1].all() and not far[:, known == 0].any()
    assert 0 < far[:, known < 0].mean() < 1
    x, fit = fitted(rng, "noise", "VVI")
    rows = drawn(x, fit, np.full((2, 2), 900.0)).reshape(-1, 2)
    strays = rows[rows[:, 0] < 450]
    error = np.sqrt(SHARE * (1 - SHARE) / len(rows))
    assert len(strays) / len(rows) == pytest.approx(SHARE, abs=4 * error)
    rows = fit.mixture.rows(x)
    box = box_around(rows)
    along = (strays - rows.center) @ box.axes.T
    at = (along - box.low) / (box.high - box.low)
    assert at.min() > -1e-9 and at.max() < 1 + 1e-9
    assert np.ptp(at, axis=0).min() > 1 - 40 / len(at)
    x, fit = fitted(rng, "given noise", "VVI")
    with pytest.raises(NotImplementedError, match="random"):
        drawn(x, fit, fit.means)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
@pytest.mark.parametrize("kind", ["noise", "all"])
def test_posteriors_agree(kind):
    """By PyMC's NUTS, by nutpie of the model, and by Gibbs sampling: means and sds, 4 errors."""
    x, fit = fitted(np.random.default_rng(4), kind, "VVI")
    model = bayesgmm.build_model(x, fit)
    reference = bayesgmm.refine(x, fit, sampler="gibbs", random_seed=1, progressbar=False)
    for how in ({"sampler": "pymc"}, {"model": model}):
        posterior = bayesgmm.refine(x, fit, random_seed=2, progressbar=False, **how)
        a, b = (p.summary() for p in (reference, posterior))
        assert set(a.index) <= set(b.index)
        b = b.loc[a.index]
        for what in ("mean", "sd"):
            error = np.hypot(a[f"mcse_{what}"], b[f"mcse_{what}"]).fillna(0)  # of constants
            assert (np.abs(a[what] - b[what]) <= 4 * error + 1e-12).all()
        gap = posterior.loo().elpd - reference.loo().elpd
        assert abs(gap) < 0.5
        assert ("tell the components apart" in posterior.relabelling.in_words) == (kind == "all")
        found, expected = (p.noise_probability()["mean"] for p in (posterior, reference))
        assert np.abs(found - expected).max() < 0.05


def test_what_models_and_fits_must_share():
    """Labels and noise of a fit are those of the model whose posterior is sampled."""
    rng = np.random.default_rng(1)
    x, fit = fitted(rng, "labels")
    plain = bayesgmm.fit(x, 2, random_seed=1, n_init=3)
    model = bayesgmm.build_model(x, plain)
    with pytest.raises(ValueError, match="others or none"):
        bayesgmm.refine(x, fit, model=model)
    x, fit = fitted(np.random.default_rng(1), "noise")
    model = bayesgmm.build_model(x, bayesgmm.fit(x, 2, random_seed=1, n_init=3, noise=0.002))
    with pytest.raises(ValueError, match="noise of its density"):
        bayesgmm.refine(x, fit, model=model)
    table_of = np.ones((len(x), 2), bool)
    with pytest.raises(DataError, match="table"):
        bayesgmm.pymc.GaussianMixture.dist([0.5, 0.5], [[0.0], [1.0]], sigma=1.0, admissible=[1])
    table_of[3] = False
    with pytest.raises(DataError, match="row 3"):
        bayesgmm.pymc.GaussianMixture.dist(
            [0.5, 0.5], [[0.0], [1.0]], sigma=1.0, admissible=table_of
        )
    with pytest.raises(DataError, match="4 are observed"), pm.Model() as model:
        bayesgmm.pymc.GaussianMixture(
            "y", [0.5, 0.5], np.eye(2), sigma=1.0, admissible=table_of | True, observed=x[:4]
        )
        model.logp()
