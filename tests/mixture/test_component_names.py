"""Names of components: in every table, plot, tree and file."""

from __future__ import annotations

import arviz as az
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


@pytest.mark.parametrize("noise", [None, True])
def test_classes_name_components(x, noise, tmp_path):
    """Components of a fit with labels are called by the classes, wherever ArviZ looks too."""
    long = x["eruptions"].to_numpy() > 3
    known = np.where(np.arange(272) % 3 == 0, np.where(long, 7, 30), -1)
    fit = bayesgmm.fit(x, 3, "EII", labels=known, noise=noise, random_seed=1)
    called = ["7", "30", "component 2"]
    assert fit.classes == (7, 30, "component 2") and fit.components == tuple(called)
    assert fit.to_frame().index.tolist() == called and "30" in fit._sizes
    assert set(bayesgmm.classify(x, fit)["component"]) <= {*called, "noise"}
    posterior = make_posterior(x, fit, n_draws=20)
    posterior.save(tmp_path / "p.nc")
    for found in (posterior, bayesgmm.Posterior.load(tmp_path / "p.nc").relabel("ordering")):
        assert found.components == tuple(called)
        for group in ("posterior", "em_fit"):
            assert found.tree[group]["component"].to_numpy().tolist() == called
        assert az.summary(found.tree, var_names="pi").index.tolist() == [
            f"pi[{name}]" for name in called
        ]
        lengths = found.function_of(lambda m: m.means[:, 0], dims="component")
        assert lengths["component"].to_numpy().tolist() == called
        assert found.summary(var_names=["Sigma"]).index[0] == "Sigma[7, eruptions, eruptions]"
    other = posterior.with_component_names(["a", "b", "c"])
    assert other.components == ("a", "b", "c") and other.fit.classes == fit.classes
    assert other.with_component_names([]).components == tuple(called)
    # A file of an earlier version, in whose tree they are numbers.
    old = posterior.tree.map_over_datasets(
        lambda g: g.assign_coords(component=[0, 1, 2]) if "component" in g.dims else g
    )
    old.attrs = dict(posterior.tree.attrs)
    again = bayesgmm.Posterior.from_tree(old).tree["posterior"]
    assert again["component"].to_numpy().tolist() == called


def test_classes_that_are_numbers(x):
    """`classify` gives them as they are where nobody has called the components otherwise."""
    known = np.where(np.arange(272) % 3 == 0, np.where(x["eruptions"] > 3, 7, 30), -1)
    fit = bayesgmm.fit(x, 2, "EII", labels=known, random_seed=1)
    np.testing.assert_array_equal(bayesgmm.classify(x, fit)["component"], fit.predict(x))
    assert fit.predict(x).dtype.kind == "i"
    named = fit.with_component_names(["long", "short"])
    assert set(bayesgmm.classify(x, named)["component"]) == {"long", "short"}
