"""The telescoping sampler: K and K+ against sums over all partitions, published figures, bridge."""

from __future__ import annotations

import _thread
import json
import signal
import warnings
from itertools import count

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import gammaln, logsumexp, multigammaln

import bayesgmm
from bayesgmm import ComponentsPosterior, ConvergenceAdvice, Gamma, Prior, PriorOnK
from bayesgmm.mixture.mixture_of_mixtures import MixtureOfMixtures
from bayesgmm.sampling.compiled import telescoping as engine
from bayesgmm.sampling.problem import PosteriorProblem
from tests.places import SHIPPED

FAMILIES = ["EII", "VII", "EEI", "VVI", "EEE", "VVV"]
SHAPED = ["VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV"]
# What is tried each time; the others are slow.
QUICK = [("EII", "static"), ("VVI", "dynamic"), ("VVV", "random")]


def sampled(x, fit, **options):
    """Draws without progress bar; advice on few draws is not wanted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return bayesgmm.sample_components(
            x, fit, **{"random_seed": 1, "progressbar": False} | options
        )


def refined(x, fit, **options):
    """The posterior of a known K by Gibbs sampling, as quietly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return bayesgmm.refine(
            x, fit, sampler="gibbs", **{"random_seed": 1, "progressbar": False} | options
        )


def assert_ratio_is_that_of(evidence, table, k, most=np.inf, more=0.0):
    """Log p(K) / p(K - 1) under a uniform prior within 4 errors, together less than `most`."""
    drawn, error = (table[name] for name in ("K_posterior", "K_mcse"))
    ratio = np.log(drawn[k] / drawn[k - 1])
    errors = [error[j] / drawn[j] for j in (k - 1, k)] + [evidence[j].error for j in (k - 1, k)]
    assert np.linalg.norm(errors) < most
    expected = evidence[k].value - evidence[k - 1].value
    assert abs(ratio - expected) < 4 * np.linalg.norm(errors) + more, (k, ratio, expected)


def partitions(n):
    """All partitions of n rows, as labels that begin new blocks in order."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*p, j] for p in found for j in range(max(p) + 2)]
    return [np.array(p) for p in found]


def log_marginal(x, labels, family, prior):
    """Log density of the rows given their partition, under the conjugate prior, in closed form."""
    d, kappa, psi = x.shape[1], prior.mean_strength, np.array(prior.scale)
    total, counts, scatters = 0.0, [], []
    for j in range(labels.max() + 1):
        block = x[labels == j]
        n, away = len(block), block.mean(axis=0) - prior.mean
        centred = block - block.mean(axis=0)
        scatters.append(centred.T @ centred + kappa * n / (kappa + n) * np.outer(away, away))
        counts.append(n)
        total += 0.5 * d * np.log(kappa / (kappa + n)) - 0.5 * n * d * np.log(2 * np.pi)
    if family.startswith("E"):
        counts, scatters = [sum(counts)], [sum(scatters)]
    for n, s in zip(counts, scatters, strict=True):
        total += _log_integral(family, d, prior.dof, psi, n, s)
    return total


def _log_integral(family, d, dof, psi, n, s):
    """Log of the integral of |Sigma|^(-n/2) exp(-tr(S Sigma^-1)/2) over the covariance's prior."""
    if family.endswith("II"):
        shape, scale = 0.5 * d * (dof + d + 1) - 1, 0.5 * np.trace(psi)
        new = scale + 0.5 * np.trace(s)
        after = shape + 0.5 * n * d
        return gammaln(after) - gammaln(shape) + shape * np.log(scale) - after * np.log(new)
    if family.endswith("I"):
        shape, scale = 0.5 * (dof + d - 1), 0.5 * np.diag(psi)
        new, after = scale + 0.5 * np.diag(s), shape + 0.5 * n
        each = gammaln(after) - gammaln(shape) + shape * np.log(scale) - after * np.log(new)
        return each.sum()
    value = multigammaln(0.5 * (dof + n), d) - multigammaln(0.5 * dof, d) + 0.5 * n * d * np.log(2)
    value += 0.5 * dof * np.linalg.slogdet(psi)[1]
    return value - 0.5 * (dof + n) * np.linalg.slogdet(psi + s)[1]


