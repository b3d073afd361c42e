"""Rows classified one by one, and agreement with known classes: mclust's numbers, and laws."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm.comparison.agreement import agreement
from bayesgmm.mixture import of_parameters
from bayesgmm.mixture.classification import classify
from bayesgmm.utils.errors import DataError
from tests.places import SHARED

REFERENCE = SHARED / "reference"


@pytest.fixture(scope="module")
def faithful():
    x = bayesgmm.datasets.load_faithful()
    return x, bayesgmm.fit(x, 2, "VVV", random_seed=0)


def test_component_and_uncertainty_are_the_responsibilities(faithful):
    """The largest one's place, and what it lacks to 1."""
    x, fit = faithful
    resp = fit.predict_proba(x)
    table = classify(x, fit, responsibilities=True)
    np.testing.assert_array_equal(table["component"], fit.predict(x))
    np.testing.assert_array_equal(table["uncertainty"], 1 - resp.max(axis=1))
    np.testing.assert_array_equal(table[["r_0", "r_1"]], resp)
    assert table["component"].dtype.kind == "i"
    assert classify(x, fit.mixture).equals(table[["component", "uncertainty"]])


def test_index_is_kept(faithful):
    """Of data frames, in their order; other inputs get 0, 1, ..."""
    x, fit = faithful
    named = x.set_axis([f"eruption {i}" for i in range(len(x))]).iloc[::-1]
    table = classify(named, fit)
    assert table.index.equals(named.index)
    np.testing.assert_array_equal(table["component"], fit.predict(x)[::-1])
    assert classify(x.to_numpy()[5:9], fit).index.tolist() == [0, 1, 2, 3]


def test_blocks_change_nothing(faithful, monkeypatch):
    """Seven rows at a time."""
    x, fit = faithful
    whole = classify(x, fit, responsibilities=True)
    monkeypatch.setattr(of_parameters, "_BLOCK", 7 * fit.n_components)
    pd.testing.assert_frame_equal(classify(x, fit, responsibilities=True), whole, rtol=1e-12)


def test_what_is_no_fit_is_refused(faithful):
    """With what to pass instead."""
    x, fit = faithful
    with pytest.raises(TypeError, match="fit is a ndarray: pass a Fit, a Mixture, a Selection"):
        classify(x, fit.weights)
    with pytest.raises(DataError, match="1 columns, the fit has 2"):
        classify(x.to_numpy()[:, :1], fit)


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="needs the full reference folder")
@pytest.mark.parametrize(
    ("name", "cell", "ari"),
    # penguins: of the tightly converged fit listed; mclust's default one, 0.8217, stops earlier
    [("iris", "VEV,2", 0.5681), ("diabetes", "VVV,3", 0.7187), ("penguins", "VEE,4", 0.8137)],
)
def test_adjusted_rand_index_is_that_of_mclust(name, cell, ari):
    """Its classification of its best models against the true classes."""
    reference = json.loads((REFERENCE / f"ref_{name}.json").read_text())
    details = reference["details"][cell]
    data = getattr(bayesgmm.datasets, f"load_{name}")(features_only=False)
    found = agreement(details["classification"], data[reference["class_column"]])
    assert found.ari == pytest.approx(ari, abs=5e-5)
    assert found.ari == pytest.approx(details["ari"], abs=1e-9)
    assert found.table.to_numpy().sum() == len(data)


# R 4.2.2, mclust 6.0.0: adjustedRandIndex(a, b) and classError(a, b)$errorRate on digits and
# letters of these strings (cases in which its matching is one to one, as ours always is).
MCLUST = [
    ("134421415252231", "bbaaabbbababaab", 0.0824468085, 9),
    ("122211212212211", "baccacabbbcabab", -0.0966057441, 9),
    ("112231131122111", "bacaabbbdacbddd", 0.0670436187, 8),
    ("443235153132524", "abbcbaacbbbbcab", 0.1132161607, 8),
    ("222212211211222", "ddabccbdcacacca", -0.0778761062, 9),
    ("555212244311113", "adbbdcdccbbddac", 0.0034512511, 8),
    ("111111112212122", "baaaaaabbabaabb", 0.0489130435, 5),
]


@pytest.mark.parametrize(("labels", "classes", "ari", "wrong"), MCLUST)
def test_index_and_error_are_those_of_mclust(labels, classes, ari, wrong):
    """Also with more labels than classes, and fewer."""
    found = agreement([int(c) for c in labels], list(classes))
    assert found.ari == pytest.approx(ari, abs=1e-10)
    assert len(found.misclassified) == wrong
    assert found.error == wrong / 15


