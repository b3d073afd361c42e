"""The prior: SciPy's densities, EM's modes, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.families import get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.mixture.prior import Prior
from tests.conftest import families_for


def random_prior(rng, d, strength=None):
    a, b = rng.standard_normal((2, d, d + 2))
    spread = a @ a.T if strength is None else None
    return Prior(rng.standard_normal(d), spread, d + 3.5, b @ b.T, 2.5, strength)


#: Prior rows of the means: none for means that are independent of the covariances.
STRENGTHS = pytest.mark.parametrize("strength", [None, 0.3], ids=["independent", "conjugate"])


@STRENGTHS
@pytest.mark.parametrize("d", [1, 2, 3])
def test_full_density_is_scipy_s(rng, d, strength):
    """VVV and EEE: inverse Wishart, once per distinct matrix, with everything normalised."""
    k = 3
    prior = random_prior(rng, d, strength)
    roots = rng.standard_normal((k, d, d + 2))
    sigma = roots @ np.swapaxes(roots, 1, 2)
    weights, means, center = (
        rng.dirichlet(np.ones(k)),
        rng.standard_normal((k, d)),
        rng.standard_normal(d),
    )
    of_weights = stats.dirichlet.logpdf(weights, np.full(k, 2.5))
    for name, matrices in (("VVV", sigma), ("EEE", np.repeat(sigma[:1], k, axis=0))):
        family = get_family(name, d)
        distinct = matrices[:1] if name == "EEE" else matrices
        spreads = matrices / strength if strength else [prior.mean_covariance] * k
        expected = (
            of_weights
            + sum(
                stats.multivariate_normal(prior.mean, spread).logpdf(mean)
                for mean, spread in zip(means, spreads, strict=True)
            )
            + sum(stats.invwishart(prior.dof, prior.scale).logpdf(np.squeeze(s)) for s in distinct)
        )
        parameters = Parameters(weights, means - center, matrices)
        assert prior.log_density(parameters, family, center) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["EII", "VII", "EEI", "VVI"])
def test_restricted_density_is_the_kernel_normalised(rng, name):
    """Diagonal and spherical: inverse gammas with the restricted kernel, for all scales."""
    d, k = 3, 2
    prior = random_prior(rng, d)
    family = get_family(name, d)
    shape, scale = prior.inverse_wishart.inverse_gamma(family)
    variances = rng.gamma(2, 1, (k, d))
    if family.spherical:
        variances = np.repeat(variances[:, :1], d, axis=1)
    if family.common:
        variances = np.repeat(variances[:1], k, axis=0)
    parameters = Parameters(np.full(k, 0.5), np.zeros((k, d)), variances)
    ours = prior.log_density(parameters, family, np.zeros(d))
    base = prior.log_density(
        Parameters(np.full(k, 0.5), np.zeros((k, d)), np.ones((k, d))), family, np.zeros(d)
    )
    distinct = variances[:1] if family.common else variances
    entries = distinct[:, :1] if family.spherical else distinct
    expected = np.sum(stats.invgamma(shape, scale=scale).logpdf(entries))
    at_one = np.sum(stats.invgamma(shape, scale=scale).logpdf(np.ones_like(entries)))
    assert ours - base == pytest.approx(expected - at_one, rel=1e-10)
    # the kernel |Sigma|^-(nu+d+1)/2 exp(-tr(Psi Sigma^-1)/2) itself
    kernel = sum(
        -0.5 * (prior.dof + d + 1) * np.sum(np.log(v)) - 0.5 * np.sum(np.diagonal(prior.scale) / v)
        for v in distinct
    )
    flat = len(distinct) * -0.5 * np.trace(prior.scale)
    assert ours - base == pytest.approx(kernel - flat, rel=1e-10)


def test_one_column_is_inverse_gamma():
    """Prior.univariate states mu ~ N(20, 100), sigma^2 ~ IG(3, 20), for E and for V."""
    prior = Prior.univariate(mean=20, variance=100, shape=3, scale=20)
    for name, k in (("E", 1), ("V", 2)):
        shape, scale = prior.inverse_wishart.inverse_gamma(get_family(name, 1))
        assert (shape, scale.tolist()) == (3, [20])
        sigma = np.linspace(2, 5, 2)[:, None, None] if name == "V" else np.full((2, 1, 1), 4.0)
        ours = prior.log_density(
            Parameters(np.full(2, 0.5), np.zeros((2, 1)), sigma), get_family(name, 1), np.zeros(1)
        )
        expected = 2 * stats.norm(20, 10).logpdf(0) + np.sum(
            stats.invgamma(3, scale=20).logpdf(sigma[:k])
        )
        assert ours == pytest.approx(expected, rel=1e-12)


@STRENGTHS
@pytest.mark.parametrize(("d", "name"), [(d, f) for d in (1, 2) for f in families_for(d)])
def test_map_is_a_stationary_point(rng, d, name, strength):
    """At the MAP the penalised log-likelihood falls in every direction of the parameters."""
    x = np.vstack([rng.normal(0, 1, (60, d)), rng.normal(3, 0.7, (50, d))])
    prior = random_prior(rng, d, strength)
    fit = bayesgmm.fit(x, 2, name, prior=prior, random_seed=0, tol=1e-13, max_iter=20_000, n_init=3)
    family = fit.family
    history = np.array(fit.history)
    assert np.all(np.diff(history) >= -1e-11 * (len(x) + np.abs(history[1:])))

    def objective(weights, means, covariances):
        covariances = np.diagonal(covariances, axis1=1, axis2=2) if family.diagonal else covariances
        mixture = bayesgmm.Mixture(weights, means, covariances)
        parameters = Parameters(weights, means, np.array(covariances))
        return mixture.log_density(x).sum() + prior.log_density(parameters, family, np.zeros(d))

    best = objective(fit.weights, fit.means, fit.covariances)
    assert best == pytest.approx(fit.objective, rel=1e-10)
    for _ in range(30):
        h = 1e-3
        step = h * rng.standard_normal(2)
        weights = fit.weights * np.exp(step) / np.sum(fit.weights * np.exp(step))
        means = fit.means + h * rng.standard_normal(fit.means.shape)
        factor = np.exp(h * rng.standard_normal(1 if family.volume == "E" else 2))
        covariances = fit.covariances * np.broadcast_to(factor, 2)[:, None, None]
        assert objective(weights, means, covariances) <= best + 1e-7


def test_conjugate_prior_of_weighted_rows(rng):
    """A row of weight w is w rows; weights that sum to 1 are none of a covariance."""
    x = rng.standard_normal((40, 3)) * [1, 10, 1e-3] + [0, 1e4, 0]
    weights = rng.integers(0, 4, size=40)
    repeated = Prior.from_data(np.repeat(x, weights, axis=0), conjugate=True, n_components=2)
    prior = Prior.from_data(as_data(x, sample_weight=weights), conjugate=True, n_components=2)
    np.testing.assert_allclose(prior.mean, repeated.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(prior.scale, repeated.scale, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="sums to 1, less than two rows"):
        as_data(x, sample_weight=weights / weights.sum())


def test_conjugate_map_is_fraley_and_raftery_s():
    """Their closed forms of the mean and of VVV's and EEE's covariances hold at the mode."""
    x = bayesgmm.datasets.load_faithful()
    rows, (n, d), k = x.to_numpy(), x.shape, 2
    prior = Prior.from_data(x, conjugate=True, n_components=k)
    np.testing.assert_allclose(prior.mean, rows.mean(axis=0))
    np.testing.assert_allclose(prior.scale, np.cov(rows.T) / k ** (2 / d))
    assert (prior.mean_strength, prior.dof) == (0.01, d + 2)
    for family in ("VVV", "EEE"):
        fit = bayesgmm.fit(x, k, family, prior=prior, tol=1e-14, random_seed=1)
        r = fit.predict_proba(x)
        counts = r.sum(axis=0)
        means = r.T @ rows / counts[:, None]
        delta = rows[None] - means[:, None]
        scatters = np.einsum("ik,kij,kil->kjl", r, delta, delta)
        shrunk = 0.01 / (0.01 + counts)
        shift = means - prior.mean
        about = scatters + (shrunk * counts)[:, None, None] * shift[:, :, None] * shift[:, None]
        if family == "VVV":
            sigma = (prior.scale + about) / (prior.dof + d + counts + 2)[:, None, None]
        else:
            sigma = np.repeat(
                (prior.scale + about.sum(0))[None] / (prior.dof + d + n + k + 1), k, 0
            )
        np.testing.assert_allclose(fit.means, means - shrunk[:, None] * shift, rtol=1e-5)
        np.testing.assert_allclose(fit.covariances, sigma, rtol=1e-4)


def test_random_scale_by_default_is_richardson_and_green_s():
    """One column: theirs; two: the shapes of Stephens (2000); the default's mean of Sigma."""
    galaxies = bayesgmm.datasets.load_galaxies()
    one = Prior.from_data(galaxies, random_scale=True)
    r = float(np.ptp(galaxies.to_numpy()))
    assert (one.dof / 2, one.scale.shape) == (2, pytest.approx(0.2))
    np.testing.assert_allclose(one.scale.rate, 10 / r**2 / 2)  # Psi = 2 beta
    x = bayesgmm.datasets.load_faithful()
    two, fixed = (Prior.from_data(x, random_scale=flag) for flag in (True, False))
    assert (two.dof / 2, two.scale.shape) == (3, pytest.approx(0.3))
    np.testing.assert_allclose(
        two.expected_scale / (two.dof - 3), fixed.scale / (fixed.dof - 3), rtol=1e-12
    )