def exact(x, family, prior, on_k, alphas, weights, dynamic):
    """P(K), P(K+) given the rows, by summing over all partitions and values of alpha."""
    n, most = len(x), on_k.max_components
    logs, blocks = [], []
    for labels in partitions(n):
        counts = np.bincount(labels)
        evidence = log_marginal(x, labels, family, prior)
        for k in range(len(counts), most + 1):
            for alpha, weight in zip(alphas, weights, strict=True):
                a = alpha / k if dynamic else alpha
                of_labels = gammaln(k * a) - gammaln(n + k * a)
                of_labels += np.sum(gammaln(counts + a) - gammaln(a))
                of_labels += gammaln(k + 1) - gammaln(k - len(counts) + 1)
                logs.append(evidence + of_labels + np.log(weight * on_k.probabilities[k - 1]))
                blocks.append((k, len(counts)))
    p, blocks = np.exp(np.array(logs) - logsumexp(logs)), np.array(blocks)
    return tuple(np.bincount(blocks[:, i], p, minlength=most + 1)[1:] for i in (0, 1))


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        pytest.param(family, kind, marks=() if (family, kind) in QUICK else pytest.mark.slow)
        for family in FAMILIES
        for kind in ("static", "dynamic", "random")
    ],
)
def test_all_partitions_of_six_rows(family, kind):
    """Within 4.5 Monte Carlo errors of the sum over 203 partitions, in which no sampler is."""
    x = np.random.default_rng(4).standard_normal((6, 2)) * [1.0, 3.0]
    x[4:] += [5.0, 4.0]
    prior = Prior(
        x.mean(axis=0), mean_covariance=None, mean_strength=0.1, dof=5.0, scale=[1.0, 5.0]
    )
    on_k, alpha = PriorOnK.poisson(1.5, max_components=6), 1.5
    alphas, weights = np.array([1.5]), np.ones(1)
    if kind == "random":
        alpha = Gamma(2.0, 2.0)
        alphas = np.exp(np.linspace(-7, 3, 61))  # a fine grid of log alpha
        weights = alphas**2 * np.exp(-2 * alphas)
    fit = bayesgmm.fit(x, 2, family, prior=prior, start=np.repeat([0, 1], [4, 2]))
    posterior = sampled(
        x, fit, prior_on_k=on_k, dynamic=kind != "static", concentration=alpha, draws=2000, thin=5
    )
    of_k, of_filled = exact(x, family, prior, on_k, alphas, weights, kind != "static")
    table = posterior.table.reindex(np.arange(1, 7)).fillna(0.0)
    for name, expected in (("K", of_k), ("filled", of_filled)):
        error = np.maximum(table[f"{name}_mcse"], 2e-4)
        assert np.all(np.abs(table[f"{name}_posterior"] - expected) < 4.5 * error), name


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(f, marks=() if f == "VVV" else pytest.mark.slow)
        for f in ("EII", "VVI", "EEE", "VVV", *SHAPED[:-1])
    ]
    + [pytest.param("EVV", marks=pytest.mark.slow)],
)
def test_without_data_the_prior_comes_back(family):
    """Geweke's joint test (2004, JASA 99, 799-804): rows drawn anew between sweeps tell nothing.

    K, K+ (whose prior is computed by a recursion), the concentration, Psi, and the variance of the
    first column of the first component, within 4.5 Monte Carlo errors of the prior. Means do not
    depend on covariances here, and Psi is random: what the sums over partitions cannot have. Where
    components share parts of their covariances the prior of Sigma depends on K.
    """
    rng = np.random.default_rng([*FAMILIES, *SHAPED].index(family))
    x = rng.standard_normal((4, 2))
    prior = Prior([0.0, 1.0], mean_covariance=[4.0, 2.0], dof=7.0, scale=Gamma(3.0, [1.0, 0.5]))
    fit = bayesgmm.fit(x, 1, family, prior=prior)
    model = MixtureOfMixtures(prior, PriorOnK.geometric(0.4, 4), Gamma(3.0, 2.0), dynamic=True)
    problem = PosteriorProblem.of(x, fit, prior)
    of_k = engine.prior_of_components(model, problem.family)
    chain = engine._Chain.at(engine._state_at_mode(problem)(), of_k, 1.5, thin=1)
    rows, kept = problem.data.values, []
    assert rows is x
    for _ in range(20_000):
        rows[:] = new_rows(chain, problem.data.center, rng)
        chain.step(rng)
        draw = chain.value()
        variance = draw.mixture.covariances[0, 0, 0]
        kept.append((len(draw.mixture.weights), draw.filled, draw.alpha, draw.psi[0], variance))
    found = np.array(kept).T.reshape(5, 4, -1)
    expected = {f"K = {k}": (found[0] == k, p) for k, p in enumerate(model.on_k.probabilities, 1)}
    expected |= {f"K+ = {k}": (found[1] == k, p) for k, p in enumerate(model.on_filled(4), 1)}
    p = model.on_k.probabilities
    own = [prior.sample(k, family, 10_000, rng).covariances for k in range(1, len(p) + 1)]
    logs = np.log([sigma.reshape(10_000, -1)[:, 0] for sigma in own])
    mean = p @ logs.mean(axis=1)
    expected |= {
        "alpha": (found[2], 1.5), "Psi": (found[3], 3.0), "sd of log Sigma": (
            (np.log(found[4]) - mean) ** 2, p @ np.mean((logs - mean) ** 2, axis=1)
        ), "log Sigma": (np.log(found[4]), mean),
    }  # fmt: skip
    for name, (draws, mean) in expected.items():
        if mean > 1e-3:
            error = array_stats.mcse(draws.astype(float), method="mean")
            assert abs(draws.mean() - mean) < 4.5 * error + 0.005 * abs(mean), name


