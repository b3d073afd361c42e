"""Pictures of fits and posteriors with noise: grey crosses, a share in the legend; of labels."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from scipy.stats import norm
from xarray import DataTree

import bayesgmm
from bayesgmm import plots
from bayesgmm.mixture.merging import merge
from bayesgmm.plots.style import NOISE
from tests.conftest import simulate
from tests.synthetic import make_posterior

GREY = to_rgba(NOISE)


def rows(d, seed=0):
    rng = np.random.default_rng(seed)
    x, classes = simulate(rng, 120, d, 2)
    return np.vstack([x, rng.uniform(-15, 15, size=(30, d))]), classes


def crosses(figure):
    """Points of the collections that are drawn in the noise's grey, by panel."""
    return {
        i: sum(
            len(c.get_offsets()) for c in ax.collections
            if len(c.get_edgecolor()) and np.allclose(c.get_edgecolor()[0][:3], GREY[:3])
        )
        for i, ax in enumerate(figure.axes)
    }  # fmt: skip


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_rows_called_noise_are_crosses(d):
    """As many in every panel of rows as `predict` calls noise; the legend has all shares."""
    x, _ = rows(d)
    fit = bayesgmm.fit(x, 2, "EII" if d > 1 else "V", noise=True, random_seed=0)
    called = int(np.sum(fit.predict(x) == -1))
    assert called > 3
    figure = fit.plot.classification(x)
    found = [n for n in crosses(figure).values() if n]
    assert found and set(found) == {called}
    legend = (figure.legends or [figure.axes[0].get_legend()])[0]
    texts = [t.get_text() for t in legend.get_texts()]
    shares = [*((1 - fit.noise_share) * fit.weights), fit.noise_share]
    assert [t.split("(")[1] for t in texts] == [f"{s:.0%})" for s in shares]
    assert texts[-1].startswith("noise")
    density = fit.plot.density(x, columns=[0, 1] if d > 1 else [0])
    assert sum(crosses(density).values()) == np.sum(fit.noise_probability(x) > 0.5)
    assert "without the noise" in density.axes[0].get_title()
    for function in (plots.plot_uncertainty, plots.plot_responsibilities):
        function(x, fit).savefig(io.BytesIO())
    ticks = plots.plot_profiles(x, fit).axes[0].get_xticklabels()
    assert [t.get_text().split("\n")[1] for t in ticks] == [f"{s:.0%}" for s in shares[:-1]]


def test_densities_are_without_the_noise():
    """In one column: the curve, and the components', times the share of what is not noise."""
    x, _ = rows(1)
    fit = bayesgmm.fit(x, 1, "V", noise=True, random_seed=0)
    [curve] = [
        line for line in fit.plot.density(x).axes[0].lines if "noise" in str(line.get_label())
    ]
    at, height = curve.get_data()
    assert np.trapezoid(height, at) == pytest.approx(1 - fit.noise_share, abs=0.01)


def test_the_band_has_the_draws_own_share_of_noise():
    """SciPy's density of the components under every draw, times the share in that draw."""
    x, _ = rows(1)
    fit = bayesgmm.fit(x, 2, "V", noise=True, random_seed=0)
    posterior = make_posterior(x, fit, n_draws=25)
    rng = np.random.default_rng(1)
    share = ("chain", "draw"), rng.uniform(0.1, 0.6, (4, 25))
    tree = posterior.tree.copy()
    tree["posterior"] = DataTree(tree["posterior"].to_dataset().assign(noise_share=share))
    posterior = bayesgmm.Posterior.from_tree(tree)
    ax = plots.plot_density(x, fit, posterior, ci_prob=0.8).axes[0]
    ends = ax.collections[0].get_paths()[0].vertices
    draws = posterior.draws
    for at in ends[::97, 0]:
        parts = norm.pdf(at, draws.means[..., 0], np.sqrt(draws.covariances.reshape(100, 2)))
        values = (1 - draws.noise_share) * (draws.weights * parts).sum(axis=1)
        heights = ends[ends[:, 0] == at, 1]
        expected = np.quantile(values, [0.1, 0.9])
        assert (heights.min(), heights.max()) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
