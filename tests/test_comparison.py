"""The comparison table: right figures, defined where they should be, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from tests.synthetic import make_posterior


@pytest.fixture(scope="module")
def models():
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    penalised = bayesgmm.fit(x, 2, random_seed=0, prior=bayesgmm.Prior.from_data(x))
    return {"ml": fit, "map": penalised, "posterior": make_posterior(x, fit)}


def test_every_figure_is_its_model_s(models):
    """Fits bring information criteria, posteriors predictive and convergence figures."""
    table = bayesgmm.compare(models)
    assert list(table.index) == ["ml", "map", "posterior"]
    assert table.loc["ml", "bic"] == models["ml"].bic
    assert table.loc["ml", "method"] == "EM, ML"
    assert table.loc["map", "method"] == "EM, MAP"
    assert table.loc["map", "loglik"] == models["map"].loglik < models["ml"].loglik
    posterior = models["posterior"]
    assert table.loc["posterior", "elpd_loo"] == posterior.loo().elpd
    assert table.loc["posterior", "r_hat"] >= posterior.diagnostics.rhat
    assert table.loc["posterior", ["aic", "bic", "icl"]].isna().all()
    assert table.loc[["ml", "map"], ["elpd_loo", "r_hat", "ess_bulk"]].isna().all(axis=None)
    assert table["K"].tolist() == [2, 2, 2]


def test_every_column_is_explained(models):
    """The metadata say what each column means and which way is better."""
    table = bayesgmm.compare(models)
    assert list(table.attrs["columns"]) == list(table.columns)
    for criterion in ("aic", "bic", "icl"):
        assert "lower is better" in table.attrs["columns"][criterion]
    assert "higher is better" in table.attrs["columns"]["elpd_loo"]


def test_a_selection_is_compared_cell_by_cell():
    """Cells of a grid, best BIC first."""
    x = bayesgmm.datasets.load_acidity()
    selection = bayesgmm.select(x, [1, 2, 3], random_seed=0, n_init=3, progressbar=False)
    table = bayesgmm.compare(selection)
    assert len(table) == 6
    assert np.all(np.diff(table["bic"]) >= 0)


def test_refusals(models):
    """Nothing, foreign objects, and models of different data are refused by name."""
    with pytest.raises(ValueError, match="nothing to compare"):
        bayesgmm.compare({})
    with pytest.raises(TypeError, match="'x' is a int"):
        bayesgmm.compare({"x": 3})
    other = bayesgmm.fit(bayesgmm.datasets.load_acidity(), 2, random_seed=0, n_init=1)
    with pytest.raises(ValueError, match="same data only"):
        bayesgmm.compare({"a": models["ml"], "b": other})
