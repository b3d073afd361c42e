"""Numbers of other programs: mclust's one-step and converged results, parameter counts."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm.families import get_family
from tests.places import REFERENCE, SHARED, SHIPPED

OURS = {*bayesgmm.FAMILIES, "E", "V"}


def onestep_cases():
    """Every (case, family) of the folder that this library has."""
    for path in sorted((REFERENCE / "onestep").glob("onestep_*.json")):
        for family in json.loads(path.read_text())["families"]:
            if family in OURS:
                yield pytest.param(path, family, id=f"{path.stem[8:]}-{family}")


CASES = list(onestep_cases())


def load_case(path, family):
    case = json.loads(path.read_text())
    loader = getattr(bayesgmm.datasets, f"load_{case['dataset']}")
    x = loader()[case["columns"]]
    z = pd.read_csv(REFERENCE / case["z_file"]).to_numpy()
    return case, case["families"][family], x, z


@pytest.mark.parametrize(("path", "family"), CASES)
def test_one_step_from_given_responsibilities(path, family):
    """The M-step of z and the log-likelihood after it, within the reference's tolerances."""
    case, expected, x, z = load_case(path, family)
    # the file's z have 17 digits and may miss 1 by rounding
    fit = bayesgmm.fit(x, case["K"], family, start=z, max_iter=0)
    np.testing.assert_allclose(fit.weights, expected["pi"], rtol=1e-10)
    np.testing.assert_allclose(fit.means, np.reshape(expected["mu"], fit.means.shape), rtol=1e-10)
    sigma = np.reshape(expected["sigma"], fit.covariances.shape)
    # the reference's own inner iterations stop at these (its README)
    rtol = {"VEE": 1e-7, "EVE": 1e-6, "VVE": 1e-6}.get(family, 1e-8)
    atol = (1e-4 if rtol < 1e-6 else 1) * rtol * np.abs(sigma).max()
    np.testing.assert_allclose(fit.covariances, sigma, rtol=rtol, atol=atol)
    assert fit.loglik == pytest.approx(expected["loglik"], rel=1e-8)
    assert fit.n_parameters == expected["npar"]
    resp = fit.predict_proba(x)
    np.testing.assert_allclose(resp.sum(axis=0), expected["z1_colsums"], rtol=1e-7)
    np.testing.assert_allclose(resp[:5], expected["z1_first5"], atol=1e-8)


@pytest.mark.parametrize(("path", "family"), CASES)
def test_expected_complete_loglik(path, family):
    """Q = sum z_ik log(pi_k N(x_i)) at the M-step's parameters."""
    from scipy.stats import multivariate_normal

    case, expected, x, z = load_case(path, family)
    fit = bayesgmm.fit(x, case["K"], family, start=z, max_iter=0)
    logs = [
        np.log(fit.weights[k]) + multivariate_normal(fit.means[k], fit.covariances[k]).logpdf(x)
        for k in range(case["K"])
    ]
    assert np.sum(z * np.column_stack(logs)) == pytest.approx(expected["Q"], rel=1e-8)


@pytest.mark.parametrize(("path", "family"), CASES)
def test_converged_from_given_responsibilities(path, family):
    """EM run on from the same z ends at the same log-likelihood, to 1e-6, or leaves a saddle."""
    case, expected, x, z = load_case(path, family)
    if not expected.get("converged") or expected["converged"].get("loglik") is None:
        pytest.skip("the reference has no converged value here")
    fit = bayesgmm.fit(x, case["K"], family, start=z, max_iter=50_000, tol=1e-13, accelerate=False)
    reference = expected["converged"]
    if fit.loglik > reference["loglik"] + 1e-6:  # two of the reference's components coincide
        means = np.asarray(reference["mu"], dtype=np.float64).reshape(case["K"], -1)
        gaps = np.abs(means[:, None] - means[None])[np.triu_indices(case["K"], 1)]
        assert np.any(np.all(gaps < 0.25 * np.std(np.asarray(x), axis=0), axis=-1))
        return
    assert fit.loglik == pytest.approx(reference["loglik"], abs=1e-6)


