"""Evidence: closed forms, published values, labels, units, errors that are errors, advice."""

from __future__ import annotations

import itertools
import json
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import gammaln, logsumexp, multigammaln
from scipy.stats import gamma, invwishart

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.prior import Prior
from bayesgmm.posterior.evidence.evidence import Evidence, evidence_of
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.gibbs import ScaleConditional, gibbs_posterior, log_concentration_density
from tests.places import SHIPPED
from tests.synthetic import draws_dataset, posterior_of

PUBLISHED = SHIPPED / "posterior_references.json"
GALAXIES = json.loads(PUBLISHED.read_text())["marginal_likelihood_galaxies"]["log_ml"]
# (data, family, K) to log evidence and its error: bridge sampling by other programs. The galaxies'
# agree with Neal (1999): -239.764 and -226.803; Old Faithful with Chib's method, -1310.297.
KNOWN = {
    ("galaxies", "E", 1): (GALAXIES["K1"], 0.0),
    ("galaxies", "E", 2): tuple(GALAXIES["K2_equal"].values()),
    ("galaxies", "E", 3): tuple(GALAXIES["K3_equal"].values()),
    ("faithful", "VVV", 1): (-1310.30, 0.005),
    ("faithful", "VVV", 2): (-1162.47, 0.005),
}
# Two ways of one evidence may differ by so many of their errors together.
Z = 4.0


@cache
def load(name):
    """Data and the prior of their published evidences."""
    if name == "galaxies":
        prior = Prior.univariate(mean=20, variance=100, shape=3, scale=20)
        return bayesgmm.datasets.load_galaxies() / 1000, prior
    scale = [0.06 * 3.5**2, 0.06 * 53**2]
    return bayesgmm.datasets.load_faithful(), Prior([4, 76], [3.5**2, 53**2], 6, scale)


@cache
def sampled(name, family, k, n_draws=1000, seed=0):
    x, prior = load(name)
    fit = bayesgmm.fit(x, k, family, random_seed=0)
    return gibbs_posterior(x, fit, prior, n_draws=n_draws, seed=seed)


@cache
def sampled_random(name, family, k, n_draws=1000):
    """Under hyperparameters that are random about those of `sampled`."""
    x, prior = load(name)
    fit = bayesgmm.fit(x, k, family, random_seed=0)
    return gibbs_posterior(x, fit, random_about(prior), n_draws=n_draws)


def random_about(prior):
    scale = Gamma(3.0, 3.0 / np.diagonal(prior.scale))
    return replace(prior, scale=scale, concentration=Gamma(4.0, 4.0))


def exact(x, family, prior, points=201):
    """Evidence of one component: covariances integrated out, means by the trapezoidal rule."""
    x = np.asarray(x, dtype=float)
    n, d = x.shape
    variances = np.full(d, x.var(axis=0).mean()) if family.spherical else x.var(axis=0)
    spread = np.sqrt(variances / n)
    axes = [m + s * np.linspace(-10, 10, points) for m, s in zip(x.mean(0), spread, strict=True)]
    mu = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    away = mu - x.mean(axis=0)
    scatter = n * np.cov(x.T, bias=True).reshape(d, d) + n * away[:, :, None] * away[:, None, :]
    logs = np.full(len(mu), -0.5 * n * d * np.log(2 * np.pi))
    if family.spherical or family.diagonal:
        shape, scale = prior.inverse_wishart.inverse_gamma(family)
        squares = np.diagonal(scatter, axis1=1, axis2=2)
        half = 0.5 * n
        if family.spherical:
            squares, half = squares.sum(axis=1, keepdims=True), 0.5 * n * d
        logs += np.sum(
            gammaln(shape + half) - gammaln(shape) + shape * np.log(scale)
            - (shape + half) * np.log(scale + 0.5 * squares), axis=1,
        )  # fmt: skip
    else:
        half = 0.5 * (prior.dof + n)
        logs += multigammaln(half, d) - multigammaln(0.5 * prior.dof, d) + 0.5 * n * d * np.log(2)
        logs += 0.5 * prior.dof * np.linalg.slogdet(prior.scale)[1]
        logs -= half * np.linalg.slogdet(prior.scale + scatter)[1]
    variances = np.diagonal(prior.mean_covariance)
    logs -= 0.5 * np.sum((mu - prior.mean) ** 2 / variances + np.log(2 * np.pi * variances), axis=1)
    return logsumexp(logs) + sum(np.log(axis[1] - axis[0]) for axis in axes)


