"""The recipes of docs/architecture.md, followed: what they name is all that a new part needs.

Families and forms of the pass are compiled code, which cannot be added to a running package: their
lists are what the tests named in the recipes run over.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.data import data as border
from bayesgmm.data.sources import sources
from bayesgmm.em.standard_errors import standard_errors as uncertainty
from bayesgmm.em.starts import starts as start
from bayesgmm.mixture.evaluation import responsibilities
from bayesgmm.mixture.mixture import Mixture
from bayesgmm.plots import FitPlots
from bayesgmm.posterior.summaries import predictive_checks as checks
from bayesgmm.posterior.summaries.methods import Summaries
from bayesgmm.sampling.registry import SAMPLERS, Sampler
from bayesgmm.selection.criteria import CRITERIA, Criterion
from tests.synthetic import make_posterior


@pytest.fixture
def faithful():
    return bayesgmm.datasets.load_faithful()


def test_a_start(faithful, monkeypatch):
    """A function that makes a Start, and its name in STARTS."""

    def cut(sample, n_components, rng, i):
        """Rows divided at the quantiles of the first column."""
        place = np.argsort(np.argsort(sample.standardised[:, 0], kind="stable"))
        return sample.of_labels(place * n_components // len(place), n_components)

    monkeypatch.setitem(start.STARTS, "cut", start.Kind(cut, 1))
    best = bayesgmm.fit(faithful, 2, random_seed=1).loglik
    assert bayesgmm.fit(faithful, 2, start="cut").loglik == pytest.approx(best, abs=1e-3)
    grid = bayesgmm.select(faithful, [2], ["VVV"], start="cut", progressbar=False)
    assert grid.best.loglik == pytest.approx(best, abs=1e-3)
    model = bayesgmm.GaussianMixture(2, init_params="cut").fit(faithful)
    assert model.fit_.loglik == pytest.approx(best, abs=1e-3)


def test_a_source_of_data(faithful, monkeypatch):
    """A branch of read_table that makes a two-dimensional array and names."""

    class Columns:
        """A table that no library knows."""

        def __init__(self, columns):
            self.by_name = columns

    read = sources.read_table

    def branch(x, width=None):
        if isinstance(x, Columns):
            return border.Table(np.column_stack(list(x.by_name.values())), tuple(x.by_name))
        return read(x, width)

    monkeypatch.setattr(sources, "read_table", branch)
    table = Columns({name: faithful[name].to_numpy() for name in faithful})
    ours = bayesgmm.fit(table, 2, random_seed=1)
    assert ours.names == tuple(faithful)
    assert ours.loglik == bayesgmm.fit(faithful, 2, random_seed=1).loglik
    assert np.array_equal(ours.predict(table), ours.predict(faithful))
    bad = Columns({"eruptions": np.array([1.0, np.nan])})
    with pytest.raises(bayesgmm.DataError, match="'eruptions' has 1 missing value"):
        bayesgmm.fit(bad, 1)


def test_a_way_to_standard_errors(faithful, monkeypatch):
    """A function to the data of one replicate and its rows' components, and its name in REPLICATES.

    Exponential weights, as in the weighted bootstrap but for their sum: for one component the
    standard error of a mean is sd / sqrt(n). 400 replicates know it to 1 / sqrt(800), 3.5 %.
    """

    def exponential(fit, data, rng):
        return border.as_data(data, sample_weight=rng.standard_exponential(data.n)), None

    monkeypatch.setitem(uncertainty.REPLICATES, "exponential", exponential)
    monkeypatch.setattr(uncertainty, "METHODS", (*uncertainty.REPLICATES, "information"))
    fit = bayesgmm.fit(faithful, 1)
    errors = bayesgmm.standard_errors(
        faithful, fit, "exponential", n_boot=400, random_seed=1, progressbar=False
    )
    known = faithful.std(ddof=0) / np.sqrt(len(faithful))
    assert errors.means[0] == pytest.approx(known.to_numpy(), rel=4 * 0.035)


def test_a_statistic_of_predictive_checks(monkeypatch):
    """A function of rows, and its name in _BY_COLUMN."""
    monkeypatch.setitem(checks._BY_COLUMN, "range", lambda x: np.ptp(x, axis=0))
    mixture = Mixture([1.0], [[0.0, 0.0]], [np.eye(2)])
    [(name, statistic)] = checks.chosen("range", mixture).items()
    assert name == "range"
    assert statistic.function(np.array([[0.0, 1.0], [2.0, 5.0]])).tolist() == [2.0, 4.0]
    assert "range" in checks.chosen(None, mixture)


def test_a_sampler(faithful, monkeypatch):
    """An engine and one Sampler: `refine` runs it, under the arguments that it says it takes.

    Uncorrected draws of the normal density at the mode: of one component's mean, whose posterior is
    nearly normal, 2000 draws know the deviation to 1 / sqrt(4000), 1.6 %, and sd / sqrt(n) is what
    theory says.
    """
    seen = []

    def normal(density, mode, settings):
        """Draws of the normal density at the mode."""
        seen.append(settings.thin)
        rng = np.random.default_rng(settings.random_seed)
        z = rng.standard_normal((settings.chains, settings.draws, density.size))
        vectors = mode.origin + z @ mode.root.T
        lp = np.apply_along_axis(lambda u: density(u)[0], 2, vectors)
        return vectors, xr.Dataset({"lp": (("chain", "draw"), lp)})

    sampler = Sampler("normal", of_density=lambda: normal, has_sweeps=True)
    monkeypatch.setitem(SAMPLERS, "normal", sampler)
    fit = bayesgmm.fit(faithful, 1)
    options = {"sampler": "normal", "draws": 500, "random_seed": 1, "progressbar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
        posterior = bayesgmm.refine(faithful, fit, thin=7, **options)
    assert seen == [7] and posterior.tree.attrs["sampler"] == "normal"
    sd = posterior.draws.means[:, 0].std(axis=0)
    expected = faithful.std().to_numpy() / np.sqrt(len(faithful))
    np.testing.assert_allclose(sd, expected, rtol=4 * 0.016)
    monkeypatch.setitem(SAMPLERS, "normal", Sampler("normal", of_density=lambda: normal))
    with pytest.raises(ValueError, match="thin is 7"):
        bayesgmm.refine(faithful, fit, thin=7, **options)


def test_a_criterion(faithful, monkeypatch):
    """One Criterion, Hannan and Quinn's: `select` ranks by it, `Selection` has its table."""

    def hannan_quinn(fit, score):
        return -2 * fit.loglik + 2 * fit.n_parameters * np.log(np.log(len(faithful)))

    criterion = Criterion("hqc", "Hannan-Quinn criterion", "HQC (lower is better)", hannan_quinn)
    monkeypatch.setitem(CRITERIA, "hqc", criterion)
    grid = bayesgmm.select(
        faithful, [1, 2, 3], ["EEE"], criterion="hqc", random_seed=1, progressbar=False
    )
    of_fits = [hannan_quinn(fit, None) for fit in grid.fits.values()]
    assert hannan_quinn(grid.best, None) == min(of_fits) < max(of_fits)
    assert grid.grid("hqc")["EEE"].tolist() == [
        hannan_quinn(grid.fits["EEE", k], None) for k in (1, 2, 3)
    ]


