"""The tree of hierarchical starts in SciPy's form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import dendrogram, fcluster, is_monotonic, is_valid_linkage
from sklearn.metrics import adjusted_rand_score

import bayesgmm
from bayesgmm import DataError
from bayesgmm.data.data import as_data
from bayesgmm.em.starts.hierarchical import hierarchical_partitions


@pytest.mark.parametrize("name", ["iris", "diabetes", "faithful", "acidity"])
def test_scipy_reads_and_cuts_it(name):
    """As the starts of EM do, which are compared with mclust's elsewhere; equal rows together."""
    x = getattr(bayesgmm.datasets, f"load_{name}")(features_only=True)
    z = bayesgmm.hierarchical_linkage(x)
    assert z.shape == (len(x) - 1, 4)
    assert is_valid_linkage(z) and is_monotonic(z)
    assert z[-1, 3] == len(x)
    equal = len(x) - len(np.unique(np.asarray(x), axis=0))
    assert np.sum(z[:, 2] == 0) == equal
    assert len(dendrogram(z, no_plot=True)["leaves"]) == len(x)
    if as_data(x).d > 1:  # one column is cut at its quantiles
        data = as_data(x)
        starts = hierarchical_partitions(np.asarray(data.values) - data.center, [2, 3, 7])
        for k, labels in starts.items():
            assert adjusted_rand_score(fcluster(z, k, "maxclust"), labels) == 1.0


def test_too_many_rows_and_all_equal_but_one():
    """Refused beyond 5000; two different rows are a tree too."""
    with pytest.raises(ValueError, match="at most 5000"):
        bayesgmm.hierarchical_linkage(np.random.default_rng(0).normal(size=(5001, 2)))
    with pytest.raises(DataError, match="a tree of rows needs complete rows"):
        bayesgmm.hierarchical_linkage([[0.0], [np.nan], [1.0]])
    z = bayesgmm.hierarchical_linkage([[0.0], [0.0], [1.0]])
    np.testing.assert_array_equal(z, [[0, 1, 0, 2], [2, 3, 1, 3]])
