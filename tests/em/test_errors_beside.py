"""Standard errors of fits with missing values, labels and noise, against SciPy and bootstraps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm import standard_errors
from bayesgmm.em.standard_errors.information import (
    Beside,
    LocalCoordinates,
    observed_information,
)
from bayesgmm.em.standard_errors.sandwich import scores
from bayesgmm.kernels.e_step.contract import Parameters
from tests.conftest import simulate

CASES = {
    "holes": {"missing": "marginalize"},
    "noise": {"noise": 0.002},
    "labels and noise": {"labels": True, "noise": 0.002},
    "all": {"missing": "marginalize", "labels": True, "noise": 0.002},
}


def rows_of(case, seed=0):
    """Rows, what `fit` is told of them, and the classes that are known."""
    rng, given = np.random.default_rng(seed), dict(CASES[case])
    x, classes = simulate(rng, 90, 2, 2)
    known = np.where(rng.random(90) < 0.4, classes, -1)
    if "noise" in given:
        x = np.vstack([x, rng.uniform(-12, 12, (20, 2))])
        known = np.append(known, np.full(20, -1))
    if "missing" in given:
        x[rng.random(x.shape) < 0.15] = np.nan
        x[5] = np.nan
        known[5] = -1
    if given.pop("labels", False):
        given["labels"] = known
    else:
        known[:] = -1
    return x, given, known


def log_densities(x, known, mixture, share, log_ranges):
    """Of each row and its label, by SciPy; 0 of a row that says nothing."""
    weights, means, covariances = mixture
    out = np.zeros(len(x))
    for i, row in enumerate(x):
        o = ~np.isnan(row)
        if not o.any():
            continue
        total = 0.0
        for k, w in enumerate(weights):
            density = multivariate_normal(means[k][o], covariances[k][np.ix_(o, o)]).pdf(row[o])
            total += (known[i] in (-1, k)) * (1 - share) * w * density
        total += (known[i] == -1) * share * 0.002 * np.exp(log_ranges[~o].sum())
        out[i] = np.log(total)
    return out


@pytest.mark.parametrize("family", ["VVV", "VEE", "VVI"])
@pytest.mark.parametrize("case", CASES)
def test_scores_and_information_are_derivatives(case, family):
    """Of each row's log density by SciPy; the information those of the sum of scores."""
    x, given, known = rows_of(case)
    fit = bayesgmm.fit(x, 2, family, random_seed=0, **given)
    data = fit.mixture.rows(x)
    data = fit.labels.seen_in(data) if "labels" in given else data
    p = fit.mixture.parameters_about(data.center)
    p = Parameters(p.weights, p.means, fit.covariances)
    beside = Beside(fit.noise, fit.noise_share) if "noise" in given else None
    local = LocalCoordinates(data, fit.family, p, beside)
    assert local.size == fit.family.n_parameters(2, 2) + (beside is not None)
    found = np.concatenate([s for _, s in scores(data, p, local.tangents, beside)])
    log_ranges = np.log(np.nanmax(x, axis=0) - np.nanmin(x, axis=0))

    def logs(free):
        at = local.at(free)
        mixture = at.weights, at.means + data.center, at.covariances
        share = local.shares(free).sum()
        return log_densities(x, known, mixture, share, log_ranges)

    h, unit = 1e-4, np.eye(local.size)
    ahead, behind = (np.array([logs(s * h * e) for e in unit]) for s in (1, -1))
    slopes = (ahead - behind).T / (2 * h)
    assert found == pytest.approx(slopes, rel=1e-4, abs=1e-5)
    information, gradient = observed_information(data, local, fit.family)
    assert gradient == pytest.approx(found.sum(axis=0), abs=1e-6)
    second = (ahead + behind).sum(axis=1) - 2 * logs(np.zeros(local.size)).sum()
    assert np.diagonal(information) == pytest.approx(-second / h**2, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_methods_agree(case):
    """Bootstraps, information and sandwich, to what 60 replicates and 110 rows leave."""
    x, given, _ = rows_of(case, seed=1)
    fit = bayesgmm.fit(x, 2, "EEE", random_seed=0, **given)
    errors = {
        method: standard_errors(x, fit, method, n_boot=60, random_seed=1, progressbar=False)
        for method in ("information", "sandwich", "bootstrap", "weighted")
    }
    for one in errors.values():
        for name in ("weights", "means", "noise_share"):
            ours = np.ravel(getattr(one, name))
            theirs = np.ravel(getattr(errors["information"], name))
            assert np.all(ours < 1.8 * theirs + 1e-12) and np.all(theirs < 1.8 * ours + 1e-12)
    table = errors["bootstrap"].to_frame()
    assert ("noise" in set(table["component"])) == ("noise" in given)
    if "noise" in given:
        share = table.set_index("component").loc["noise"]
        assert share["low"] < fit.noise_share < share["high"]
        assert share["se"] == errors["bootstrap"].noise_share
    information = errors["information"].to_frame()
    assert np.all(information["low"] < information["high"])


def test_rows_drawn_with_noise(rng):
    """The parametric bootstrap draws strays from the volume; of a given density it cannot."""
    x, _ = simulate(rng, 100, 2, 2)
    x = np.vstack([x, rng.uniform(-12, 12, (30, 2))])
    fit = bayesgmm.fit(x, 2, "EEE", noise=True, random_seed=0)
    options = {"n_boot": 40, "random_seed": 0, "progressbar": False}
    drawn = standard_errors(x, fit, "parametric", **options)
    theirs = standard_errors(x, fit, "information")
    assert 0.5 < drawn.noise_share / theirs.noise_share < 2
    assert np.all(drawn.means < 2 * theirs.means) and np.all(theirs.means < 2 * drawn.means)
    given = bayesgmm.fit(x, 2, "EEE", noise=0.002, random_seed=0)
    with pytest.raises(NotImplementedError, match="given density"):
        standard_errors(x, given, "parametric", **options)
    none = bayesgmm.fit(x[:100], 2, "EEE", noise=1e-12, random_seed=0)
    with pytest.raises(ValueError, match="end of its range"):
        standard_errors(x[:100], none, "information")


@pytest.mark.parametrize("case", CASES)
def test_merging_by_hand(case):
    """Entropies among the components from responsibilities by SciPy, noise and labels in them."""
    x, given, known = rows_of(case, seed=2)
    fit = bayesgmm.fit(x, 3, "EII", random_seed=0, **given)
    merging = bayesgmm.merge(x, fit)
    log_ranges = np.log(np.nanmax(x, axis=0) - np.nanmin(x, axis=0))
    share, t = getattr(fit, "noise_share", 0.0), np.zeros((len(x), 3))
    for k in range(3):
        alone = np.eye(3)[k] * fit.weights
        mixture = alone, fit.means, fit.covariances
        admissible = np.isin(known, (-1, k))
        with np.errstate(divide="ignore"):
            logs = log_densities(x, np.where(admissible, k, k), mixture, share, log_ranges)
        t[:, k] = np.where(admissible & ~np.isnan(x).all(axis=1), np.exp(logs), 0.0)
    total = np.exp(log_densities(x, known, (fit.weights, fit.means, fit.covariances), share,
                                 log_ranges))  # fmt: skip
    t /= total[:, None]

    def entropy(parts):
        parts = np.where(parts > 0, parts, 1.0)
        return -np.sum(parts * np.log(parts))

    counted = ~np.isnan(x).all(axis=1)
    [first, *_] = [set(c) for c in merging.clusters(2) if len(c) == 2]
    a, b = sorted(first)
    merged = np.column_stack([t[counted, a] + t[counted, b], t[counted, 3 - a - b]])
    drop = entropy(t[counted]) - entropy(merged)
    entropies = merging.table["entropy"].to_numpy()
    assert entropies[0] - entropies[1] == pytest.approx(drop, abs=1e-8)
