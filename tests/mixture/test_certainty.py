"""How certain the rows' components are, by hand from the responsibilities."""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.mixture.certainty import Certainty


@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize("noise", [None, True])
def test_rows_without_a_value_count_nowhere(rng, chunks, noise):
    """Sizes sum to the rows that have a value, and shares are of these."""
    x = np.vstack([rng.normal(m, 1, (70, 2)) for m in (0, 2.5)])
    x[rng.random(x.shape) < 0.2] = np.nan
    x[[5, 90, 91]] = np.nan
    fit = bayesgmm.fit(x, 2, missing="marginalize", noise=noise, random_seed=0)
    some = ~np.isnan(x).all(axis=1)
    resp = fit.predict_proba(x[some])  # with the noise's column
    mine, largest = resp.argmax(axis=1), resp.max(axis=1)
    rows = [x[:60], x[60:]] if chunks else x
    data = (bayesgmm.in_chunks if chunks else as_data)(rows, missing="marginalize")
    found = Certainty.of(data, fit)
    assert found.sizes.sum() == data.total == some.sum() < len(x)
    np.testing.assert_array_equal(found.sizes, np.bincount(mine, minlength=resp.shape[1]))
    for k in range(resp.shape[1]):
        mean = largest[mine == k].mean() if k in mine else np.nan
        assert found.probability[k] == pytest.approx(mean, nan_ok=True)
    assert found.expected_error == pytest.approx(np.mean(1 - largest))
    assert found.uncertain == pytest.approx(np.mean(largest <= 0.9))
    assert found.doubtful == pytest.approx(np.mean(1 - largest > 0.2))


@pytest.mark.parametrize("chunks", [False, True])
def test_rows_count_by_their_weights(rng, chunks):
    """A row of weight 2 is two rows in the mean probabilities too, and one of weight 0 is none."""
    x = np.vstack([rng.normal(m, 1, (70, 2)) for m in (0, 2.5)])
    weights = rng.choice([0.0, 1.0, 3.0], len(x))
    fit = bayesgmm.fit(x, 2, sample_weight=weights, random_seed=0)
    resp = np.repeat(fit.predict_proba(x), weights.astype(int), axis=0)
    mine, largest = resp.argmax(axis=1), resp.max(axis=1)
    if chunks:
        data = bayesgmm.in_chunks([x[:60], x[60:]], sample_weight=weights)
    else:
        data = as_data(x, None, weights)
    found = Certainty.of(data, fit)
    np.testing.assert_array_equal(found.sizes, np.bincount(mine, minlength=2))
    expected = [largest[mine == k].mean() for k in range(2)]
    np.testing.assert_allclose(found.probability, expected, rtol=1e-12)
    assert found.expected_error == pytest.approx(np.mean(1 - largest))
    assert found.uncertain == pytest.approx(np.mean(largest <= 0.9))
