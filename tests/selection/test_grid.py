"""The grid: cells help each other, no family ends below one it contains, and it can be resumed."""

from __future__ import annotations

import json
import warnings
from importlib import import_module

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.em import moves
from bayesgmm.mixture.prior import Prior
from bayesgmm.selection import grid
from bayesgmm.selection.selection import Selection
from bayesgmm.utils.errors import DataWarning
from tests.conftest import simulate
from tests.places import SHARED, SHIPPED

REFERENCE = SHARED / "reference"
NAMES = ("faithful", "iris", "galaxies", "acidity", "diabetes", "penguins")


def inversions(selection):
    """Pairs of cells of one K in which the smaller family has the higher log-likelihood.

    But for those that say so: from the smaller family's maximum EM runs into a singularity.
    """
    found = selection.sound
    return [
        (a, b)
        for a, fit in found.items()
        for b, other in found.items()
        if a[1] == b[1]
        and a != b
        and fit.family.contains(other.family)
        and fit.loglik < other.loglik - 1e-6
        and "no estimate above that of" not in fit.remark
    ]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_no_inversion(name, seed):
    """A family never reports a lower log-likelihood than one it contains."""
    x = getattr(bayesgmm.datasets, f"load_{name}")(features_only=True)
    selection = bayesgmm.select(x, range(1, 7), random_seed=seed, progressbar=False)
    assert not inversions(selection)
    assert len(selection.sound) >= 0.9 * len(selection.table)


def test_no_inversion_anywhere(rng):
    """Nor on simulated rows that few families fit, from one start of another kind, nor of many."""
    x, _ = simulate(rng, 150, 3, 3, spread=1.5)
    for arguments in ({}, {"start": "random", "n_init": 1}):
        selection = bayesgmm.select(x, range(1, 5), random_seed=1, progressbar=False, **arguments)
        assert not inversions(selection)