def test_em_takes_random_hyperparameters_at_their_means():
    """The same mode as under the means themselves."""
    x = bayesgmm.datasets.load_faithful()
    random = Prior([3, 70], [4, 900], 7, Gamma(2, [4.0, 0.02]), Gamma(6, 4))
    fixed = Prior([3, 70], [4, 900], 7, [0.5, 100], 1.5)
    a, b = (bayesgmm.fit(x, 2, prior=prior, random_seed=0) for prior in (random, fixed))
    assert a.objective == b.objective
    np.testing.assert_array_equal(a.covariances, b.covariances)


def test_default_prior_covers_the_data():
    """Midrange, squared range, and a covariance of 2 % of the squared range on average."""
    x = bayesgmm.datasets.load_faithful()
    prior = Prior.from_data(x)
    ranges = x.max() - x.min()
    np.testing.assert_allclose(prior.mean, (x.max() + x.min()) / 2)
    np.testing.assert_allclose(np.diagonal(prior.mean_covariance), ranges**2)
    np.testing.assert_allclose(np.diagonal(prior.scale) / (prior.dof - 3), 0.02 * ranges**2)


def test_words_and_numbers_of_a_prior():
    """It prints, and its dictionary makes it again."""
    prior = Prior.from_data(bayesgmm.datasets.load_faithful())
    assert "InverseWishart(6, diag(" in repr(prior)
    assert "Dirichlet(1" in repr(prior)
    again = Prior(**prior.to_dict())
    np.testing.assert_array_equal(again.scale, prior.scale)
    assert "InverseGamma(3, 20)" in repr(Prior.univariate(20, 100, 3, 20))
    assert "[" in repr(Prior([0, 0], [[2, 1], [1, 2]], 4, [1, 1]))