def test_quadrature_is_the_reference():
    """The closed forms below, against the two published values of one component."""
    for name, family in (("galaxies", "E"), ("faithful", "VVV")):
        x, prior = load(name)
        value, _ = KNOWN[name, family, 1]
        assert exact(x, get_family(family, prior.d), prior) == pytest.approx(value, abs=0.005)


@pytest.mark.parametrize("family", ["E", "EII", "VVI", "VVV"])
@pytest.mark.parametrize("method", ["bridge", "importance", "laplace"])
def test_one_component_by_quadrature(family, method):
    """Spherical, diagonal and full, one column and two, by every method."""
    name = "galaxies" if family == "E" else "faithful"
    x, prior = load(name)
    found = sampled(name, family, 1).log_evidence(method, random_seed=1)
    expected = exact(x, get_family(family, prior.d), prior)
    assert found.value == pytest.approx(expected, abs=0.05)
    assert found.labelling == "" and found.problems == ()
    if method != "laplace":
        assert abs(found.value - expected) < Z * found.error < 0.03


@cache
def exact_random(name, family):
    """The same under a random scale, by the trapezoidal rule over the logs of psi."""
    x, prior = load(name)
    scale = random_about(prior).scale
    axis = np.arange(-5, 3, 0.4)
    total = []
    for offsets in itertools.product(axis, repeat=prior.d):
        psi = scale.mean * np.exp(offsets)
        weight = gamma.logpdf(psi, scale.shape, scale=1 / scale.rate) + np.log(psi)
        value = exact(x, get_family(family, prior.d), replace(prior, scale=psi), points=41)
        total.append(value + weight.sum())
    return logsumexp(total) + prior.d * np.log(axis[1] - axis[0])


@pytest.mark.parametrize("family", ["E", "EII", "VVI", "VVV"])
@pytest.mark.parametrize("method", ["bridge", "importance", "laplace"])
def test_one_component_under_a_random_scale(family, method):
    """By quadrature over the scale too."""
    name = "galaxies" if family == "E" else "faithful"
    found = sampled_random(name, family, 1).log_evidence(method, random_seed=1)
    expected = exact_random(name, family)
    assert found.value == pytest.approx(expected, abs=0.05)
    assert found.problems == ()
    if method != "laplace":
        assert abs(found.value - expected) < Z * found.error < 0.03


def log_mean(logs):
    """Log of the mean of exp(logs), chains (C, N), and its standard error."""
    terms = np.exp(logs - logs.max())
    ess = array_stats.ess(terms, method="mean")
    error = terms.std() / terms.mean() / np.sqrt(ess)
    return np.log(terms.mean()) + logs.max(), error


