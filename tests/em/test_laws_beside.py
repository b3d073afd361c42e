"""Laws of fits to rows that lack values, alone, beside noise and with labels, in all families.

EM begins at a given mixture and makes a few plain iterations: what it does is then a smooth
function of the rows, and what differs is their rounding.
"""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from tests.conftest import COLUMN_SCALING, simulate

FAMILIES = bayesgmm.FAMILIES
BESIDE = ["holes", "noise and labels"]
#: Their M-step looks for axes by turns of two columns at a time, and stops early.
BY_TURNS = {"EVE", "VVE"}
DENSITY = 1e-4


class Case:
    """Two groups and strays in three columns, a sixth of the values missing; two empty rows."""

    def __init__(self, beside, n=160, seed=0):
        rng = np.random.default_rng(seed)
        x, classes = simulate(rng, n, 3, 2, spread=2.0)
        x = np.vstack([x, rng.uniform(-12, 12, size=(n // 4, 3))])
        groups = np.append(classes, rng.integers(2, size=n // 4))
        labels = np.where((rng.random(len(x)) < 0.3) & (np.arange(len(x)) < n), groups, -1)
        self.means = np.array([x[groups == c].mean(axis=0) for c in range(2)])
        self.covariances = np.array([np.cov(x[groups == c].T) for c in range(2)])
        x[rng.random(x.shape) < 1 / 6] = np.nan
        kept = ~np.isnan(x).all(axis=1)
        self.n, self.beside = kept.sum(), beside
        self.x = np.vstack([x[kept], np.full((2, 3), np.nan)])
        self.labels = np.append(labels[kept], [-1, -1])

    def fit(self, family, rows=None, columns=(0, 1, 2), unit=(1, 1, 1), by=(0, 0, 0), **options):
        """A few iterations on these rows (no empty ones unless asked), in other units, far away."""
        rows = np.arange(self.n) if rows is None else rows
        unit, by, columns = np.array(unit), np.array(by), list(columns)
        x = ((self.x + by) * unit)[rows][:, columns]
        start = bayesgmm.Mixture(
            [0.6, 0.4],
            ((self.means + by) * unit)[:, columns],
            (self.covariances * np.outer(unit, unit))[:, columns][..., columns],
        )
        options = {"start": start, "max_iter": 4, "accelerate": False} | options
        if "labels" in self.beside:
            options["labels"] = self.labels[rows]
        if "noise" in self.beside:
            options["noise"] = DENSITY / unit.prod()
        return bayesgmm.fit(x, 2, family, **({"missing": "marginalize"} | options))


def same(found, fit, shift=0.0, rtol=1e-9, columns=(0, 1, 2), unit=(1, 1, 1), by=(0, 0, 0)):
    """The fit in other units: log-likelihood, share of noise, proportions, means, covariances."""
    size = max(abs(fit.loglik), fit.n)
    assert found.loglik == pytest.approx(fit.loglik - shift, abs=rtol * size)
    if hasattr(fit, "noise_share"):
        assert found.noise_share == pytest.approx(fit.noise_share, abs=10 * rtol)
    np.testing.assert_allclose(found.weights, fit.weights, atol=10 * rtol)
    unit, by, columns = np.array(unit), np.array(by), list(columns)
    sd = np.sqrt(np.diagonal(fit.covariances, axis1=1, axis2=2)).max(axis=0)
    back = np.argsort(columns)
    means = found.means[:, back] / unit - by
    assert np.abs((means - fit.means) / sd).max() < 10 * rtol
    covariances = found.covariances[:, back][..., back] / np.outer(unit, unit)
    assert np.abs((covariances - fit.covariances) / np.outer(sd, sd)).max() < 100 * rtol


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("family", FAMILIES)
def test_far_from_zero_and_in_other_units(family, beside):
    """Columns 1e8 of their unit away, in units from 1e-6 to 1e3 (or one for all); other orders.

    Numbers that far away are rounded to 1.5e-8 of the unit.
    """
    case = Case(beside)
    unit = [1e-6, 1.0, 1e3] if family in COLUMN_SCALING else [1e3, 1e3, 1e3]
    moves = {"unit": unit, "by": [1e8, 0.0, -1e8]}
    moves["columns"] = [0, 1, 2] if family in BY_TURNS else [2, 0, 1]
    order = np.random.default_rng(1).permutation(case.n)
    shift = np.sum(~np.isnan(case.x) @ np.log(unit))
    same(case.fit(family, rows=order, **moves), case.fit(family), shift, 1e-8, **moves)


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_repeated_rows(family, beside):
    """A row of weight 2 is one that stands twice, of weight 0 none; empty rows change nothing."""
    case = Case(beside)
    times = np.random.default_rng(2).integers(0, 3, case.n)
    fit = case.fit(family, sample_weight=times)
    same(case.fit(family, rows=np.repeat(np.arange(case.n), times)), fit)
    plain, found = case.fit(family), case.fit(family, rows=np.arange(case.n + 2))
    same(found, plain)
    assert (found.n, found.n_parameters) == (plain.n, plain.n_parameters)
    assert found.bic == pytest.approx(plain.bic, rel=1e-9)


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("family", FAMILIES)
def test_bits_of_complete_rows_and_of_threads(family, beside, monkeypatch):
    """The option changes no bit where nothing is missing, nor threads where something is."""
    case = Case(beside, n=6000)
    monkeypatch.setenv("BAYESGMM_NUM_THREADS", "1")
    one = case.fit(family, max_iter=2)
    monkeypatch.setenv("BAYESGMM_NUM_THREADS", "3")
    pairs = [(one, case.fit(family, max_iter=2))]
    rows = np.flatnonzero(~np.isnan(case.x).any(axis=1))
    pairs.append([case.fit(family, rows=rows, missing=m) for m in ("marginalize", "refuse")])
    for a, b in pairs:
        assert a.loglik == b.loglik
        for name in ("weights", "means", "covariances", "history"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("family", FAMILIES)
def test_em_never_falls(family, beside):
    """To convergence, with the long steps and without."""
    case = Case(beside, n=80)
    for accelerate in (True, False):
        history = case.fit(family, max_iter=300, accelerate=accelerate).history
        assert np.diff(history).min() > -1e-10 * np.abs(history).max()
