"""Laws that every fit obeys, over tables, types, memory layouts, shapes, weights and options.

Hypothesis looks for a case that breaks one, always the same cases (`derandomize`); `slow` looks
longer. EM begins at given groups and makes few iterations, so that what it does is a smooth
function of the rows, and rounding stays rounding.
"""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.utils.errors import DegenerateComponentError
from tests.conftest import COLUMN_SCALING, ROTATION, families_for

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

#: How many cases of each law are tried.
QUICK, SLOW = 100, 1000
#: Relative differences that rounding makes, of log-likelihoods and parameters.
ROUNDING = 1e-7
#: Their M-step looks for axes by turns of two columns at a time, and stops early: it depends on
#: the columns' order and on the last digits.
BY_TURNS = {"EVE", "VVE"}
WEIGHTS = ("none", "whole", "real")
LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "pandas": pd.DataFrame,
    "list": lambda x: x.tolist(),
    "masked": np.ma.masked_array,
    "big-endian": lambda x: x.astype(">f8"),
    "objects": lambda x: x.astype(object),
}


@dataclass(frozen=True)
class Case:
    """Rows, the groups EM begins at, and how it is asked."""

    seed: int
    n: int
    d: int
    k: int
    family: str
    weighting: str = "none"
    max_iter: int = 3
    accelerate: bool = True
    spread: float = 3.0
    offset: float = 0.0
    prior: bool = False

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    @property
    def groups(self) -> np.ndarray:
        """Every group has rows enough for a covariance of its own."""
        return np.arange(self.n) % self.k

    @property
    def x(self) -> np.ndarray:
        rng = self.rng
        roots = np.eye(self.d) + 0.3 * rng.standard_normal((self.k, self.d, self.d))
        means = self.spread * rng.standard_normal((self.k, self.d))
        z = rng.standard_normal((self.n, self.d))
        rows = np.einsum("nij,nj->ni", roots[self.groups], z)
        return means[self.groups] + rows + self.offset

    @property
    def weights(self) -> np.ndarray | None:
        """What the rows count for."""
        made = {
            "none": lambda rng: None,
            "whole": lambda rng: rng.integers(1, 4, self.n).astype(float),
            "real": lambda rng: rng.uniform(0.5, 2.0, self.n),
        }
        return made[self.weighting](np.random.default_rng(self.seed + 1))

    def fit(self, x: Any = None, **changes: Any) -> bayesgmm.Fit:
        """EM from the groups, or as the changes say."""
        arguments = {
            "n_components": self.k,
            "covariance_type": self.family,
            "start": self.groups,
            "sample_weight": self.weights,
            "max_iter": self.max_iter,
            "accelerate": self.accelerate,
        } | changes
        x = self.x if x is None else x
        if self.prior and "prior" not in arguments:
            arguments["prior"] = bayesgmm.Prior.from_data(x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return bayesgmm.fit(x, **arguments)
            except DegenerateComponentError:
                hypothesis.reject()


@st.composite
def cases(draw: Any) -> Case:
    """Small tables of any shape, with rows enough for every group."""
    d = draw(st.integers(1, 4))
    k = draw(st.integers(1, 4))
    return Case(
        seed=draw(st.integers(0, 10_000)),
        n=k * (d + 4) + draw(st.integers(0, 120)),
        d=d,
        k=k,
        family=draw(st.sampled_from(families_for(d))),
        weighting=draw(st.sampled_from(WEIGHTS)),
        max_iter=draw(st.sampled_from([0, 1, 3, 8])),
        accelerate=draw(st.booleans()),
        spread=draw(st.sampled_from([0.0, 1.0, 3.0, 20.0])),
        offset=draw(st.sampled_from([0.0, 100.0])),
    )


def same(a: bayesgmm.Fit, b: bayesgmm.Fit, shift: float = 0.0) -> None:
    """The same fit, the log-likelihood shifted; components that coincided may change places."""
    hypothesis.assume(a.status.sound and b.status.sound and a.family.name not in BY_TURNS)
    size = max(abs(a.loglik), abs(b.loglik), a.n)
    assert abs(a.loglik + shift - b.loglik) <= ROUNDING * size
    np.testing.assert_allclose(np.sort(a.weights), np.sort(b.weights), atol=1e-6)


def shift_and_scale(case: Case, draw: Any) -> None:
    """Of every column by itself, where the family knows no angles; of all alike elsewhere."""
    columns = case.family in COLUMN_SCALING or case.d == 1
    factors = draw(st.lists(st.floats(1e-3, 1e3), min_size=case.d, max_size=case.d))
    scale = np.array(factors) if columns else np.full(case.d, factors[0])
    by = np.array(draw(st.lists(st.floats(-1e3, 1e3), min_size=case.d, max_size=case.d)))
    a = case.fit()
    b = case.fit(case.x * scale + by * scale)
    same(a, b, -a.n * np.log(scale).sum())
    np.testing.assert_allclose(b.means, (a.means + by) * scale, rtol=1e-5, atol=1e-4 * scale.max())


def rotation(case: Case, draw: Any) -> None:
    """Where the family's orientation is free, or it has none."""
    hypothesis.assume(case.family in ROTATION and case.d > 1)
    turn = stats.special_ortho_group(case.d, seed=case.seed + 2).rvs()
    a, b = case.fit(), case.fit(case.x @ turn.T)
    same(a, b)
    np.testing.assert_allclose(b.means, a.means @ turn.T, rtol=1e-4, atol=1e-4 * case.spread + 1e-4)


def rows_in_another_order(case: Case, draw: Any) -> None:
    order = np.random.default_rng(case.seed + 3).permutation(case.n)
    w = case.weights
    mixed = case.fit(
        case.x[order],
        start=case.groups[order],
        sample_weight=None if w is None else w[order],
    )
    same(case.fit(), mixed)


def columns_in_another_order(case: Case, draw: Any) -> None:
    order = np.array(draw(st.permutations(range(case.d))))
    a, b = case.fit(), case.fit(case.x[:, order])
    same(a, b)
    np.testing.assert_allclose(b.means, a.means[:, order], rtol=1e-5, atol=1e-5)


def labels_of_the_groups(case: Case, draw: Any) -> None:
    """Their names change the order of the components, and nothing else."""
    order = np.array(draw(st.permutations(range(case.k))))
    a, b = case.fit(), case.fit(start=order[case.groups])
    same(a, b)
    if case.spread >= 3 and a.family.name not in BY_TURNS:
        np.testing.assert_allclose(b.means[order], a.means, rtol=1e-5, atol=1e-5)


def duplication_is_weight(case: Case, draw: Any) -> None:
    case = replace(case, weighting="whole")
    times = case.weights.astype(int)
    repeated = replace(case, weighting="none")
    b = repeated.fit(np.repeat(case.x, times, axis=0), start=np.repeat(case.groups, times))
    same(case.fit(), b)


def weight_0_is_absence(case: Case, draw: Any) -> None:
    """Rows far away that count for nothing."""
    case = replace(case, weighting="real")
    far = np.full((3, case.d), 50.0 + case.offset)
    b = case.fit(
        np.vstack([case.x, far]),
        start=np.append(case.groups, [0, 0, 0]),
        sample_weight=np.append(case.weights, [0, 0, 0]),
    )
    same(case.fit(), b)


def layout_and_type(case: Case, draw: Any) -> None:
    """The same numbers in another layout or container; in single precision, if they fit."""
    x = case.x.astype(np.float32)
    how = draw(st.sampled_from([*LAYOUTS, "single"]))
    other = x if how == "single" else LAYOUTS[how](x.astype(np.float64))
    same(case.fit(x.astype(np.float64)), case.fit(other))


def larger_families_fit_better(case: Case, draw: Any) -> None:
    """From the estimate of a family that it contains."""
    family = get_family(case.family, case.d)
    larger = [f for f in families_for(case.d) if get_family(f, case.d).contains(family)]
    a = case.fit()
    b = case.fit(covariance_type=draw(st.sampled_from(larger)), start=a)
    hypothesis.assume(a.status.sound)
    assert b.loglik >= a.loglik - ROUNDING * max(abs(a.loglik), a.n)


def more_components_fit_better(case: Case, draw: Any) -> None:
    """One of them twice, with half its share: the same density, and EM goes up from there."""
    a = case.fit()
    hypothesis.assume(a.status.sound)
    j = draw(st.integers(0, case.k - 1))
    twice = [*range(case.k), j]
    weights = a.weights[twice].copy()
    weights[[j, -1]] /= 2
    start = bayesgmm.Mixture(weights, a.means[twice], a.covariances[twice], a.names)
    for max_iter in (0, case.max_iter):
        b = case.fit(n_components=case.k + 1, start=start, max_iter=max_iter)
        assert b.loglik >= a.loglik - ROUNDING * max(abs(a.loglik), a.n)


def em_never_falls(case: Case, draw: Any) -> None:
    """With a prior or without."""
    prior = draw(st.booleans()) and case.weighting == "none"
    history = np.array(replace(case, prior=prior).fit(max_iter=30).history)
    assert np.all(np.diff(history) >= -1e-9 * np.abs(history).max())


def likelihood_is_that_of_the_parameters(case: Case, draw: Any) -> None:
    """By SciPy, of degenerate ends too; BIC and responsibilities follow from it."""
    fit = case.fit(max_iter=draw(st.sampled_from([0, 3, 200])))
    x, w = case.x, np.ones(case.n) if case.weights is None else case.weights
    eigenvalues = np.linalg.eigvalsh(fit.covariances)
    hypothesis.assume(np.all(eigenvalues[:, 0] > 1e-9 * eigenvalues[:, -1]))
    logs = np.stack([
        np.log(p) + stats.multivariate_normal(m, s, allow_singular=False).logpdf(x)
        for p, m, s in zip(fit.weights, fit.means, fit.covariances, strict=True)
    ], axis=-1).reshape(case.n, case.k)  # fmt: skip
    of_rows = logsumexp(logs, axis=1)
    np.testing.assert_allclose(fit.score_samples(x), of_rows, rtol=1e-6, atol=1e-6)
    assert abs(fit.loglik - w @ of_rows) <= 1e-6 * max(abs(fit.loglik), fit.n)
    resp = np.exp(logs - of_rows[:, None])
    np.testing.assert_allclose(fit.predict_proba(x), resp, atol=1e-5)
    np.testing.assert_array_equal(fit.predict(x), fit.predict_proba(x).argmax(axis=1))
    if fit.status.sound:
        bic = -2 * fit.loglik + np.log(fit.n) * fit.n_parameters
        assert fit.bic == pytest.approx(bic, rel=1e-12)


UGLY = {
    "whole numbers": lambda x: np.round(x),
    "one row many times": lambda x: np.where(np.arange(len(x))[:, None] % 2, x[0], x),
    "an outlier": lambda x: x * np.where(np.arange(len(x))[:, None] == 0, 1e7, 1),
    "close rows": lambda x: x[0] + np.where(np.arange(len(x))[:, None] % 3, 1, 1e-9) * x,
    "large offset": lambda x: x + 1e8,
    "units far apart": lambda x: x * 10.0 ** (8 * np.arange(x.shape[1]) - 8),
    "nearly dependent": lambda x: np.column_stack([x[:, :-1], x[:, 0] + 1e-7 * x[:, -1]]),
}


def likelihood_of_ugly_tables(case: Case, draw: Any) -> None:
    """Of components that shrink onto rows, and of degenerate ends: as it is of the parameters."""
    x = UGLY[draw(st.sampled_from(sorted(UGLY)))](case.x)
    start = draw(st.sampled_from(["auto", "random", "kmeans"]))
    try:
        fit = case.fit(x, start=start, n_init=2, random_seed=case.seed, sample_weight=None)
    except bayesgmm.DataError:  # such as too few different rows: said in words
        hypothesis.reject()
    expected = fit.score_samples(x).sum()
    assert abs(fit.loglik - expected) <= 1e-6 * max(abs(expected), fit.n)
    assert f"{fit.loglik:.3f}" in repr(fit)
    assert np.isnan(fit.bic) == (fit.status.value == "degenerate")


def saved_is_read(case: Case, draw: Any) -> None:
    """To the last bit, whatever the fit."""
    fit = replace(case, prior=draw(st.booleans()) and case.weighting == "none").fit()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.npz"
        fit.save(path)
        read = bayesgmm.Fit.load(path)
    assert read.to_meta() == fit.to_meta()
    for name, array in fit.to_arrays().items():
        np.testing.assert_array_equal(read.to_arrays()[name], array)
    np.testing.assert_array_equal(read.predict_proba(case.x), fit.predict_proba(case.x))
    assert repr(read) == repr(fit)


def saved_grid_is_read(case: Case, draw: Any) -> None:
    """Its table, its reasons and its fits; and what is resumed from it is no worse."""
    families = draw(st.lists(st.sampled_from(families_for(case.d)), min_size=1, max_size=3))
    arguments = {"n_init": 2, "random_seed": case.seed, "progressbar": False}
    arguments |= {"sample_weight": case.weights, "covariance_type": sorted(set(families))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grid = bayesgmm.select(case.x, [1, case.k + 1], **arguments)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "grid.npz"
            grid.save(path)
            read = bayesgmm.Selection.load(path)
        resumed = bayesgmm.select(case.x, [1, case.k + 1], resume=read, **arguments)
    assert read.table.equals(grid.table) and read.failures == grid.failures
    for cell, fit in grid.sound.items():
        np.testing.assert_array_equal(read.fits[cell].covariances, fit.covariances)
        # a matrix keeps its smallest eigenvalue, and so its log determinant, to eps times condition
        lost = ROUNDING + np.finfo(float).eps * np.linalg.cond(fit.covariances).max()
        assert resumed.fits[cell].loglik >= fit.loglik - lost * max(abs(fit.loglik), fit.n)


LAWS = (
    shift_and_scale,
    rotation,
    rows_in_another_order,
    columns_in_another_order,
    labels_of_the_groups,
    duplication_is_weight,
    weight_0_is_absence,
    layout_and_type,
    larger_families_fit_better,
    more_components_fit_better,
    em_never_falls,
    likelihood_is_that_of_the_parameters,
    likelihood_of_ugly_tables,
    saved_is_read,
    saved_grid_is_read,
)


#: Those of many fits a case are tried on so many times fewer.
COSTLY = {saved_grid_is_read: 5}


def look_for_a_breach(law: Any, examples: int) -> None:
    """Try a law on so many cases, the same ones every time."""
    examples //= COSTLY.get(law, 1)
    held = []

    def of_case(case: Case, data: Any) -> None:
        law(case, data.draw)
        held.append(case)

    of_case.__name__ = of_case.__qualname__ = law.__name__  # which the cases are drawn by
    settings = hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    settings(hypothesis.given(case=cases(), data=st.data())(of_case))()
    assert len(held) >= examples / 2  # the others asked for nothing that there is


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(law):
    look_for_a_breach(law, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law_at_length(law):
    look_for_a_breach(law, SLOW)