@pytest.mark.parametrize("family", ["EII", "VII", "EEI", "VVI", "EEE", "VVV"])
def test_random_hyperparameters_by_chib_s_identity(family):
    """Log p(x) is log p(x | h) + log p(h) - log p(h | x) at any h: Chib (1995), equation 2.

    The first from draws under numbers for hyperparameters, the last the mean over draws of a
    and psi's conditional densities. Given pi and Sigma they are independent.
    """
    posterior = sampled_random("faithful", family, 2, 500)
    given = sampled("faithful", family, 2, 500).log_evidence(random_seed=1)
    x, fixed = load("faithful")
    prior = random_about(fixed)
    draws, h = posterior.draws, (fixed.concentration, np.diagonal(fixed.scale))
    log_a = np.linspace(-25, 6, 1001)
    grid = log_concentration_density(draws.weights, prior.concentration, np.exp(log_a)) + log_a
    constant = logsumexp(grid, axis=1) + np.log(log_a[1] - log_a[0])
    at = log_concentration_density(draws.weights, prior.concentration, np.array([h[0]]))[:, 0]
    sigma = draws.covariances
    if sigma.ndim == 3:
        sigma = sigma[..., None] * np.eye(2)
    conditional = ScaleConditional.given(sigma, get_family(family, 2), prior)
    logs = (at - constant + conditional.log_density(h[1])).reshape(4, -1)
    log_posterior, error = log_mean(logs)
    log_prior = gamma.logpdf(h[0], prior.concentration.shape, scale=1 / prior.concentration.rate)
    log_prior += gamma.logpdf(h[1], prior.scale.shape, scale=1 / prior.scale.rate).sum()
    expected = given.value + log_prior - log_posterior
    for method in ("bridge", "importance"):
        found = posterior.log_evidence(method, random_seed=1)
        allowed = Z * np.sqrt(found.error**2 + given.error**2 + error**2)
        assert abs(found.value - expected) < allowed < 0.2
        assert found.problems == ()
    table = bayesgmm.model_probabilities({"random": posterior}, random_seed=1)
    assert table["probability"].tolist() == [1.0]


def test_errors_are_standard_errors():
    """z-scores of short runs over seeds spread as they should."""
    x, prior = load("galaxies")
    expected = exact(x, get_family("E", 1), prior)
    z = []
    for seed in range(24):
        found = sampled("galaxies", "E", 1, 60, seed).log_evidence(random_seed=seed)
        z.append((found.value - expected) / found.error)
    assert abs(np.mean(z)) < 0.8
    assert 0.5 < np.std(z) < 1.6


@pytest.mark.parametrize(("name", "family", "k"), list(KNOWN))
@pytest.mark.parametrize("method", ["bridge", "importance"])
def test_published_values(name, family, k, method):
    """Within 0.05, and within the errors, of draws from another sampler than PyMC's."""
    value, error = KNOWN[name, family, k]
    found = sampled(name, family, k).log_evidence(method, random_seed=1)
    assert found.value == pytest.approx(value, abs=0.05)
    assert abs(found.value - value) < Z * np.hypot(found.error, error) + 0.005
    assert found.error < 0.02
    assert found.problems == ()
    assert found.diagnostics["rhat"] < 1.02 and found.diagnostics["cut"] == 0


def test_laplace_is_near():
    """Off by what the posterior's skewness makes it, and quiet about an error it does not know."""
    found = sampled("faithful", "VVV", 2).log_evidence("laplace")
    assert found.value == pytest.approx(-1162.47, abs=0.3)
    assert np.isnan(found.error)
    assert "standard error" not in repr(found)


@pytest.mark.parametrize("seed", [0, 1])
def test_laplace_where_components_coincide(seed):
    """Galaxies, five components: -226.86 (.01) by 400 000 importance draws from a wide proposal.

    Six in seven of the normal density at the mode are in other orders than the mode's; with all of
    it counted 5! times the value was -223.91.
    """
    posterior = sampled("galaxies", "V", 5, seed=seed)
    with pytest.warns(ConvergenceAdvice, match="components coincide.* method='bridge'"):
        found = posterior.log_evidence("laplace", random_seed=seed)
    assert found.diagnostics["in_order"] == pytest.approx(0.15, abs=0.05)
    assert found.value == pytest.approx(-226.86, abs=1.5)


def test_laplace_counts_all_where_components_are_apart():
    """All of the normal density is in the mode's order."""
    found = sampled("faithful", "VVV", 2).log_evidence("laplace")
    assert found.diagnostics["in_order"] == 1 and found.problems == ()


