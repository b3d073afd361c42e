"""The grid: every cell is the fit it says, failures are told, the best is the best."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import bayesgmm


@pytest.fixture(scope="module")
def faithful():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def selection(faithful):
    x = faithful
    return bayesgmm.select(x, range(1, 5), random_seed=0, n_init=5, progressbar=False)


def test_table_and_best(selection):
    """Sorted by BIC, every family and K, and the best on top."""
    table = selection.table
    assert len(table) == 4 * len(bayesgmm.FAMILIES)
    assert np.all(np.diff(table["bic"]) >= -1e-9)  # families of one model stay in order
    assert (selection.best.family.name, selection.best.n_components) == ("EEE", 3)
    assert table["bic"][0] == selection.best.bic
    assert table["delta_bic"][0] == 0
    assert [f.bic for f in selection.top(3)] == table["bic"][:3].tolist()
    for row in table.itertuples():
        fit = selection.fits[row.family, row.K]
        assert (row.loglik, row.icl, row.n_parameters) == (fit.loglik, fit.icl, fit.n_parameters)


def test_families_that_are_one_model_stay_in_order():
    """With K = 1 rounding chooses none of eight families: the simplest is first."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3)) * 10.0 ** rng.uniform(-3, 3)
        grid = bayesgmm.select(x, 1, random_seed=seed, progressbar=False)
        full = [f for f, _ in grid.ranked if f[2] in "EV"]
        assert full == "EEE VEE EVE EEV VVE VEV EVV VVV".split()
        names = [fit.family.name for fit in grid.top(14, "icl")]
        assert names == list(grid.table["family"]) == [f for f, _ in grid.ranked]
        values = grid.grid("bic").loc[1, full]
        assert values.max() - values.min() < 1e-9 * max(1, abs(values.iloc[0]))


def test_no_cell_could_be_cross_validated():
    """Then none is the best by it, and no order of NaN is taken for a choice."""
    x = np.random.default_rng(0).normal(size=(6, 4))
    grid = bayesgmm.select(
        x, 1, ["VVE", "VVV"], criterion="cv", cv=3, random_seed=1, progressbar=False
    )
    assert grid.table["cv_loglik"].isna().all()
    assert "best by cross-validated log-likelihood: none" in repr(grid)
    assert grid.table["note"].str.contains("a fold leaves rows without").all()
    for choice in (lambda: grid.best, lambda: grid.predict(x), lambda: grid.top(2)):
        with pytest.raises(ValueError, match="no cell of the grid could be cross-validated"):
            choice()
    assert grid.top(1, "bic")[0].n_components == 1
    table = bayesgmm.compare(grid)
    assert len(table) == 2 and "cross-validation" not in table.conclusion


def test_grid_of_bic(selection):
    """K in rows, families in columns."""
    grid = selection.grid()
    assert grid.shape == (4, len(bayesgmm.FAMILIES))
    assert grid.loc[3, "EEE"] == selection.best.bic == grid.min().min()


def test_more_components_do_not_do_worse(selection):
    """Log-likelihoods rise with K in every family."""
    for name in bayesgmm.FAMILIES:
        values = [selection.fits[name, k].loglik for k in range(1, 5)]
        assert values == sorted(values)


def test_seed_gives_the_same_table(selection, monkeypatch):
    """Bit for bit, on one thread or two; part of a grid has fewer neighbours to learn from."""
    x = bayesgmm.datasets.load_faithful()
    again = bayesgmm.select(x, range(1, 5), random_seed=0, n_init=5, progressbar=False)
    assert again.table.equals(selection.table)
    monkeypatch.setenv("BAYESGMM_NUM_THREADS", "1")
    alone = bayesgmm.select(x, range(1, 5), random_seed=0, n_init=5, progressbar=False)
    assert alone.table.equals(selection.table)
    part = bayesgmm.select(x, [3], "VVV", random_seed=0, n_init=5, progressbar=False)
    assert part.fits["VVV", 3].loglik <= selection.fits["VVV", 3].loglik + 1e-6


def test_one_column():
    """E and V, and a single K."""
    x = bayesgmm.datasets.load_acidity()
    selection = bayesgmm.select(x, 2, random_seed=0, progressbar=False)
    assert set(selection.fits) == {("E", 2), ("V", 2)}
    assert selection.best.family.name == "E"
    # mclust: BIC -392.0723
    assert selection.best.bic == pytest.approx(392.072, abs=2e-3)