def test_pictures_of_a_posterior_with_noise_and_holes():
    """Responsibilities with the noise on top, densities with bands, chains, everything drawn."""
    x, _ = rows(2)
    x[::8, 0] = np.nan
    fit = bayesgmm.fit(x, 2, "EII", noise=True, missing="marginalize", random_seed=0)
    posterior = bayesgmm.refine(
        x, fit, sampler="gibbs", draws=50, thin=2, random_seed=1, progressbar=False
    )
    figure = posterior.plot.responsibilities()
    stacked = [c for c in figure.axes[0].collections if np.allclose(c.get_facecolor()[0], GREY)]
    assert len(stacked) == 1
    for one in (
        plots.plot_density(x, fit, posterior),
        plots.plot_density(x, fit, posterior, columns=1),
        plots.plot_check(posterior, n_draws=20, random_seed=0),
        plots.plot_predictive(posterior, n_draws=8, random_seed=0),
    ):
        if isinstance(one, Figure):
            one.savefig(io.BytesIO())
    share = next(ax for ax in plots.plot_posterior(posterior).axes if "noise" in ax.get_title())
    bar, mean, estimate = (line.get_xdata() for line in share.lines)
    assert bar == pytest.approx(np.quantile(posterior.draws.noise_share, [0.055, 0.945]))
    assert (mean[0], estimate[0]) == (posterior.draws.noise_share.mean(), fit.noise_share)
    errors = bayesgmm.standard_errors(x, fit, "information")
    figure = plots.plot_posterior(posterior, 0.8, standard_errors=errors)
    share = next(ax for ax in figure.axes if "noise" in ax.get_title())
    interval = [end.noise[0] for end in errors.interval(0.8)]
    assert any(line.get_xdata() == pytest.approx(interval) for line in share.lines)
    places = [float(np.mean(line.get_ydata())) for line in share.lines]
    assert len(set(places)) == 2  # the estimate's below the posterior's
    figure = plots.plot_coclustering(posterior)
    ax, n_noise = figure.axes[0], int(np.sum(fit.predict(x) == -1))
    assert "noise" in [t.get_text() for t in ax.texts]
    last = np.asarray(ax.images[0].get_array())[-n_noise:, -n_noise:]
    assert np.all(last[~np.eye(n_noise, dtype=bool)] < 0.5)  # in no component together
    for drawn in (plots.plot_trace(posterior), plots.plot_rank(posterior)):
        titles = [ax.get_title() for ax in drawn.viz["figure"].item().axes]
        assert "noise_share" in titles


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
def test_notes_and_legends_lie_apart():
    """Of four columns the correlations are left out, and that is said above the legend."""
    x, _ = rows(4)
    fit = bayesgmm.fit(x, 2, "EEE", noise=True, random_seed=0)
    posterior = bayesgmm.refine(
        x, fit, sampler="gibbs", draws=20, random_seed=1, progressbar=False
    )  # fmt: skip
    figure = plots.plot_posterior(posterior)
    assert "EEE+noise" in figure.get_suptitle()
    assert figure.legends[0].get_title().get_text().startswith("Not shown: correlations")
    assert not figure.get_supxlabel()


def test_pictures_of_labelled_fits():
    """Components by their classes' names."""
    x, classes = rows(2)
    names = np.array(["a", "b"])[classes].astype(object)
    known = np.append(np.where(np.arange(120) % 3 == 0, names, None), [None] * 30)
    fit = bayesgmm.fit(x, 2, "EII", noise=True, labels=known, random_seed=0)
    figure = fit.plot.classification(x)
    legend = (figure.legends or [figure.axes[0].get_legend()])[0]
    called = ["a", "b", "noise"]
    assert [t.get_text().split(" ")[0] for t in legend.get_texts()] == called
    handles = fit.plot.responsibilities(x).legends[0].get_texts()
    assert [t.get_text() for t in handles] == called
    assert merge(x, fit).mixture.components == ("a", "b")
    numbers = bayesgmm.fit(x, 2, "EII", labels=np.where(known == "a", 7, -1), random_seed=0)
    ticks = numbers.plot.profiles(x).axes[0].get_xticklabels()
    assert [t.get_text().split("\n")[0] for t in ticks] == ["7", "component 1"]


def tick_labels(ax):
    """The labels of ticks within the panel."""
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if low <= tick.get_loc() <= high and tick.label1.get_visible():
                yield tick.label1


def test_long_names_are_legible():
    """Of classes and columns: no text of a panel lies on another one, or beyond the figure."""
    rng = np.random.default_rng(0)
    x = rng.standard_t(2, (240, 3)) + 9 * np.repeat(np.arange(6), 40)[:, None]
    names = [f"a column with the long name {j}, of a thing" for j in range(3)]
    table = pd.DataFrame(x, columns=names)
    known = np.array([f"class {k}: a long one" for k in range(6)], dtype=object).repeat(40)
    fit = bayesgmm.fit(table, 6, "EII", labels=known, random_seed=0)
    posterior = make_posterior(table, fit, n_draws=20)
    for figure in (
        plots.plot_profiles(table, fit), plots.plot_posterior(posterior),
        plots.plot_label_moves(posterior), plots.plot_check(posterior, random_seed=0),
    ):  # fmt: skip
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        written = [
            text.get_window_extent(canvas.get_renderer())
            for ax in figure.axes
            for text in (*ax.texts, ax.title, ax.yaxis.label, *tick_labels(ax))
            if text.get_text() and ax.axison
        ]
        for i, box in enumerate(written):
            inside = figure.bbox.padded(1).contains
            assert inside(box.x0, box.y0) and inside(box.x1, box.y1)
            shrunk = box.padded(-1.5)
            assert not any(shrunk.overlaps(other.padded(-1.5)) for other in written[:i])