def test_a_family_without_a_maximum_above_a_smaller_one_says_so():
    """Tied values: from the smaller family's optimum EM runs into a singularity."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    x[:40, 0] = 3.0  # a third of the rows on a line
    selection = bayesgmm.select(x, [2, 3], random_seed=0, progressbar=False)
    assert not inversions(selection)
    assert "degenerate component" in " ".join(selection.failures.values())
    surpassed = [fit for fit in selection.sound.values() if "into a singularity" in fit.remark]
    assert surpassed
    notes = selection.table.set_index(["family", "K"])["note"]
    for fit in surpassed:
        assert "no estimate above that of" in notes[fit.family.name, fit.n_components]


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="needs the full reference folder")
def test_best_known_log_likelihoods():
    """95 % of the cells with K <= 5 reach the best that anyone is known to have found."""
    reached, missed = 0, []
    for name in NAMES:
        reference = json.loads((REFERENCE / f"ref_{name}.json").read_text())
        x = getattr(bayesgmm.datasets, f"load_{name}")()[reference["columns"]]
        selection = bayesgmm.select(x, range(1, 6), random_seed=0, progressbar=False)
        for cell in reference["grid"]:
            best, place = cell.get("loglik_best_known"), (cell["model"], cell["K"])
            if best is None or cell["K"] > 5:
                continue
            fit = selection.sound.get(place)
            if fit is not None and fit.loglik >= best - 1e-3:
                reached += 1
            else:
                missed.append((name, *place))
    assert reached >= 0.95 * (reached + len(missed)), missed
    assert reached + len(missed) == 298


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="needs the full reference folder")
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_best_known_log_likelihoods_of_single_fits(seed):
    """The same for `fit` alone, which has no neighbours to learn from."""
    reached = total = 0
    for name in NAMES:
        reference = json.loads((REFERENCE / f"ref_{name}.json").read_text())
        x = getattr(bayesgmm.datasets, f"load_{name}")()[reference["columns"]]
        for cell in reference["grid"]:
            best = cell.get("loglik_best_known")
            if best is None or cell["K"] > 5:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", bayesgmm.DegenerateFitWarning)
                fit = bayesgmm.fit(x, cell["K"], cell["model"], random_seed=seed)
            total += 1
            reached += fit.status.sound and fit.loglik >= best - 1e-3
    assert total == 298
    assert reached >= 0.95 * total


@pytest.mark.parametrize(
    ("name", "family", "k", "bic"),
    [
        ("faithful", "EEE", 3, 2314.296),
        ("iris", "VEV", 2, 561.728),
        ("acidity", "E", 2, 392.072),
        ("galaxies", "V", 3, 1575.090),
        ("diabetes", "VVV", 3, 4734.512),
        ("penguins", "EEE", 4, 10235.317),
    ],
)
def test_headline_results(name, family, k, bic):
    """The best known models (../shared/reference/README.md; mclust's BIC with its sign turned)."""
    x = getattr(bayesgmm.datasets, f"load_{name}")(features_only=True)
    selection = bayesgmm.select(x, range(1, 10), random_seed=0, progressbar=False)
    assert (selection.best.family.name, selection.best.n_components) == (family, k)
    assert selection.best.bic <= bic + 1e-3


def test_moves_keep_the_moments(rng):
    """Splits and merges have the counts, mean and scatter of what they come from."""
    x, labels = simulate(rng, 90, 3, 3)
    fit = bayesgmm.fit(x, 3, start=labels, max_iter=0)
    counts = 90 * fit.weights
    centre = fit.weights @ fit.means
    statistics = bayesgmm.kernels.e_step.contract.Statistics(
        counts, fit.means - centre, counts[:, None, None] * fit.covariances
    )

    def moments(s):
        about = s.means - (s.counts @ s.means) / s.counts.sum()
        between = np.einsum("k,ki,kj->ij", s.counts, about, about)
        return s.counts.sum(), s.counts @ s.means, s.scatters.sum(axis=0) + between

    for moved in moves.splits(statistics) + moves.merges(statistics):
        assert len(moved.counts) in (2, 4)
        for a, b in zip(moments(moved), moments(statistics), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_interrupted_and_resumed(monkeypatch):
    """What was found is kept, the rest is marked; going on never loses."""
    x = bayesgmm.datasets.load_faithful()
    follow, calls = grid.run_starts, []

    def interrupted(*args, **options):
        calls.append(args)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return follow(*args, **options)

    monkeypatch.setenv("BAYESGMM_NUM_THREADS", "1")
    monkeypatch.setattr(grid, "run_starts", interrupted)
    with pytest.warns(UserWarning, match="interrupted: .* `resume`"):
        part = bayesgmm.select(x, range(1, 4), random_seed=0, progressbar=False)
    monkeypatch.setattr(grid, "run_starts", follow)
    assert 0 < len(part.sound) < 42
    assert len(part.table) == 42
    assert any("interrupted" in text for text in part.failures.values())
    whole = bayesgmm.select(x, range(1, 4), random_seed=0, resume=part, progressbar=False)
    assert len(whole.sound) == 42
    for cell, fit in part.sound.items():
        assert whole.fits[cell].loglik >= fit.loglik - 1e-6
    # more components later, from what is there
    more = bayesgmm.select(x, range(1, 6), random_seed=1, resume=whole, progressbar=False)
    for cell, fit in whole.sound.items():
        assert more.fits[cell].loglik >= fit.loglik - 1e-6


@pytest.mark.filterwarnings("ignore::bayesgmm.DataWarning")
@pytest.mark.parametrize("labelled", [False, True])
def test_interrupted_and_resumed_beside_noise(monkeypatch, tmp_path, labelled):
    """Cells with noise and with labels too: what was found is kept, and going on never loses."""
    x, classes = simulate(np.random.default_rng(3), 120, 2, 2)
    x = np.vstack([x, np.random.default_rng(4).uniform(-12, 12, size=(30, 2))])
    labels = np.where(np.arange(150) % 4 == 0, np.append(classes, [-1] * 30), -1)
    options = {"noise": True, "labels": labels if labelled else None}
    options |= {"random_seed": 0, "progressbar": False, "n_init": 4}
    asked = x, [2], ["EEE", "VVV"]
    module = import_module("bayesgmm.selection.noisy_grid")
    follow, calls = module.fit_with_noise, []

    def stopped_at(number):
        calls.clear()

        def stopped(*args):
            calls.append(args)
            if len(calls) == number:
                raise KeyboardInterrupt
            return follow(*args)

        monkeypatch.setattr(module, "fit_with_noise", stopped)

    stopped_at(2)
    with pytest.warns(bayesgmm.InterruptionAdvice, match="interrupted: .* `resume`"):
        part = bayesgmm.select(*asked, **options)
    assert len(part.sound) == 3 and part.interrupted and len(part.table) == 4 + (not labelled)
    assert sum("interrupted" in text for text in part.failures.values()) == 1
    part.save(tmp_path / "grid.npz")
    part = Selection.load(tmp_path / "grid.npz")
    stopped_at(1)
    with pytest.warns(bayesgmm.InterruptionAdvice):  # again: nothing is lost
        again = bayesgmm.select(*asked, resume=part, **options)
    assert again.sound.keys() == part.sound.keys() and again.interrupted
    for cell, fit in part.sound.items():
        assert again.fits[cell].loglik == pytest.approx(fit.loglik, abs=1e-4)
    assert again.fits["EEE+noise", 2].status.value == "interrupted"
    monkeypatch.setattr(module, "fit_with_noise", follow)
    whole = bayesgmm.select(*asked, resume=again, **options)
    assert len(whole.sound) == 4 and not whole.interrupted
    for cell, fit in again.sound.items():
        assert whole.fits[cell].loglik >= fit.loglik - 1e-6
    # a start that finds less ends no lower than what was known
    worse = bayesgmm.select(*asked, resume=whole, **(options | {"start": "random", "n_init": 1}))
    for cell, fit in whole.sound.items():
        assert worse.fits[cell].loglik >= fit.loglik - 1e-6


def test_saved_and_loaded(tmp_path):
    """Everything, failures and cross-validation included; damage is told."""
    x = np.random.default_rng(0).normal(size=(30, 3))
    selection = bayesgmm.select(
        x, [1, 2, 30], ["EII", "VVV"], cv=3, criterion="icl", random_seed=0, progressbar=False
    )
    path = tmp_path / "grid.npz"
    selection.save(path)
    again = Selection.load(path)
    assert again.table.equals(selection.table)
    assert (again.criterion, again.failures) == ("icl", selection.failures)
    np.testing.assert_equal(again.cv, dict(selection.cv))
    for cell, fit in selection.fits.items():
        np.testing.assert_array_equal(again.fits[cell].score_samples(x), fit.score_samples(x))
    selection.best.save(tmp_path / "fit.npz")
    (tmp_path / "text.npz").write_text("hello")
    for name in ("fit.npz", "text.npz"):
        with pytest.raises(ValueError, match="is not a grid saved by this version of bayesgmm"):
            Selection.load(tmp_path / name)
    with pytest.raises(OSError):
        Selection.load(tmp_path / "nothing.npz")


def test_cross_validation_of_one_gaussian(rng):
    """For K = 1 the held-out density has a closed form: SciPy's, at the other rows' moments."""
    x = rng.normal(size=(60, 2)) @ np.array([[1.0, 0.4], [0.0, 2.0]])
    selection = bayesgmm.select(x, 1, "VVV", cv=60, random_seed=0, progressbar=False)  # each row
    expected = [
        multivariate_normal(
            np.delete(x, i, 0).mean(axis=0), np.cov(np.delete(x, i, 0).T, ddof=0)
        ).logpdf(x[i])
        for i in range(60)
    ]
    mean, se = selection.cv["VVV", 1]
    assert mean == pytest.approx(np.mean(expected), rel=1e-9)
    assert se == pytest.approx(np.std(expected) / np.sqrt(60), rel=1e-9)


def test_cross_validation_ranks_the_truth_high(rng):
    """Three plain groups: K = 3 beats 1, 2 and 8, and `criterion` goes by it."""
    x, _ = simulate(rng, 300, 2, 3, spread=6)
    selection = bayesgmm.select(
        x, [1, 2, 3, 8], ["VVV"], criterion="cv", random_seed=0, progressbar=False
    )
    assert selection.best.n_components == 3
    assert list(selection.table["cv_loglik"])[0] == selection.table["cv_loglik"].max()
    assert selection.top(1, "bic")[0].n_components == 3
    assert "cross-validated" in repr(selection)
    again = bayesgmm.select(
        x, [1, 2, 3, 8], ["VVV"], criterion="cv", random_seed=0, progressbar=False
    )
    assert again.table.equals(selection.table)


def test_criteria():
    """The grid by each of them, and what is refused."""
    x = bayesgmm.datasets.load_faithful()
    selection = bayesgmm.select(x, [1, 2], ["EEE", "VVV"], criterion="icl", progressbar=False)
    assert selection.best.icl == min(fit.icl for fit in selection.fits.values())
    for name in ("bic", "icl", "aic"):
        values = selection.grid(name)
        assert list(values.columns) == ["EEE", "VVV"]
        assert selection.top(1, name)[0].n_parameters in (5, 8, 11)
        assert values.min().min() == getattr(selection.top(1, name)[0], name)
    with pytest.raises(ValueError, match="was not cross-validated"):
        selection.top(1, "cv")
    with pytest.raises(ValueError, match="criterion is 'best': choose among"):
        selection.grid("best")
    for arguments, message in [
        ({"criterion": "bik"}, "criterion is 'bik' .did you mean 'bic'"),
        ({"cv": 1}, "cv is 1"),
        ({"cv": 2.5}, "cv is 2.5"),
        ({"cv": 500}, "cv = 500 folds of 272 rows"),
    ]:
        with pytest.raises(ValueError, match=message):
            bayesgmm.select(x, [1], "VVV", progressbar=False, **arguments)


def test_many_rows_are_searched_in_part(rng):
    """More rows than fit the cache: the search is on some of them, the estimates on all."""
    x, labels = simulate(rng, 30_000, 3, 3, spread=4)
    selection = bayesgmm.select(x, [2, 3], ["EEE", "VVV"], random_seed=0, progressbar=False)
    known = bayesgmm.fit(x, 3, "VVV", start=labels)
    fit = selection.fits["VVV", 3]
    assert fit.n == 30_000
    assert fit.loglik == pytest.approx(known.loglik, rel=1e-7)
    assert fit.score_samples(x).sum() == pytest.approx(fit.loglik, rel=1e-10)
    assert selection.best is fit
    alone = bayesgmm.fit(x, 3, "VVV", random_seed=1)
    assert alone.loglik == pytest.approx(known.loglik, rel=1e-7)


def test_weights_and_prior(rng):
    """A grid of weighted rows is that of the repeated ones; under a prior every cell is sound."""
    x, _ = simulate(rng, 60, 2, 2)
    weights = rng.integers(0, 3, 60)
    twice = np.repeat(x, weights, axis=0)
    arguments = {"random_seed": 0, "progressbar": False}
    a = bayesgmm.select(x, [1, 2], ["EEE", "VVI"], sample_weight=weights, **arguments)
    b = bayesgmm.select(twice, [1, 2], ["EEE", "VVI"], **arguments)
    for cell, fit in a.fits.items():
        assert fit.loglik == pytest.approx(b.fits[cell].loglik, abs=1e-5)
        assert fit.bic == pytest.approx(b.fits[cell].bic, abs=1e-4)
    held = bayesgmm.select(x, range(1, 6), prior=Prior.from_data(x), **arguments)
    assert len(held.sound) == 70


def unemployment():
    """31 rows in three columns, on which values of several cells lie within one."""
    return np.array(json.loads((SHIPPED / "unemployment.json").read_text())["rows"])


def test_the_seed_does_not_choose_between_cells_near_the_best():
    """VEV with K = 3, whose best optimum one start in a hundred finds, is found by all ten seeds.

    Before cells near the best were looked at again five took it, and five VEE with K = 2: 494.94
    and 495.37.
    """
    x = unemployment()
    for seed in range(10):
        found = bayesgmm.select(
            x, range(1, 5), ["VEE", "VEV", "VVV"], random_seed=seed, progressbar=False
        )
        assert (found.best.family.name, found.best.n_components) == ("VEV", 3)
        assert found.best.bic == pytest.approx(494.94, abs=0.01)


def tied(seed, n=626):
    """Rows of three columns of which most values occur often: rounded, a seventh of one zero."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(4, (n, 3)) @ np.array([[1.0, 0.8, 0.2], [0.0, 0.6, 0.1], [0.0, 0.0, 1.0]])
    x = np.round(x, 1)
    x[rng.random(n) < 0.15, 1] = 0.0
    x[:, 2] = np.round(x[:, 2])
    return x


@pytest.mark.parametrize(
    ("sample", "best"),
    [(1, ("VEV", 4, 5941.04)), (3, ("VEV", 4, 5974.48)), (6, ("VEE", 2, 5784.57))],
)
def test_the_seed_does_not_choose_where_values_are_tied(sample, best):
    """626 rows: one recommendation whatever the seed, and none that is flat.

    Before cells up to 30 behind the best were looked at again, seed 5 took VEV with K = 3 on the
    first sample and seed 4 on the second, by 2 and 11 worse: VEV with K = 4 was 20 and 30 behind.
    """
    x = tied(sample)
    for seed in (0, 4, 5):
        with pytest.warns(DataWarning, match="rounded to multiples of 1"):
            found = bayesgmm.select(
                x, range(1, 6), ["VEE", "VEV", "VVE", "VVV"], random_seed=seed, progressbar=False
            ).best
        assert (found.family.name, found.n_components) == best[:2]
        assert found.bic == pytest.approx(best[2], abs=0.01)
        least = min(np.linalg.eigvalsh(c)[0] for c in found.covariances)
        assert least > 0.05  # a flat one had 3e-7; the error of rounding alone is 0.0008


def test_cells_near_the_best_are_looked_at_until_their_optimum_recurs(monkeypatch):
    """Clear data take one batch of starts in the cells near the best, and none in others."""
    asked = []
    settle = grid.Grid.settle

    def counting(self, starts):
        def counted(k, batch):
            asked.append((k, batch))
            return starts(k, batch)

        unsettled = self._unsettled({})
        settle(self, counted)
        assert {k for k, _ in asked} == {k for _, k in unsettled}

    monkeypatch.setattr(grid.Grid, "settle", counting)
    x, _ = simulate(np.random.default_rng(1), 300, 2, 3, spread=8.0)
    bayesgmm.select(x, range(1, 5), ["EEE", "VVV"], random_seed=0, progressbar=False)
    assert asked and {batch for _, batch in asked} == {0}
