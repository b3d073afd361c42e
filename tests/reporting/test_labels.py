"""What a report says of labels."""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from bayesgmm.reporting.labels import LabelReport


@pytest.fixture(scope="module")
def flowers():
    """Iris, and the species of every third flower but those of virginica."""
    table = bayesgmm.datasets.load_iris()
    species = table.pop("species").astype(object)
    known = [s if i % 3 == 0 and s != "virginica" else None for i, s in enumerate(species)]
    return table, known


@pytest.mark.parametrize("noise", [None, 0.001])
def test_table_by_hand(flowers, noise):
    """Labelled rows by their class, and by what they would be called without it."""
    x, known = flowers
    fit = bayesgmm.fit(x, 3, "VVI", labels=known, noise=noise, random_seed=0, n_init=3)
    found = LabelReport.of(fit.mixture.rows(x), fit)
    called = fit.predict(x)
    for name in ("setosa", "versicolor"):
        mine = [k == name for k in known]
        for other in ("setosa", "versicolor", "component 2"):
            assert found.table.loc[name, other] == np.sum(called[mine] == other)
        assert found.table.loc[name].sum() == 17
    assert list(found.table.index) == ["setosa", "versicolor"]
    plain = bayesgmm.fit(x, 2, "VVI", random_seed=0, n_init=3)
    assert LabelReport.of(plain.mixture.rows(x), plain) is None


@pytest.mark.parametrize("kind", [pytest.param("md", marks=pytest.mark.slow), "html"])
def test_report_of_labelled_rows(flowers, tmp_path, kind):
    """Components are called by their classes; the call that repeats it has the labels."""
    x, known = flowers
    path = bayesgmm.report(
        x, tmp_path / f"r.{kind}", n_components=[2, 3], covariance_type=["VVI"], n_init=3,
        labels=known, sampler="laplace", draws=100, n_posteriors=1, source="flowers.csv",
        progressbar=False, reading="--labels species",
    )  # fmt: skip
    text = path.read_text()
    assert "Of 34 of 150 rows it is known" in text
    head, count = ("### Labels", "| setosa") if kind == "md" else (">Labels</h", "<td>17</td>")
    assert head in text and count in text
    assert "labels=labels" in text and "--labels species" in text
    assert "No row is known to be of component 2." in text