def test_a_summary(faithful, monkeypatch):
    """A function of Draws and Data, and its face: what `Posterior` is asked. Here by SciPy too."""

    def in_largest(draws, data):
        """How probable it is that a row is of the largest component, (n,)."""
        largest = draws.weights.argmax(axis=1)
        of_draws = zip(responsibilities(data, draws), largest, strict=True)
        return np.mean([each[:, k] for each, k in of_draws], axis=0)

    face = property(lambda posterior: in_largest(posterior.draws, posterior.data))
    monkeypatch.setattr(Summaries, "in_largest", face, raising=False)
    posterior = make_posterior(faithful, bayesgmm.fit(faithful, 2, random_seed=1))
    draws, expected = posterior.draws, []
    for s in range(len(draws)):
        terms = zip(draws.weights[s], draws.means[s], draws.covariances[s], strict=True)
        joint = np.array([w * multivariate_normal(m, c).pdf(faithful) for w, m, c in terms])
        expected.append(joint[draws.weights[s].argmax()] / joint.sum(axis=0))
    np.testing.assert_allclose(posterior.in_largest, np.mean(expected, axis=0), rtol=1e-9)


def test_a_picture(faithful, monkeypatch):
    """A function, and a thin method: it is in `plot` of the result, and in what that lists."""

    def plot_proportions(fit):
        figure = Figure()
        figure.subplots().bar(range(fit.n_components), fit.weights)
        return figure

    method = lambda self: plot_proportions(self._result)  # noqa: E731
    monkeypatch.setattr(FitPlots, "proportions", method, raising=False)
    fit = bayesgmm.fit(faithful, 2, random_seed=1)
    bars = fit.plot.proportions().axes[0].patches
    assert [bar.get_height() for bar in bars] == fit.weights.tolist()
    assert "proportions" in repr(fit.plot)
