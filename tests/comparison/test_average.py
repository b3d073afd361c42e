"""Averages over models against sums over the models by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import bayesgmm
from bayesgmm import ConvergenceAdvice
from tests.synthetic import make_posterior

PROBABILITIES = {"VVV": 0.5, "EEI": 0.25, "one": 0.25}


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def models(x):
    """Full and diagonal covariances; two, three and one components; 400 draws each."""
    cells = {"VVV": (2, "VVV"), "EEI": (3, "EEI"), "one": (1, "EEE")}
    return {
        name: make_posterior(x, bayesgmm.fit(x, k, family, random_seed=1))
        for name, (k, family) in cells.items()
    }


def test_density_and_coclustering_are_averages_by_probability(x, models):
    """The same draws by hand: all of one model, every other of the two others."""
    averaged = bayesgmm.average(models, PROBABILITIES, n_draws=800)
    assert averaged.drawn == {"VVV": 400, "EEI": 200, "one": 200}
    at = x.to_numpy()[:5]
    density = together = 0.0
    for name, p in PROBABILITIES.items():
        n_draws = averaged.drawn[name]
        own = models[name].log_density(at, n_draws=n_draws)["log_density"]
        density = density + p * np.exp(own)
        together = together + p * models[name].coclustering(n_draws=n_draws).to_numpy()
    found = averaged.log_density(at)
    np.testing.assert_allclose(np.exp(found["log_density"]), density, rtol=1e-10)
    np.testing.assert_allclose(averaged.density(at)["mean"], density, rtol=1e-10)
    np.testing.assert_allclose(averaged.coclustering(), together, atol=1e-12)
    assert averaged.partition(random_seed=1).n_clusters in (2, 3)
    assert "probability 0.250, 200 draws" in repr(averaged)


def test_one_model_is_its_own_average(x, models):
    averaged = bayesgmm.average(models, {"VVV": 3, "EEI": 0, "one": 0}, n_draws=400)
    expected = models["VVV"].log_density()
    np.testing.assert_allclose(averaged.log_density(), expected, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_draws_are_within_one_of_their_share(models, seed):
    p = np.random.default_rng(seed).dirichlet(np.full(3, 0.5))
    averaged = bayesgmm.average(models, dict(zip(models, p, strict=True)), n_draws=101)
    drawn = np.array(list(averaged.drawn.values()))
    assert drawn.sum() == 101 and np.all(np.abs(drawn - 101 * p) <= 1)


def test_probabilities_are_those_of_bridge_sampling(x):
    """Left out, or as the table that has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        models = {
            k: bayesgmm.refine(
                x, bayesgmm.fit(x, k, "EEE", random_seed=1), sampler="gibbs", draws=300,
                prior=bayesgmm.Prior.from_data(x), random_seed=1, progressbar=False,
            )
            for k in (1, 2)
        }  # fmt: skip
        table = bayesgmm.model_probabilities(models, random_seed=5)
        a = bayesgmm.average(models, random_seed=5)
        b = bayesgmm.average(models, table)
    assert a.probabilities == b.probabilities == table["probability"].to_dict()


def test_what_it_refuses(models):
    with pytest.raises(TypeError, match="mapping of names"):
        bayesgmm.average(list(models.values()))
    with pytest.raises(ValueError, match="probabilities are of VVV, the models"):
        bayesgmm.average(models, {"VVV": 1.0})
    other = bayesgmm.datasets.load_faithful().iloc[:200]
    posterior = make_posterior(other, bayesgmm.fit(other, 1, "EEE"))
    with pytest.raises(ValueError):
        bayesgmm.average(models | {"other": posterior}, PROBABILITIES | {"other": 1.0})


def test_responsibilities_are_those_of_the_clusters(x, models):
    """One model of groups far apart: its own; of several the average, by hand from each."""
    alone = bayesgmm.average(models, {"VVV": 1, "EEI": 0, "one": 0}, n_draws=400)
    labels = alone.partition(random_seed=1).labels
    own = models["VVV"].responsibilities()
    order = [
        int(np.bincount(own["mean"].argmax("component")[labels == c]).argmax()) for c in (0, 1)
    ]
    found = alone.responsibilities(random_seed=1)
    for name in ("mean", "sd", "lower", "upper"):
        np.testing.assert_allclose(found[name], own[name][:, order], atol=1e-10)
    averaged = bayesgmm.average(models, PROBABILITIES, n_draws=800)
    partition = averaged.partition(random_seed=1)
    share = averaged.responsibilities(x, partition=partition)["mean"].to_numpy()
    np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-12)
    expected = sum(
        p * averaged_alone(models, name, averaged.drawn[name], partition)
        for name, p in PROBABILITIES.items()
    )
    np.testing.assert_allclose(share, expected, atol=1e-12)
    with pytest.raises(ValueError, match="partition is of 272 rows, the posterior of 200"):
        other = x.iloc[:200]
        posterior = make_posterior(other, bayesgmm.fit(other, 1, "EEE"))
        bayesgmm.average({"a": posterior}, {"a": 1.0}).responsibilities(partition=partition)


def averaged_alone(models, name, n_draws, partition):
    """Mean responsibilities by cluster of one model, in plain NumPy."""
    draws = models[name].draws.thinned(n_draws)
    rows = models[name].data
    total = np.zeros((rows.n, partition.n_clusters))
    for mixture in draws.parameters(np.zeros(rows.d)):
        sigma = mixture.covariances
        sigma = sigma if sigma.ndim == 3 else sigma[..., None] * np.eye(rows.d)
        one = bayesgmm.Mixture(mixture.weights, mixture.means, sigma, rows.names)
        resp = one.predict_proba(rows)
        for k in range(one.n_components):
            held = [resp[partition.labels == c, k].sum() for c in range(partition.n_clusters)]
            total[:, int(np.argmax(held))] += resp[:, k]
    return total / len(draws)


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
def test_what_has_no_average(x):
    """Noise, and labels that are not the same: evidences of rows alone are of something else."""
    known = np.where(np.arange(len(x)) % 5, None, np.where(x.iloc[:, 0] > 3, "long", "short"))
    other = np.where(known == "long", "short", known)
    other[0] = "long" if known[0] == "short" else "short"
    fits = {
        "plain": bayesgmm.fit(x, 2, "EEE", random_seed=1),
        "known": bayesgmm.fit(x, 2, "EEE", labels=known, random_seed=1),
        "other": bayesgmm.fit(x, 2, "EEE", labels=other, random_seed=1),
        "renamed": bayesgmm.fit(x, 2, "EEE", labels=np.where(known == "long", "a", known)),
        "noisy": bayesgmm.fit(x, 2, "EEE", noise=True, random_seed=1),
    }
    options = {"sampler": "laplace", "draws": 100, "chains": 2, "progressbar": False}
    found = {name: bayesgmm.refine(x, fit, random_seed=1, **options) for name, fit in fits.items()}
    for pair in (("plain", "known"), ("known", "plain"), ("known", "other")):
        some = {name: found[name] for name in pair}
        for use in (bayesgmm.model_probabilities, bayesgmm.average, bayesgmm.compare):
            with pytest.raises(NotImplementedError, match="not of the same labels"):
                use(some)
    same = {name: found[name] for name in ("known", "renamed")}
    assert bayesgmm.model_probabilities(same, random_seed=1)["probability"].between(0.2, 0.8).all()
    with pytest.raises(NotImplementedError, match="'noisy' has noise"):
        bayesgmm.average({name: found[name] for name in ("plain", "noisy")})