@pytest.mark.slow
def test_importance_after_nuts_knows_what_it_misses():
    """Old Faithful, three components, -1161.10 by 400 000 importance draws from a wide proposal.

    Another program has -1161.085. From the weights alone the errors were .02 to .05, and the value
    up to five of them off (-1161.210 (.022)); z-scores of honest errors have a mean square of 1.
    """
    x, prior = load("faithful")
    fit = bayesgmm.fit(x, 3, random_seed=0)
    z = []
    for seed in range(2):
        with warnings.catch_warnings():  # chains that disagree, weights that are few: it may say so
            warnings.simplefilter("ignore", ConvergenceAdvice)
            posterior = bayesgmm.refine(x, fit, prior=prior, random_seed=seed, progressbar=False)
            found = [posterior.log_evidence("importance", random_seed=q) for q in range(3)]
        z += [(e.value + 1161.10) / e.error for e in found]
    assert np.abs(z).max() < Z
    assert np.sqrt(np.mean(np.square(z))) < 1.5


def relabelled(posterior, permutations):
    """The posterior with the components of every draw (C, N, K) in another order."""
    group, fit = posterior.tree["posterior"], posterior.fit
    pi, mu, sigma = (group[name].to_numpy() for name in ("pi", "mu", "Sigma"))
    draws = draws_dataset(
        np.take_along_axis(pi, permutations, 2),
        np.take_along_axis(mu, permutations[..., None], 2),
        np.take_along_axis(sigma, permutations[..., None, None], 2),
        fit.names,
    )
    return posterior_of(posterior.data.values, fit, draws, prior=posterior.prior)


def test_labels_do_not_matter():
    """The same bits for components named otherwise in all draws."""
    posterior = sampled("galaxies", "E", 3)
    size = posterior.tree["posterior"]["pi"].shape
    other = relabelled(posterior, np.broadcast_to([2, 0, 1], size))
    a, b = (p.log_evidence(random_seed=1) for p in (posterior, other))
    assert (a.value, a.error, a.labelling) == (b.value, b.error, b.labelling)


@pytest.mark.parametrize(("name", "family", "k"), [("galaxies", "E", 2), ("galaxies", "E", 3)])
@pytest.mark.parametrize("method", ["bridge", "importance"])
def test_labels_that_are_not_settled(name, family, k, method):
    """Each draw in an order of its own: the same value, within the errors."""
    posterior = sampled(name, family, k)
    rng = np.random.default_rng(0)
    size = posterior.tree["posterior"]["pi"].shape
    other = relabelled(posterior, np.argsort(rng.random(size), axis=2))
    found = other.log_evidence(method, random_seed=1)
    value, error = KNOWN[name, family, k]
    assert abs(found.value - value) < Z * np.hypot(found.error, error) < 0.3
    assert found.problems == ()
    assert found.diagnostics["cut"] > 0.3
    assert found.labelling == "matched to the draws' average components"


def test_units_shift_the_evidence():
    """In other units the density of n rows has another one, and nothing else changes."""
    posterior = sampled("faithful", "VVV", 2)
    x, prior = load("faithful")
    unit = np.array([60.0, 1e-3])
    group = posterior.tree["posterior"]
    draws = draws_dataset(
        group["pi"].to_numpy(), group["mu"].to_numpy() * unit,
        group["Sigma"].to_numpy() * np.outer(unit, unit), x.columns,
    )  # fmt: skip
    other_prior = Prior(
        prior.mean * unit, prior.mean_covariance * np.outer(unit, unit), prior.dof,
        prior.scale * np.outer(unit, unit),
    )  # fmt: skip
    other = posterior_of(
        x * unit, bayesgmm.fit(x * unit, 2, random_seed=0), draws, prior=other_prior
    ).log_evidence(random_seed=1)
    found = posterior.log_evidence(random_seed=1)
    assert other.value == pytest.approx(found.value - len(x) * np.log(unit).sum(), abs=1e-4)
    assert other.error == pytest.approx(found.error, rel=1e-3)


