"""Names of components: in every table, plot, tree and file."""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from bayesgmm.mixture.merging import merge
from tests.synthetic import make_posterior

NAMES = ("short", "long one")


@pytest.fixture(scope="module")
def x():
    """Old Faithful."""
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def fit(x):
    """Two components with names."""
    return bayesgmm.fit(x, 2, random_seed=1).with_component_names(NAMES)


def test_tables(x, fit):
    """All that has a line or a column for each component."""
    assert fit.components == fit.component_names == NAMES
    assert fit.to_frame().index.tolist() == list(NAMES)
    assert fit.marginal("waiting").components == NAMES
    assert fit.conditional({"waiting": 60.0}).components == NAMES
    assert fit.to_xarray()["component"].to_numpy().tolist() == list(NAMES)
    classes = bayesgmm.classify(x, fit, responsibilities=True)
    assert classes.columns.tolist() == ["component", "uncertainty", "r_short", "r_long one"]
    np.testing.assert_array_equal(classes["component"], np.array(NAMES)[fit.predict(x)])
    errors = bayesgmm.standard_errors(x, fit, "information").to_frame()
    assert errors["component"].unique().tolist() == list(NAMES)
    assert "{short} + {long one}" in repr(merge(x, fit))
    assert "short 1" in repr(fit) and fit.projection().mixture.components == NAMES
    assert fit.decomposition().components == NAMES


def test_plots(x, fit):
    """Legends and ticks."""
    posterior = make_posterior(x, fit, n_draws=20)
    shown = (
        fit.plot.classification(x), fit.plot.responsibilities(x), fit.plot.profiles(x),
        posterior.plot.posterior(), posterior.plot.label_moves(),
        posterior.plot.coclustering(rows=40), merge(x, fit).plot.merging(),
    )  # fmt: skip
    for figure in shown:
        found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
        said = "\n".join(t.get_text() for t in found)
        assert "short" in said and "long one" in said


def test_files_and_trees(x, fit, tmp_path):
    """Kept by fits and posteriors, known to ArviZ, and kept by relabelling."""
    fit.save(tmp_path / "fit.npz")
    assert bayesgmm.Fit.load(tmp_path / "fit.npz").components == NAMES
    posterior = make_posterior(x, fit, n_draws=20)
    assert posterior.tree["posterior"]["component"].to_numpy().tolist() == list(NAMES)
    assert posterior.summary().index[0] == "pi[short]"
    posterior.save(tmp_path / "posterior.nc")
    again = bayesgmm.Posterior.load(tmp_path / "posterior.nc")
    assert again.components == again.relabel("ordering").components == NAMES
    other = again.with_component_names({0: "a"})
    assert other.components == ("a", "1")
    assert other.tree["relabelling"]["component"].to_numpy().tolist() == ["a", "1"]
    assert other.with_component_names([]).summary().index[0] == "pi[0]"
    assert again.responsibilities(n_draws=8)["component"].to_numpy().tolist() == list(NAMES)
    np.testing.assert_array_equal(again.draws.means, posterior.draws.means)


@pytest.mark.parametrize("family", ["VVV", "VVI"])
def test_nothing_else_changes(x, family):
    """The numbers stay, to the bit, and so does what the fit knows of its rows."""
    plain = bayesgmm.fit(x, 2, family, random_seed=1)
    named = plain.with_component_names(NAMES)
    assert named.mixture._parameters is plain.mixture._parameters
    np.testing.assert_array_equal(named.predict_proba(x), plain.predict_proba(x))
    assert plain.components == (0, 1) and plain.component_names == ()
    assert named.with_component_names(()).components == (0, 1)


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["a"], ValueError, "1 names for 2 components"),
        (["a", "a"], ValueError, "its own name"),
        (["a", " "], ValueError, "its own name"),
        (["a", 1], TypeError, "no text"),
        ("ab", TypeError, "pass a list of 2 names"),
        ({2: "a"}, ValueError, "component"),
    ],
)
def test_bad_names(fit, names, error, words):
    """Each with the reason."""
    with pytest.raises(error, match=words):
        fit.with_component_names(names)