def test_words_and_numbers_of_random_hyperparameters():
    """Each has its row, with its mean; the dictionary goes through JSON."""
    prior = Prior([0, 0], None, 5, Gamma(2, 4), Gamma(1, 20), mean_strength=0.01)
    table = prior.to_frame().set_index("parameter")
    assert table["prior"].to_dict() == {
        "pi": "Dirichlet(concentration, ..., concentration)",
        "mu_k": "Normal((0, 0), Sigma_k / 0.01)",
        "Sigma_k": "InverseWishart(5, diag(scale))",
        "concentration": "Gamma(1, 20)",
        "scale": "Gamma(2, (4, 4))",
    }
    assert table.loc["concentration", "note"] == "mean 0.05"
    assert table.loc["Sigma_k", "note"] == "mean diag(0.25, 0.25)"
    prior = replace(prior, noise_share=(2, 5))
    again = Prior(**json.loads(json.dumps(prior.to_dict())))
    assert repr(again) == repr(prior) and again.to_dict() == prior.to_dict()
    share = Prior.univariate(20, 625, 2, Gamma(0.2, 0.016), noise_share=(1, 9)).to_frame().iloc[-1]
    assert share.to_list() == ["noise_share", "Beta(1, 9)", "mean 0.1, where a fit has noise"]
    univariate = Prior.univariate(20, 625, 2, Gamma(0.2, 0.016))
    assert "InverseGamma(2, scale / 2)" in repr(univariate)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0, np.nan]}, "prior mean"),
        ({"mean_covariance": [1, -1]}, "mean_covariance is not symmetric positive definite"),
        (
            {"mean_covariance": [[1, 2], [2, 1]]},
            "mean_covariance is not symmetric positive definite",
        ),
        ({"scale": [[1, 0.5], [0.2, 1]]}, "scale is not symmetric"),
        ({"scale": [1, 1, 1]}, r"scale has shape \(3,\)"),
        ({"dof": 1.0}, "dof is 1.0: it must exceed d - 1 = 1"),
        ({"concentration": 0}, "concentration is 0"),
        ({"concentration": Gamma(1, [1, 2])}, "concentration is .*: it is one number"),
        ({"noise_share": (1, 0)}, "noise_share is 0.0: it must be positive"),
        ({"noise_share": 0.1}, "noise_share is 0.1: pass the two numbers of a beta prior"),
        ({"noise_share": "few"}, "prior noise_share is 'few'"),
        ({"scale": Gamma(1, [1, 2, 3])}, r"scale has rates of shape \(3,\): for 2 columns"),
        ({"mean_strength": 1}, "mean_covariance is .* and mean_strength 1: give one of the two"),
        ({"mean_covariance": None}, "mean_covariance is None and mean_strength None"),
        ({"mean_covariance": None, "mean_strength": -1}, "mean_strength is -1.0: it must be pos"),
    ],
)
def test_bad_hyperparameters_are_named(change, message):
    """Each with its value and what it must be."""
    good = {"mean": [0, 0], "mean_covariance": [1, 1], "dof": 4, "scale": [1, 1]}
    with pytest.raises(ValueError, match=message):
        Prior(**(good | change))