@pytest.mark.parametrize("family", ["EII", "VII", "EEI", "VVI", "EEE"])
def test_families_two_ways(family):
    """Bridge and importance sampling agree for every family that can be sampled."""
    posterior = sampled("faithful", family, 2, 400)
    a, b = (posterior.log_evidence(m, random_seed=1) for m in ("bridge", "importance"))
    assert abs(a.value - b.value) < Z * np.hypot(a.error, b.error)
    assert max(a.error, b.error) < 0.05


def test_seed_gives_the_same_evidence():
    """A seed is a result; another seed is another one, within the errors."""
    posterior = sampled("galaxies", "E", 2)
    a, b, c = (posterior.log_evidence(random_seed=seed) for seed in (1, 1, 2))
    assert a == b
    assert 0 < abs(a.value - c.value) < Z * np.hypot(a.error, c.error)


def test_chains_that_disagree_are_reported():
    """A chain elsewhere."""
    posterior = sampled("faithful", "VVV", 1, 400)
    group = posterior.tree["posterior"]
    mu = group["mu"].to_numpy().copy()
    mu[0] += 4 * mu.std(axis=(0, 1))
    draws = draws_dataset(
        group["pi"].to_numpy(), mu, group["Sigma"].to_numpy(), posterior.fit.names
    )
    x, prior = load("faithful")
    with pytest.warns(ConvergenceAdvice, match="R-hat of the ordered draws"):
        found = posterior_of(x, posterior.fit, draws, prior=prior).log_evidence(random_seed=1)
    assert "chains disagree" in repr(found)


def test_one_chain_is_enough_and_says_nothing_of_rhat():
    """R-hat of one chain is not a number, and no problem."""
    x, prior = load("galaxies")
    fit = bayesgmm.fit(x, 1)
    found = gibbs_posterior(x, fit, prior, n_chains=1, n_draws=2000).log_evidence(random_seed=1)
    assert np.isnan(found.diagnostics["rhat"])
    assert abs(found.value - KNOWN["galaxies", "E", 1][0]) < Z * found.error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_value": np.nan}, "not a regular maximum"),
        ({"error": 0.7}, "standard error is 0.70"),
        ({"diagnostics": {"pareto_k": 0.9}}, "Pareto k is 0.90"),
    ],
)
def test_a_method_s_own_trouble_is_reported(monkeypatch, changes, message):
    """What cannot be trusted warns, and says what to do."""
    from bayesgmm.posterior.evidence import evidence
    from bayesgmm.posterior.evidence.integrals import Integral

    bad = Integral(**{"log_value": 0.0, "error": 0.01, "diagnostics": {}} | changes)
    way = evidence.METHODS["bridge"]._replace(integrate=lambda *_: bad)
    monkeypatch.setitem(evidence.METHODS, "bridge", way)
    with pytest.warns(ConvergenceAdvice, match=message):
        found = sampled("galaxies", "E", 1).log_evidence()
    assert len(found.problems) == 1