def new_rows(chain, center, rng):
    """As many rows as before, drawn from the mixture of a chain."""
    weights, means, covariances = chain.value().mixture
    labels = rng.choice(len(weights), size=4, p=weights)
    if covariances.shape[1] == 1:
        covariances = covariances[:, 0, :, None] * np.eye(2)
    z = rng.standard_normal((4, 2, 1))
    return center + means[labels] + (np.linalg.cholesky(covariances[labels]) @ z)[..., 0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["galaxies", "acidity"])
def test_richardson_and_greens_posterior_of_k(name):
    """Within 4 errors of Nmix's reversible jumps (theirs too), with their prior."""
    known = json.loads((SHIPPED / "posterior_references.json").read_text())[name]
    load = {"galaxies": bayesgmm.datasets.load_galaxies, "acidity": bayesgmm.datasets.load_acidity}
    x = load[name]()
    posterior = sampled(
        x, bayesgmm.select(x, range(2, 6), ["V"], random_seed=1, progressbar=False),
        prior=Prior.from_data(x, random_scale=True), prior_on_k=PriorOnK.uniform(30),
        dynamic=False, draws=2000, thin=60,
    )  # fmt: skip
    table = posterior.table
    for k in range(3, 10):
        at = known["nmix"]["k"].index(k)
        error = np.hypot(table["K_mcse"][k], known["nmix"]["se"][at])
        assert abs(table["K_posterior"][k] - known["nmix"]["post"][at]) < 4 * error + 0.002, k
    if "telescope" in known:  # R's package, of 10 000 sweeps and two decimals; here 480 000
        printed = dict(zip(known["telescope"]["k"], known["telescope"]["post"], strict=True))
        for k in range(3, 10):
            error = table["K_mcse"][k] * np.sqrt(1 + 48)
            assert abs(table["K_posterior"][k] - printed[k]) < 4 * error + 0.005, k


@pytest.mark.slow
def test_ratios_of_k_are_those_of_evidences():
    """Galaxies, static and dynamic: log p(K | data) / p(K) against bridge sampling's evidences."""
    x = bayesgmm.datasets.load_galaxies()
    prior = Prior.from_data(x)
    fits = {k: bayesgmm.fit(x, k, "V", prior=prior, random_seed=1) for k in (3, 4)}
    for dynamic in (False, True):
        posterior = sampled(
            x, fits[3], prior=prior, prior_on_k=PriorOnK.uniform(6), dynamic=dynamic,
            concentration=1.0, draws=2000, thin=50,
        )  # fmt: skip
        given = {
            k: refined(x, fit, prior=posterior.prior_given(k), thin=50) for k, fit in fits.items()
        }
        evidence = {k: p.log_evidence(random_seed=1) for k, p in given.items()}
        assert_ratio_is_that_of(evidence, posterior.table, 4)


@pytest.mark.slow
@pytest.mark.parametrize("family", SHAPED)
def test_ratios_of_k_where_parts_are_shared(family):
    """60 rows of Old Faithful, K = 1 to 4: against evidences, whose constants another way found."""
    x = bayesgmm.datasets.load_faithful().iloc[::5, :]
    prior = Prior.from_data(x)
    fits = [bayesgmm.fit(x, k, family, prior=prior, random_seed=1) for k in (1, 2, 3)]
    posterior = sampled(
        x, fits[1], prior=prior, prior_on_k=PriorOnK.uniform(4), dynamic=False, concentration=1.0,
        draws=2000,
    )  # fmt: skip
    table = posterior.table.reindex(np.arange(1, 5)).fillna(0.0)
    given = posterior.given(2)
    assert set(given.tree["posterior"].data_vars) >= {"volume", "shape", "Sigma"}
    others = {k: refined(x, f, prior=posterior.prior_given(k)) for k, f in enumerate(fits, 1)}
    evidence = {k: other.log_evidence(random_seed=1) for k, other in others.items()}
    # Draws given K are those of the ordinary posterior.
    a, b = (p.summary(var_names=["pi", "mu"]).astype(float) for p in (given, others[2]))
    error = np.hypot(a["mcse_mean"], b["mcse_mean"])
    assert (np.abs(a["mean"] - b["mean"]) < 4.5 * error).all()
    for k in (2, 3):
        if table["K_posterior"][k - 1] > 0.002:
            assert_ratio_is_that_of(evidence, table, k, more=0.02)


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_galaxies()