@pytest.mark.parametrize(("n_labels", "n_classes"), [(1, 1), (2, 3), (3, 3), (4, 2)])
def test_matching_is_the_best_there_is(rng, n_labels, n_classes):
    """By trying them all; the rows named wrong are those off the matching."""
    labels, classes = rng.integers(n_labels, size=30), rng.integers(n_classes, size=30)
    found = agreement(labels, classes)
    size = max(n_labels, n_classes)
    fewest = min(
        sum(order[label] != cls for label, cls in zip(labels, classes, strict=True))
        for order in permutations(range(size))
    )
    assert len(found.misclassified) == fewest
    assert len(set(found.matching.values())) == len(found.matching)
    right = [found.matching.get(a) == b for a, b in zip(labels, classes, strict=True)]
    np.testing.assert_array_equal(found.misclassified, np.flatnonzero(~np.array(right)))


def test_names_do_not_matter(rng):
    """Renamed labels and swapped sides: the same index and error; a partition equals itself."""
    labels, classes = rng.integers(4, size=50), rng.integers(3, size=50)
    found = agreement(labels, classes)
    renamed = agreement(np.array(["d", "b", "c", "a"])[labels], classes)
    swapped = agreement(classes, labels)
    assert found.ari == pytest.approx(renamed.ari) == pytest.approx(swapped.ari)
    assert found.error == renamed.error == swapped.error
    same = agreement(labels, np.array(["d", "b", "c", "a"])[labels])
    assert (same.ari, same.error, len(same.misclassified)) == (1, 0, 0)
    assert same.matching == {0: "d", 1: "b", 2: "c", 3: "a"}


def kinds():
    import polars as pl
    import pyarrow as pa

    words = ["b", "a", "a", "b"]
    return {
        "list": words,
        "tuple": tuple(words),
        "numpy": np.array(words),
        "objects": np.array(words, dtype=object),
        "series": pd.Series(words, index=[9, 8, 7, 6]),
        "categorical": pd.Categorical(words, categories=["a", "b", "never"]),
        "categories": pd.Series(words, dtype="category"),
        "index": pd.Index(words),
        "polars": pl.Series(words),
        "arrow": pa.array(words),
        "booleans": [True, False, False, True],
        "floats": np.array([2.5, -1.0, -1.0, 2.5]),
        "masked": np.ma.masked_array([2, 1, 1, 2], [False] * 4),
    }


@pytest.mark.parametrize("kind", kinds())
def test_labels_of_every_kind(kind):
    """By position, whatever they are; categories without rows are left out."""
    found = agreement([1, 0, 0, 1], kinds()[kind])
    assert (found.ari, found.error) == (1, 0)
    assert found.table.shape == (2, 2)


def test_categories_keep_their_order():
    """An ordered categorical is not sorted by name."""
    classes = pd.Categorical(["low", "high", "low"], categories=["low", "high"], ordered=True)
    assert agreement([0, 1, 0], classes).table.columns.tolist() == ["low", "high"]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", None], r"classes has 1 missing value \(first in row 1\)"),
        ([np.nan, np.nan], r"classes has 2 missing values \(first in row 0\)"),
        (pd.array([1, None]), "classes has 1 missing value"),
        (np.ma.masked_array([1, 2], [True, False]), r"classes has 1 missing value .* row 0"),
        (["a"], "2 labels and 1 classes do not agree"),
        ([], "classes is empty"),
        (None, "classes is NoneType"),
        ("ab", "classes is str"),
        (np.eye(2), r"classes has shape \(2, 2\)"),
        (pd.DataFrame({"a": [1, 2]}), r"classes has shape \(2, 1\)"),
        ([[1], [2]], "classes is .* that does not hold one label per row"),
        (3, "classes is .* that does not hold one label per row"),
    ],
)
def test_bad_labels_are_refused(classes, message):
    """With what is wrong, on either side."""
    with pytest.raises(DataError, match=message):
        agreement([0, 1], classes)
    with pytest.raises(DataError):
        agreement(classes, [0, 1])


def test_words():
    """The figures, the matching, what is to spare, and the table."""
    found = agreement([0, 0, 1, 1, 2], ["x", "x", "y", "y", "y"])
    text = repr(found)
    assert "3 labels with 2 classes in 5 rows" in text
    assert "0.2000 (1 rows)" in text
    assert "0 = x, 1 = y; without a class: 2" in text
    assert "<td>" in found._repr_html_()


def test_polars_in_polars_out(faithful):
    """Rows of polars' are classified as those of pandas', in a frame of polars'."""
    import polars as pl

    x, fit = faithful
    named = fit.with_component_names(["long", "short"])
    for of in (fit, named):
        ours = classify(pl.from_pandas(x), of, responsibilities=True)
        assert isinstance(ours, pl.DataFrame)
        theirs = classify(x, of, responsibilities=True)
        assert ours.columns == list(theirs.columns)
        assert ours["component"].to_list() == theirs["component"].tolist()
        np.testing.assert_array_equal(
            ours.drop("component").to_numpy(), theirs.drop(columns="component").to_numpy()
        )