def test_what_has_no_evidence_is_refused():
    """Methods there are not, and few draws."""
    posterior = sampled("galaxies", "E", 2)
    with pytest.raises(ValueError, match="method is 'chib': choose among 'bridge'"):
        posterior.log_evidence("chib")
    short = sampled("galaxies", "E", 2, 5)
    with pytest.raises(ValueError, match="20 draws are too few .* draw at least 32"):
        short.log_evidence()
    weights = posterior.draws.weights.copy()
    weights[3] = [0.0, 1.0]
    with pytest.raises(ValueError, match="1 draws have a component of proportion 0"):
        evidence_of(
            posterior.data, replace(posterior.draws, weights=weights), 4, posterior.fit.family,
            posterior.prior,
        )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_conjugate_prior_has_a_closed_form(seed):
    """One normal-inverse-Wishart component: Murphy (2012), Machine Learning, eq. 5.29."""
    x = bayesgmm.datasets.load_faithful()
    (n, d), rows = x.shape, x.to_numpy()
    prior = Prior([3.0, 75.0], None, 8, [[0.5, 2.0], [2.0, 90.0]], mean_strength=4.0)
    shift = rows.mean(axis=0) - prior.mean
    kappa, dof = 4.0 + n, prior.dof + n
    psi = prior.scale + (n - 1) * np.cov(rows.T) + 4.0 * n / kappa * np.outer(shift, shift)
    log_det, log_det_0 = (np.linalg.slogdet(m)[1] for m in (psi, prior.scale))
    exact = -0.5 * n * d * np.log(np.pi) + 0.5 * d * np.log(4.0 / kappa)
    exact += multigammaln(0.5 * dof, d) - multigammaln(0.5 * prior.dof, d)
    exact += 0.5 * (prior.dof * log_det_0 - dof * log_det)
    rng = np.random.default_rng(seed)
    sigma = invwishart(dof, psi).rvs(2000, random_state=rng)
    z = rng.standard_normal((2000, d, 1))
    mu = prior.mean + n / kappa * shift + (np.linalg.cholesky(sigma / kappa) @ z)[..., 0]
    draws = draws_dataset(
        np.ones((2, 1000, 1)), mu.reshape(2, 1000, 1, d), sigma.reshape(2, 1000, 1, d, d), x.columns
    )
    posterior = posterior_of(x, bayesgmm.fit(x, 1), draws, prior=prior)
    for method in ("bridge", "importance"):
        found = posterior.log_evidence(method, random_seed=seed)
        assert abs(found.value - exact) < 4 * found.error + 1e-6


def test_repr_says_what_it_is():
    """Value, error, method, and how the labels were dealt with."""
    found = sampled("faithful", "VVV", 2).log_evidence(random_seed=1)
    assert isinstance(found, Evidence)
    assert repr(found).startswith("log evidence -1162.4")
    assert "bridge sampling; ordered by the mean of eruptions" in repr(found)


def galaxies_models(n_draws=1000):
    return {f"K = {k}": sampled("galaxies", "E", k, n_draws) for k in (1, 2, 3)}