def test_failed_cells_do_not_stop_the_others():
    """Collapse, dependent columns and too few rows are marked with their reason, silently."""
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(size=(40, 2)), np.full((15, 2), 4.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selection = bayesgmm.select(x, [1, 2, 60], random_seed=0, progressbar=False)
    table = selection.table
    failed = table[table["status"] == "failed"]
    assert set(failed["K"]) >= {60}
    assert failed["note"].str.contains("distinct rows|degenerate|runs into a singularity").all()
    assert failed[["bic", "loglik"]].isna().all(axis=None)
    assert ("VVV", 2) in selection.failures
    assert np.isfinite(selection.best.bic)
    assert "without an estimate" in repr(selection)
    assert table["status"].iloc[-1] == "failed"
    double = np.column_stack([x[:40], x[:40, 0]])
    selection = bayesgmm.select(double, [1, 2], random_seed=0, progressbar=False)
    assert "same information" in selection.failures["VVV", 1]
    assert selection.best.family.diagonal or selection.best.family.spherical


def test_no_estimate_at_all():
    """Best says why there is none."""
    x = np.random.default_rng(0).normal(size=(5, 8))
    selection = bayesgmm.select(x, [1, 2], ["EEE", "VVV"], progressbar=False)
    with pytest.raises(ValueError, match="no cell of the grid .* 5 rows cannot determine"):
        _ = selection.best
    assert repr(selection).startswith("Selection of 4 models")
    assert len(selection.table) == 4


def test_html(selection):
    """A table for notebooks."""
    assert "EEE" in selection._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": []}, "n_components is empty"),
        ({"n_components": [0, 1]}, "n_components is 0"),
        ({"n_components": [1.5]}, "n_components is 1.5"),
        ({"covariance_type": []}, "covariance_type is empty"),
        ({"covariance_type": ["VVV", "QQQ"]}, "unknown covariance_type 'QQQ'"),
        ({"start": [0, 1]}, "name of a start"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    """Before any work."""
    with pytest.raises(ValueError, match=message):
        bayesgmm.select(bayesgmm.datasets.load_faithful(), **arguments)


def test_progress_goes_to_standard_error(capfd):
    """A bar while it runs, nothing on standard output, silence on request."""
    x = bayesgmm.datasets.load_acidity()
    bayesgmm.select(x, [1], n_init=1, progressbar=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Fitting the grid" in err
    bayesgmm.select(x, [1], n_init=1, progressbar=False)
    assert capfd.readouterr() == ("", "")


def test_progress_over_all_rows_is_its_own(capfd, monkeypatch):
    """Where the search was on some of the rows, what follows on all of them has its own bar."""
    monkeypatch.setattr("bayesgmm.em.screening._SEARCHED_NUMBERS", 300)
    monkeypatch.setattr("bayesgmm.em.screening._ROWS_PER_PARAMETER", 1)
    x = bayesgmm.datasets.load_acidity()
    bayesgmm.select(x, [1, 2], ["V"], n_init=1, progressbar=True)
    assert f"Fitting the grid to all {len(x)} rows" in capfd.readouterr()[1]


def test_a_grid_answers_for_its_best_fit(selection, faithful):
    """By the name of a cell, to `predict`, and as an estimator of scikit-learn's."""
    best = selection.best
    assert selection[best.family.name, best.n_components] is best
    np.testing.assert_array_equal(selection.predict(faithful), best.predict(faithful))
    np.testing.assert_array_equal(selection.predict_proba(faithful), best.predict_proba(faithful))
    model = bayesgmm.GaussianMixture.from_fit(selection)
    np.testing.assert_array_equal(model.predict(faithful), best.predict(faithful))
    assert model.bic(faithful) == pytest.approx(best.bic, rel=1e-12)
    refitted = clone(model).set_params(random_state=1).fit(faithful)
    assert refitted.fit_.loglik == pytest.approx(best.loglik, rel=1e-9)


@pytest.mark.parametrize("cell", [("EEE", 99), ("XYZ", 2), "EEE", 3])
def test_no_such_cell(selection, cell):
    """The message names the families and numbers of components there are."""
    with pytest.raises(KeyError, match=r"is no cell: pass one of .*EEE.*, and K of 1, 2, 3"):
        selection[cell]


def test_what_stands_for_a_fit_is_taken_for_it(selection, faithful):
    """Estimators and grids, wherever a fit is taken: the same answers."""
    best, model = selection.best, bayesgmm.GaussianMixture.from_fit(selection)
    for other in (model, selection):
        pd.testing.assert_frame_equal(
            bayesgmm.classify(faithful, other), bayesgmm.classify(faithful, best)
        )
        assert bayesgmm.merge(faithful, other).merges == bayesgmm.merge(faithful, best).merges
        np.testing.assert_array_equal(
            bayesgmm.standard_errors(faithful, other, "information").means,
            bayesgmm.standard_errors(faithful, best, "information").means,
        )
    assert bayesgmm.compare({"a": model}).bic["a"] == best.bic


def test_an_estimator_set_by_hand_stands_for_no_fit(selection, faithful):
    """Its fit is not what it predicts with; and one that was not fitted says so."""
    model = bayesgmm.GaussianMixture.from_fit(selection)
    model.means_ = model.means_ + 1
    for call in (bayesgmm.classify, bayesgmm.merge, bayesgmm.standard_errors, bayesgmm.refine):
        with pytest.raises(ValueError, match=r"means_ of the GaussianMixture was set by hand"):
            call(faithful, model)
        with pytest.raises(NotFittedError, match="that is not fitted"):
            call(faithful, bayesgmm.GaussianMixture(2))
