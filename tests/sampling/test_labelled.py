"""The posterior given labels against closed forms, SciPy, and laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp, multigammaln
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm import Posterior, Prior
from bayesgmm.sampling.problem import PosteriorProblem
from tests.conftest import simulate

# Some posteriors are of few draws; where convergence counts it is looked at.
pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
PRIOR = Prior([0.0, 0.5], None, 6.0, [[2.0, 0.3], [0.3, 1.0]], 2.0, mean_strength=0.5)


@pytest.fixture(scope="module")
def known():
    """Rows whose classes are all known: the posterior is a product of conjugate ones."""
    rng = np.random.default_rng(2)
    x = np.vstack([rng.normal(size=(25, 2)), rng.normal(1.0, 1.3, size=(15, 2))])
    classes = np.repeat(["b", "a"], [25, 15])
    return x, classes, bayesgmm.fit(x, 2, "VVV", labels=classes, prior=PRIOR)


def updated(x, prior):
    """Strength, mean, degrees of freedom and scale of the means and covariance given rows."""
    n, strength = len(x), prior.mean_strength
    mean = (strength * prior.mean + x.sum(axis=0)) / (strength + n)
    about = x - x.mean(axis=0)
    gap = x.mean(axis=0) - prior.mean
    scale = prior.scale + about.T @ about + strength * n / (strength + n) * np.outer(gap, gap)
    return strength + n, mean, prior.dof + n, scale


def log_marginal(x, prior):
    """Log evidence of rows of one Gaussian under the normal-inverse-Wishart prior."""
    n, d = x.shape
    strength, _, dof, scale = updated(x, prior)
    return (
        -0.5 * n * d * np.log(np.pi)
        + multigammaln(dof / 2, d) - multigammaln(prior.dof / 2, d)
        + 0.5 * prior.dof * np.linalg.slogdet(prior.scale)[1]
        - 0.5 * dof * np.linalg.slogdet(scale)[1]
        + 0.5 * d * np.log(prior.mean_strength / strength)
    )  # fmt: skip


@pytest.mark.parametrize("sampler", ["nutpie", "gibbs"])
def test_all_known_is_conjugate(known, sampler):
    """Means, covariances, proportions and the evidence, in closed form."""
    x, classes, fit = known
    posterior = bayesgmm.refine(x, fit, sampler=sampler, random_seed=1, progressbar=False)
    assert not posterior.diagnostics.problems
    assert "tell the components apart" in posterior.relabelling.in_words
    table = posterior.summary()
    counts = np.array([np.sum(classes == name) for name in ("a", "b")])
    log_evidence = float(gammaln(2 * PRIOR.concentration) - 2 * gammaln(PRIOR.concentration))
    log_evidence += float(np.sum(gammaln(PRIOR.concentration + counts)))
    log_evidence -= float(gammaln(2 * PRIOR.concentration + len(x)))
    for k, name in enumerate(("a", "b")):
        rows = x[classes == name]
        _, mean, dof, scale = updated(rows, PRIOR)
        log_evidence += log_marginal(rows, PRIOR)
        expected = (PRIOR.concentration + counts[k]) / (2 * PRIOR.concentration + len(x))
        found = table.loc[f"pi[{name}]"]
        assert found["mean"] == pytest.approx(expected, abs=4 * found["mcse_mean"])
        for j in range(2):
            found = table.loc[f"mu[{name}, x{j}]"]
            assert found["mean"] == pytest.approx(mean[j], abs=4 * found["mcse_mean"])
            for i in range(2):
                found = table.loc[f"Sigma[{name}, x{i}, x{j}]"]
                sigma = scale[i, j] / (dof - 3)
                assert found["mean"] == pytest.approx(sigma, abs=4 * found["mcse_mean"])
    evidence = posterior.log_evidence(random_seed=1)
    assert evidence.value == pytest.approx(log_evidence, abs=4 * evidence.error + 1e-3)


@pytest.fixture(scope="module")
def partly():
    rng = np.random.default_rng(4)
    x, truth = simulate(rng, 120, 2, 3)
    known = np.where(rng.random(120) < 0.3, np.array(["c", "a", "b"])[truth], None)
    fit = bayesgmm.fit(x, 3, labels=known, random_seed=0)
    return x, known, fit, bayesgmm.refine(x, fit, draws=200, random_seed=1, progressbar=False)


def test_rows_by_hand(partly):
    """Densities and probabilities of the labelled rows, and of others; leave-one-out."""
    x, known, fit, posterior = partly
    d = posterior.draws
    logs = np.array([
        np.stack([
            np.log(w) + multivariate_normal(m, s).logpdf(x)
            for w, m, s in zip(*of_draw, strict=True)
        ], axis=1)
        for of_draw in zip(d.weights, d.means, d.covariances, strict=True)
    ])  # fmt: skip
    names = np.array(fit.classes)
    allowed = np.equal(known[:, None], names) | np.equal(known, None)[:, None]
    seen = np.where(allowed, logs, -np.inf)
    density = logsumexp(seen, axis=2)
    resp = np.exp(seen - density[..., None]).mean(axis=0)
    assert posterior.predict_proba() == pytest.approx(resp, abs=1e-10)
    group = posterior.with_log_likelihood().tree["log_likelihood"]["y"].to_numpy()
    assert group.reshape(density.shape) == pytest.approx(density, abs=1e-9)
    free = np.exp(logs - logsumexp(logs, axis=2, keepdims=True)).mean(axis=0)
    assert posterior.predict_proba(x) == pytest.approx(free, abs=1e-10)


def test_components_keep_their_classes(partly, tmp_path):
    x, known, fit, posterior = partly
    with pytest.raises(ValueError, match="tell the components apart"):
        posterior.relabel("ecr")
    assert posterior.relabelled_draws == 0
    means = posterior.draws.means.mean(axis=0)
    assert means == pytest.approx(fit.means, abs=1.0)
    posterior.save(tmp_path / "labels.nc")
    again = Posterior.load(tmp_path / "labels.nc")
    assert again.fit.classes == fit.classes and again.fit.n_labelled == fit.n_labelled
    assert (again.predict_proba() == posterior.predict_proba()).all()
    fit.save(tmp_path / "fit.npz")
    loaded = bayesgmm.Fit.load(tmp_path / "fit.npz")
    assert (loaded.predict(x) == fit.predict(x)).all() and loaded.loglik == fit.loglik


def test_new_classes_may_change_places():
    """Two components without a class: relabelled among themselves, the third never."""
    rng = np.random.default_rng(6)
    x, truth = simulate(rng, 90, 2, 3)
    known = np.where((truth == 0) & (rng.random(90) < 0.5), "known", None)
    fit = bayesgmm.fit(x, 3, "EII", labels=known, random_seed=0)
    problem = PosteriorProblem.of(x, fit)
    assert problem.fixed_labels == "" and [len(k) for k in problem.data.groups.kinds] == [2, 1]
    posterior = bayesgmm.refine(x, fit, draws=100, random_seed=0, progressbar=False)
    draws = posterior.draws
    mixed = draws.permuted(np.array([[0, 2, 1] if s % 2 else [0, 1, 2] for s in range(len(draws))]))
    from bayesgmm.posterior.labels.relabel import relabel

    found = relabel("ecr", problem.data, mixed, fit.mixture, np.zeros(len(draws)))
    assert (found.permutations[:, 0] == 0).all()
    assert mixed.permuted(found.permutations).means == pytest.approx(draws.means)


def test_evidence_of_several_new_classes():
    """One class known, two components that may change places: the sum over all allocations."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0, 0.4, 4), rng.normal(3, 0.4, 3), rng.normal(6, 0.4, 3)])
    known = ["a", "a", *[None] * 8]
    prior = Prior([2.0], None, 4.0, [[1.0]], 1.5, mean_strength=0.1)
    fit = bayesgmm.fit(x, 3, "V", labels=known, prior=prior, random_seed=0)
    posterior = bayesgmm.refine(
        x, fit, sampler="gibbs", draws=2000, thin=5, random_seed=1, progressbar=False
    )

    def of_one(rows):
        n, strength, shape, rate = len(rows), 0.1, 2.0, 0.5
        away = strength * n / (strength + n) * (rows.mean() - 2.0) ** 2 if n else 0.0
        after = rate + 0.5 * (np.sum((rows - rows.mean()) ** 2) + away) if n else rate
        out = 0.5 * np.log(strength / (strength + n)) - 0.5 * n * np.log(2 * np.pi)
        out += shape * np.log(rate) - gammaln(shape)
        return out + gammaln(shape + n / 2) - (shape + n / 2) * np.log(after)

    terms, marginals = [], {}
    for z in itertools.product(range(3), repeat=8):
        allocation = np.array([0, 0, *z])
        total = gammaln(4.5) - gammaln(14.5)
        for k in range(3):
            mine = allocation == k
            key = mine.tobytes()
            if key not in marginals:
                marginals[key] = of_one(x[mine]) + gammaln(1.5 + mine.sum()) - gammaln(1.5)
            total += marginals[key]
        terms.append(total)
    evidence = posterior.log_evidence(random_seed=1)
    assert evidence.value == pytest.approx(logsumexp(terms), abs=4 * evidence.error + 1e-3)
    assert evidence.error < 0.1
