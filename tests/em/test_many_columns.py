"""Families of variances alone need memory of the order of the columns, not of their square."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesgmm
from bayesgmm.em import spurious
from bayesgmm.em.moves import merges, separated, splits
from bayesgmm.kernels.e_step.contract import Parameters, Statistics
from bayesgmm.utils.matrices import as_full, diagonals


@pytest.mark.parametrize("family", ["EII", "VII", "EEI", "VVI"])
def test_no_matrix_of_columns_by_columns(family):
    """60 x 3000: one such matrix has 72 MB; the table has 1.4, a start's statistics 0.1."""
    d = 3000
    x = np.random.default_rng(0).normal(size=(60, d))
    x[30:, :50] += 3
    few = bayesgmm.fit(x[:, :3], 2, family, n_init=4, random_seed=0)
    assert repr(few) and len(few.predict(x[:, :3])) == 60  # compiles and imports
    tracemalloc.start()
    try:
        fit = bayesgmm.fit(x, 2, family, n_init=4, random_seed=0)
        repr(fit)
        fit.predict(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * d * d / 2
    sd = np.sqrt(fit.mixture.variances)
    logs = stats.norm.logpdf(x[:, None, :], fit.means, sd).sum(axis=2) + np.log(fit.weights)
    assert fit.loglik == pytest.approx(logsumexp(logs, axis=1).sum(), rel=1e-12)


@pytest.mark.slow
def test_grids_and_files_hold_none_either(tmp_path):
    """A grid of such families over 40 x 3000 (72 MB a matrix), and the files of its fits."""
    d = 3000
    x = np.random.default_rng(1).normal(size=(40, d))
    x[20:, :60] += 3
    families = ["EII", "VVI", "VVV"]  # for the last of which there are too few rows
    bayesgmm.select(x[:, :200], [1, 2], families, random_seed=0, progressbar=False)  # compiles
    tracemalloc.start()
    try:
        grid = bayesgmm.select(x, [1, 2], families, random_seed=0, progressbar=False)
        fit = grid.fits["EII", 2]
        fit.save(tmp_path / "fit.npz")
        again = bayesgmm.fit(x, 2, "EII", start=bayesgmm.Fit.load(tmp_path / "fit.npz"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * d * d
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-12)
    assert (tmp_path / "fit.npz").stat().st_size < 16 * 8 * d


@pytest.mark.parametrize("d", [1, 2, 5, 30])
def test_widths_of_variances_are_those_of_matrices(d):
    """Which components are too narrow, by Schur's complement and by the eigenvalues themselves."""
    rng = np.random.default_rng(d)
    found = []
    for _ in range(200):
        weights = rng.dirichlet(np.full(4, 2.0))
        variances = np.exp(rng.normal(scale=2.0, size=(4, d)))
        means = rng.normal(scale=np.exp(rng.normal(scale=2.0)), size=(4, d))
        limits, which = np.exp(rng.normal(-5.0, 2.0, 4)), np.arange(4)
        of_matrices, of_variances = (
            how(Parameters(weights, means, covariances), which, limits)
            for how, covariances in (
                (spurious._widths, as_full(variances)),
                (spurious._diagonal_widths, variances),
            )
        )
        clear = np.abs(of_matrices - 1) > 1e-9
        np.testing.assert_array_equal((of_matrices < 1)[clear], (of_variances < 1)[clear])
        found += list(of_matrices < 1)
    assert 0.05 < np.mean(found) < 0.95


@pytest.mark.parametrize("d", [1, 3, 80])
def test_moves_of_diagonals_are_those_of_matrices(d):
    """Components split, merged and taken apart, from diagonals and from whole matrices."""
    rng = np.random.default_rng(d)
    counts, means = rng.uniform(5, 50, 4), rng.normal(size=(4, d))
    scatters = counts[:, None] * rng.uniform(1, 9, (4, d))
    means[0] = means[2]  # components that coincide are taken apart
    of_diagonals = Statistics(counts, means, scatters)
    of_matrices = Statistics(counts, means, as_full(scatters))
    for move in (splits, merges, lambda s: separated(s, 2, 0)):
        pairs = list(zip(move(of_diagonals), move(of_matrices), strict=True))
        assert pairs
        for small, large in pairs:
            np.testing.assert_allclose(small.counts, large.counts)
            np.testing.assert_allclose(np.sort(small.means, 0), np.sort(large.means, 0), atol=1e-12)
            assert small.scatters.shape == (len(small.counts), d)
            np.testing.assert_allclose(small.scatters, diagonals(large.scatters), rtol=1e-9)