@pytest.fixture(scope="module")
def grid(x):
    return bayesgmm.select(x, range(1, 5), ["V"], random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def posterior(x, grid):
    return sampled(x, grid, prior=Prior.from_data(x, random_scale=True), draws=200)


def test_given_k_it_is_an_ordinary_posterior(x, grid, posterior):
    """Its means are those of `refine` under the same prior, its density that of the model."""
    given = posterior.given(3)
    prior = posterior.prior_given(3)
    assert given.prior.to_dict() == prior.to_dict()
    assert prior.concentration.rate == pytest.approx(3 * posterior.model.concentration.rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        other = bayesgmm.refine(
            x, given.fit, prior=prior, sampler="gibbs", draws=500, random_seed=2, progressbar=False
        )
        a, b = (p.summary().astype(float) for p in (given, other))
    error = np.hypot(a["mcse_mean"], b["mcse_mean"])
    assert (np.abs(a["mean"] - b["mean"]) < 4.5 * error).all()
    lp = [
        array_stats.mcse(p.tree["sample_stats"]["lp"].values, method="mean") for p in (given, other)
    ]
    means = [float(p.tree["sample_stats"]["lp"].mean()) for p in (given, other)]
    assert abs(means[0] - means[1]) < 4.5 * np.hypot(*lp)
    assert set(given.tree["posterior"].data_vars) == set(other.tree["posterior"].data_vars)


def test_summaries_average_over_k(x, posterior):
    together = posterior.coclustering()
    assert np.all(np.diag(together) == 1) and np.all((together >= 0) & (together <= 1))
    partition = posterior.partition(random_seed=1)
    assert 2 <= partition.n_clusters <= 5
    density = posterior.density(columns=0)
    assert np.trapezoid(density["mean"], density[density["mean"].dims[0]]) == pytest.approx(
        1, abs=0.02
    )
    absent = posterior.draws.weights == 0
    assert np.all(absent.sum(axis=1) >= absent.shape[1] - posterior.n_components)
    assert np.all(posterior.n_filled <= posterior.n_components)
    assert posterior.table["K_posterior"].sum() == pytest.approx(1, abs=0.01)
    assert "K unknown" in repr(posterior)


def test_saved_and_loaded(posterior, tmp_path):
    posterior.save(tmp_path / "k.nc")
    again = ComponentsPosterior.load(tmp_path / "k.nc")
    assert again.table.equals(posterior.table)
    assert again.model.to_text() == posterior.model.to_text()
    assert again.given(3).summary().equals(posterior.given(3).summary())
    with pytest.raises(ValueError, match="format"):
        bayesgmm.Posterior.load(tmp_path / "k.nc")


def test_the_same_seed_gives_the_same_draws_on_any_cores(x, grid):
    a, b, other = (
        sampled(x, grid, draws=20, tune=5, cores=cores, random_seed=seed).tree["posterior"]
        for cores, seed in ((1, 3), (2, 3), (2, 4))
    )
    assert a.to_dataset().identical(b.to_dataset().assign_attrs(a.attrs))
    assert not np.array_equal(a["loglik"], other["loglik"])


def test_k_that_is_known_is_a_sparse_finite_mixture(x, grid):
    """All draws have ten components, few of them filled."""
    posterior = sampled(x, grid, prior_on_k=PriorOnK.fixed(10), concentration=0.1, draws=50)
    assert np.all(posterior.n_components == 10) and np.median(posterior.n_filled) < 6
    assert posterior.given().fit.n_components == 10


def test_an_interruption_keeps_the_draws(x, grid, monkeypatch, request):
    original, steps = engine._Chain.step, count(1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def step(self, rng):
        if next(steps) == 4000:  # when all chains have begun
            _thread.interrupt_main()
        original(self, rng)

    monkeypatch.setattr(engine._Chain, "step", step)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        posterior = bayesgmm.sample_components(
            x, grid, draws=10**6, tune=5, cores=4, thin=1, progressbar=False
        )
    assert any("interrupted: " in str(warning.message) for warning in found)
    assert posterior.interrupted and "INTERRUPTED" in repr(posterior)


def test_what_it_refuses(x, grid, posterior):
    with pytest.raises(ValueError, match="allows at most 2"):
        sampled(x, grid.fits["V", 3], prior_on_k=[0.5, 0.5])
    with pytest.raises(ValueError, match=r"only \[0, 0, 0, 0\] have so many"):
        posterior.given(1)
    with pytest.raises(TypeError, match="pass a Fit"):
        sampled(x, "V")