@pytest.mark.parametrize(
    ("shape", "rate", "message"),
    [
        (0, 1, "Gamma shape is 0.0: it must be positive"),
        ("a", 1, "Gamma shape is 'a': pass a number"),
        (1, -2, "Gamma rate is -2: pass a positive number"),
        (1, [1, np.inf], "Gamma rate is .*: pass a positive number, or one for each column"),
    ],
)
def test_bad_gammas_are_named(shape, rate, message):
    """As other hyperparameters."""
    with pytest.raises(ValueError, match=message):
        Gamma(shape, rate)


def test_a_prior_must_fit_the_data():
    """Number of columns, and a concentration that has a mode."""
    x = bayesgmm.datasets.load_faithful()
    with pytest.raises(ValueError, match="prior is for 1 columns, the data have 2"):
        bayesgmm.fit(x, 2, prior=Prior.univariate(0, 1, 3, 1))
    for sparse, words in ((0.5, "0.5"), (Gamma(1, 20), r"Gamma\(1, 20\)")):
        with pytest.raises(ValueError, match=f"concentration is {words}: below 1"):
            bayesgmm.fit(x, 2, prior=Prior.from_data(x, concentration=sparse))
    with pytest.raises(ValueError, match="scale depends on K: pass n_components"):
        Prior.from_data(x, conjugate=True)
