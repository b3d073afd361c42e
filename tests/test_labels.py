"""Relabelling undoes permutations it was not told of."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import bayesgmm
from bayesgmm import labels
from bayesgmm.data import as_data
from bayesgmm.draws import Draws
from tests.synthetic import scattered_draws


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("family", ["VVV", "VVI", "EEE"])
def test_injected_permutations_are_found(seed, family):
    """Draws of a separated mixture, components shuffled: ECR puts each where it was."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    fit = bayesgmm.fit(x, 3, family, random_seed=seed, n_init=5)
    raw = scattered_draws(fit, 2, 40, seed)
    rng = np.random.default_rng(seed)
    orders = list(itertools.permutations(range(3)))
    chosen = np.array([orders[i] for i in rng.integers(6, size=80)])
    shuffled = labels.permuted(raw, labels.Relabelling("test", chosen, 0))
    data = as_data(x)
    found = labels.ecr(
        data, Draws.from_dataset(shuffled, fit.family), fit.mixture.parameters_about(data.center)
    )
    settled = labels.permuted(shuffled, found)
    for name in ("pi", "mu", "Sigma"):
        np.testing.assert_array_equal(settled[name], raw[name])
    assert found.moved == int(np.sum(np.any(chosen != [0, 1, 2], axis=1)))
    assert found.ambiguous == 0


def test_settled_draws_are_left_alone():
    """The pivot's own labelling is not touched, and nothing is counted."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    raw = scattered_draws(fit, 1, 20, 0)
    data = as_data(x)
    found = labels.ecr(
        data, Draws.from_dataset(raw, fit.family), fit.mixture.parameters_about(data.center)
    )
    assert found.moved == 0
    assert np.array_equal(found.permutations, np.tile([0, 1], (20, 1)))


def test_ambiguous_draws_get_a_permutation():
    """Two components that match the same pivot component are still told apart, and counted."""
    agreement = np.array([[[5.0, 4.0], [3.0, 0.5]]])  # component 0 wins both pivots
    found = labels._assign("test", agreement)
    assert found.permutations.tolist() == [[1, 0]]  # 4 + 3 beats 5 + 0.5
    assert found.ambiguous == 1