def test_model_probabilities():
    """Bayes' theorem on the published evidences; intervals hold them."""
    values = np.array([KNOWN["galaxies", "E", k][0] for k in (1, 2, 3)])
    prior = np.array([0.5, 0.5, 1e-5])
    expected = prior * np.exp(values - values.max())
    expected /= expected.sum()
    table = bayesgmm.model_probabilities(
        galaxies_models(), {"K = 3": 1e-5, "K = 1": 0.5, "K = 2": 0.5}, ci_prob=0.9999,
        random_seed=1,
    )  # fmt: skip
    assert table.index.tolist() == ["K = 1", "K = 2", "K = 3"]
    assert table["K"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(table["probability"], expected, rtol=0.05)
    np.testing.assert_allclose(table["prior_probability"].sum(), 1)
    assert ((table["lower"] <= expected) & (expected <= table["upper"])).all()
    assert (table["lower"] < table["probability"]).all()


def test_equal_prior_probabilities_and_laplace():
    """Equal if left out; Laplace gives probabilities and no intervals."""
    table = bayesgmm.model_probabilities(galaxies_models(), method="laplace")
    np.testing.assert_allclose(table["prior_probability"], 1 / 3)
    assert table["probability"].sum() == pytest.approx(1)
    assert table["probability"].iloc[2] > 0.99
    assert table[["error", "lower", "upper"]].isna().all(axis=None)


def test_models_that_cannot_be_compared():
    """Nothing, fits, other data, and prior probabilities that are none."""
    models = galaxies_models()
    with pytest.raises(ValueError, match="no models"):
        bayesgmm.model_probabilities({})
    with pytest.raises(TypeError, match="'a' is a Fit"):
        bayesgmm.model_probabilities({"a": models["K = 1"].fit})
    with pytest.raises(ValueError, match="not the same data: the table of 'K = 1' has columns"):
        bayesgmm.model_probabilities(models | {"other": sampled("faithful", "VVV", 1)})
    with pytest.raises(ValueError, match="prior_probabilities are of K = 1, the models"):
        bayesgmm.model_probabilities(models, {"K = 1": 1.0})
    with pytest.raises(ValueError, match="pass numbers from 0 up"):
        bayesgmm.model_probabilities(models, dict.fromkeys(models, -1.0))
    with pytest.raises(ValueError, match="ci_prob is 2"):
        bayesgmm.model_probabilities(models, ci_prob=2)


def log_bayes_factors(name):
    """Green's own program under Richardson & Green's prior: K against K - 1, and its error.

    Only where both probabilities are known to a fifth: of the galaxies' K = 2 it has seen so few
    draws that the ratio says nothing.
    """
    nmix = json.loads(PUBLISHED.read_text())[name]["nmix"]
    p, se = (dict(zip(nmix["k"], nmix[key], strict=True)) for key in ("post", "se"))
    known = [k for k in nmix["k"] if p[k] > 5 * se[k]]
    return {
        k: (np.log(p[k] / p[k - 1]), np.hypot(se[k] / p[k], se[k - 1] / p[k - 1]))
        for k in known
        if k - 1 in known
    }


def load_for_green(name):
    x = getattr(bayesgmm.datasets, f"load_{name}")()
    return x, Prior.from_data(x, random_scale=True)


def assert_as_green_s(values, errors, name):
    """Log Bayes factors within 4 standard errors of both; values and errors by K."""
    known = log_bayes_factors(name)
    for a, b in itertools.pairwise(values):
        expected, error = known[b]
        error = np.linalg.norm([error, errors[a], errors[b]])
        assert abs(values[b] - values[a] - expected) < Z * error, (b, values[b] - values[a])


def test_acidity_of_two_components_and_three():
    """Richardson & Green's random beta, by Gibbs sampling."""
    x, prior = load_for_green("acidity")
    posteriors = {}
    for k in (2, 3):
        fit = bayesgmm.fit(x, k, "V", prior=prior, random_seed=0)
        posteriors[f"K = {k}"] = gibbs_posterior(x, fit, prior, n_draws=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = bayesgmm.model_probabilities(posteriors, random_seed=1).set_index("K")
    assert table["error"].max() < 0.05
    log_odds = np.log(table["probability"])
    assert_as_green_s(log_odds.to_dict(), table["error"].to_dict(), "acidity")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sizes"), [("galaxies", range(3, 9)), ("acidity", range(2, 9))])
def test_probabilities_of_k(name, sizes):
    """Richardson & Green's random beta up to eight components, by NUTS."""
    x, prior = load_for_green(name)
    values, errors = {}, {}
    for k in sizes:
        fit = bayesgmm.fit(x, k, "V", prior=prior, random_seed=0)
        with warnings.catch_warnings():  # a chain may stay behind an edge of the posterior a while
            warnings.simplefilter("ignore", ConvergenceAdvice)
            posterior = bayesgmm.refine(
                x, fit, prior=prior, draws=4000, tune=2000, random_seed=1, progressbar=False
            )
            found = posterior.log_evidence(random_seed=1)
        values[k], errors[k] = found.value, found.error
        assert found.error < 0.06 and found.diagnostics["rhat"] < 1.1
    assert_as_green_s(values, errors, name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "family", "k"), list(KNOWN))
def test_published_values_end_to_end(name, family, k):
    """The same from fit and refine."""
    x, prior = load(name)
    fit = bayesgmm.fit(x, k, family, random_seed=0)
    posterior = bayesgmm.refine(x, fit, prior=prior, random_seed=5, progressbar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = posterior.log_evidence(random_seed=1)
    assert found.value == pytest.approx(KNOWN[name, family, k][0], abs=0.05)
    assert found.error < 0.02