def test_parameter_counts():
    """Mclust's nMclustParams for every family, d = 1..8 and K = 1..9."""
    table = json.loads((REFERENCE / "npar_table.json").read_text())["table"]
    rows = [row for row in table if row["model"] in OURS]
    assert len(rows) == 900
    for row in rows:
        if (row["d"] == 1) == (row["model"] in ("E", "V")):
            family = get_family(row["model"], row["d"])
            assert family.n_parameters(row["K"], row["d"]) == row["npar"], row


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the full reference folder")
def test_the_values_of_incomplete_are_those_that_tests_hold():
    """Every file of `incomplete/` has a copy here that some test walks, with the same values.

    test_missing.py (and sampling/test_missing.py), test_noise.py, test_labels.py and
    estimators/test_discriminant.py.
    """
    files = sorted((SHARED / "incomplete").glob("*.json"))
    assert len(files) == 7
    for path in files:
        folder = SHIPPED / "missing" if path.name.startswith("missing_") else SHIPPED
        theirs, ours = (json.loads((f / path.name).read_text()) for f in (path.parent, folder))
        without = {"noise_start"}  # the chevron file: a start, in whose place the rows are
        assert {name: ours[name] for name in theirs.keys() - without} == {
            name: theirs[name] for name in theirs.keys() - without
        }


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the full reference folder")
@pytest.mark.parametrize(
    "name", ["faithful", "iris", "galaxies", "acidity", "diabetes", "penguins"]
)
def test_mclust_start_partitions(name):
    """From mclust's own start partition, never below its tightly converged log-likelihood."""
    reference = json.loads((SHARED / "reference" / f"ref_{name}.json").read_text())
    x = getattr(bayesgmm.datasets, f"load_{name}")()[reference["columns"]]
    compared = 0
    for cell in reference["grid"]:
        k, family = cell["K"], cell["model"]
        # mclust's VVE is no maximum (the reference's README): exact EM's instead
        tight = cell["loglik_exact_em" if family == "VVE" else "loglik_mclust_tight"]
        if family not in OURS or tight is None or k > 5:
            continue
        labels = np.asarray(reference["start_partitions"][str(k)])
        with warnings.catch_warnings():  # mclust has no rule for spurious maxima
            warnings.simplefilter("ignore", bayesgmm.DegenerateFitWarning)
            fit = bayesgmm.fit(x, k, family, start=labels, max_iter=50_000, tol=1e-12)
        assert fit.loglik >= tight - 1e-6 * max(1, abs(tight) * 1e-2), (family, k)
        compared += 1
    assert compared >= (20 if len(reference["columns"]) > 1 else 8)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the full reference folder")
@pytest.mark.parametrize(
    ("name", "family", "k", "bic", "start"),
    [
        ("faithful", "EEE", 3, 2314.296, "kmeans"),
        ("acidity", "E", 2, 392.072, "kmeans"),
        ("galaxies", "V", 3, 1575.090, "kmeans"),
        # k-means finds one partition here, and from it a local maximum 14 below the best
        ("diabetes", "VVV", 3, 4734.512, "k-means++"),
        ("penguins", "EEE", 4, 10235.317, "kmeans"),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_headline_results_from_our_own_starts(name, family, k, bic, start, seed):
    """The best known BIC (mclust's with its sign turned) is reached from the default start."""
    x = getattr(bayesgmm.datasets, f"load_{name}")(features_only=True)
    columns = json.loads((SHARED / "reference" / f"ref_{name}.json").read_text())["columns"]
    fit = bayesgmm.fit(x[columns], k, family, start=start, random_seed=seed, n_init=50)
    assert fit.bic <= bic + 2e-3
