"""Pictures: everything that should be told is drawn, told apart, and inside the figure."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.patches import Ellipse

import bayesgmm
from bayesgmm import plots
from bayesgmm.families import FAMILIES
from bayesgmm.mixture.merging import Merging, merge
from bayesgmm.mixture.mixture import Mixture
from bayesgmm.mixture.prior import Prior
from bayesgmm.plots import backends
from bayesgmm.plots.accessors import ACCESSORS
from tests.synthetic import make_posterior, posterior_of, scattered_draws, shuffled


def mixture(k, d, seed=0):
    """Components of which some overlap."""
    rng = np.random.default_rng(seed)
    roots = np.eye(d) + 0.3 * rng.standard_normal((k, d, d))
    return Mixture(
        rng.dirichlet(np.full(k, 8.0)),
        3 * rng.standard_normal((k, d)),
        roots @ roots.swapaxes(1, 2) + 0.1 * np.eye(d),
    )


def test_plots_of_a_place_in_another_figure():
    """One panel is drawn in the axes given, several take their place; the size is the figure's."""
    m, p = mixture(3, 2), posterior(3, 2)
    x = m.sample(60, 0)[0]
    figure, axes = matplotlib.pyplot.subplots(2, 2, figsize=(16, 12))
    one = plots.plot_classification(x, m, ax=axes[0, 0])
    assert one is figure and axes[0, 0].get_title() and axes[0, 0].get_legend()
    several = plots.plot_uncertainty(x, m, ax=axes[0, 1])
    assert several.get_figure(root=True) is figure and len(several.axes) == 2
    assert axes[0, 1] not in figure.axes
    p.plot.density(ax=axes[1, 0])
    p.plot.posterior(ax=figure.add_subfigure(axes[1, 1].get_subplotspec()))
    assert overflow(figure) < 0.02
    small = plots.plot_bic(made_up(["VVV"], [1, 2]), figsize=(3, 2))
    assert small.get_size_inches().tolist() == [3, 2]
    with pytest.raises(ValueError, match="leave one out"):
        plots.plot_uncertainty(x, m, ax=axes[0, 0], figsize=(3, 2))
    with pytest.raises(TypeError, match="pass matplotlib Axes"):
        plots.plot_uncertainty(x, m, ax=3)


def test_figures_are_shown_in_scripts(monkeypatch):
    """In a window of pyplot's, which is gone afterwards."""
    shown = []
    monkeypatch.setattr(
        matplotlib.pyplot,
        "show",
        lambda: shown.append(matplotlib.pyplot.gcf().canvas.manager.canvas.figure),
    )
    m = mixture(2, 2)
    figure = plots.plot_classification(m.sample(20, 0)[0], m)
    figure.show()
    assert shown == [figure] and not matplotlib.pyplot.get_fignums()


@dataclass
class Grid:
    """What a picture reads of a Selection."""

    table: pd.DataFrame


def made_up(names, ks, failures=()):
    """A grid of fits nobody made, with smooth criteria of their own; failures: cell to reason."""
    failures = dict(failures)
    rows = []
    for i, name in enumerate(names):
        for k in ks:
            bic = 1000 - 40 * np.sqrt(k) + 3 * np.sin(i + k) + 8 * k
            values = dict(family=name, K=k, bic=bic, icl=bic + 7 * k, aic=bic - 11 * k)
            values |= dict(loglik=-bic / 2, status="converged", note="")
            if (name, k) in failures:
                values |= dict(bic=np.nan, icl=np.nan, aic=np.nan, loglik=np.nan)
                values |= dict(status="failed", note=failures[name, k])
            rows.append(values)
    return Grid(pd.DataFrame(rows).sort_values("bic", ignore_index=True))


def overflow(figure):
    """By how many inches anything drawn sticks out of the figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    return max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)


def written_over(figure):
    """What is written over a legend of the figure's, or under it."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    legends = [legend.get_window_extent(renderer) for legend in figure.legends]
    return [
        text.get_text()
        for text in figure.texts
        if text.get_text() and any(text.get_window_extent(renderer).overlaps(b) for b in legends)
    ]


def texts(figure):
    """All that is written, in one string."""
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(t.get_text() for t in found)


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic"])
def test_families_are_told_apart(criterion):
    """Fourteen lines, no two alike; the best is ringed and named, the sign stated."""
    selection = made_up(FAMILIES, range(1, 10))
    figure = plots.plot_bic(selection, criterion)
    ax = figure.axes[0]
    lines = [line for line in ax.lines if line.get_label() in FAMILIES]
    looks = {(ln.get_color(), ln.get_marker(), ln.get_linestyle()) for ln in lines}
    assert len(lines) == len(looks) == 14
    for line in lines:
        table = selection.table.set_index(["family", "K"])[criterion]
        np.testing.assert_array_equal(line.get_ydata(), table[line.get_label()].sort_index())
    best = selection.table.sort_values(criterion).iloc[0]
    assert f"{best['family']}, K = {best['K']}" in texts(figure)
    assert f"{criterion.upper()} (lower is better" in ax.get_ylabel()
    assert overflow(figure) < 0.02


def test_failed_cells_show():
    """A gap in the line, a cross each, and the reasons counted."""
    failures = {
        ("VVV", 2): "degenerate component 1: its covariance shrank to a singular one.",
        ("VVV", 3): "degenerate component 0: its covariance shrank to a singular one.",
        ("EEE", 3): "spurious maximum: component 2 holds 2.0 rows, too few.",
    }
    selection = made_up(["EEE", "VVI", "VVV"], range(1, 5), failures)
    figure = plots.plot_bic(selection)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_array_equal(np.isnan(lines["VVV"]), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(lines["VVI"]), False)
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert sorted(round(float(line.get_xdata()[0])) for line in crosses) == [2, 3, 3]
    assert len({tuple(line.get_xydata()[0]) for line in crosses}) == 3
    caption = "3 models without an estimate (degenerate component: 2, spurious maximum: 1)"
    assert caption in texts(figure).replace("\n", " ")
    assert overflow(figure) < 0.02


def test_one_column_and_one_cell():
    """E and V differ too; a single cell is a picture."""
    lines = plots.plot_bic(made_up("EV", [1, 2, 3])).axes[0].lines
    assert lines[0].get_color() != lines[1].get_color()
    assert overflow(plots.plot_bic(made_up(["VVV"], [4]))) < 0.02


def test_no_criterion_no_picture():
    """Unknown criteria, and grids without an estimate, are refused."""
    with pytest.raises(ValueError, match="criterion is 'dic': pass one of bic, icl, aic"):
        plots.plot_bic(made_up(["VVV"], [1]), "dic")
    with pytest.raises(ValueError, match="no cell of the grid has an estimate: degenerate"):
        plots.plot_bic(made_up(["VVV"], [1], {("VVV", 1): "degenerate component 0"}))


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("k", [1, 3, 10, 24])
def test_mixtures_of_every_size_fit_into_their_pictures(k, d):
    """Nothing is cut off; every component has its entry; columns are named or said to be left."""
    m = mixture(k, d)
    x = m.sample(200, 1)[0]
    for figure in (plots.plot_classification(x, m), plots.plot_uncertainty(x, m)):
        assert overflow(figure) < 0.02
        if "every row belongs to it" in texts(figure):  # uncertainty of a single component
            assert k == 1
            continue
        (legend,) = figure.legends
        assert len(legend.get_texts()) == k
        looks = {(h.get_color(), h.get_marker()) for h in legend.legend_handles}
        assert len(looks) == k
    figure = plots.plot_classification(x, m)
    labels = {label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel())}
    projected = k > 1 and d > 4
    assert len(labels & set(m.names)) == (0 if projected else min(d, 5))
    assert ({"direction 1", "direction 2"} <= labels) == projected
    assert ("5 of 8 columns" in texts(figure).replace("\n", " ")) == (d == 8 and k == 1)
    if k > 1:
        assert overflow(plots.plot_merging(merge(x, m))) < 0.02


def test_columns_shown_are_those_that_tell_components_apart():
    """Of eight, those that make the only direction in which they differ; or those asked for."""
    means = np.zeros((2, 8))
    means[1, [0, 7]] = 5
    m = Mixture([0.5, 0.5], means, np.tile(np.eye(8), (2, 1, 1)))
    x = m.sample(100, 0)[0]
    note = texts(plots.plot_classification(x, m))
    assert re.search(r"direction 1: [+-]\d\.\d\d x[07] [+-]\d\.\d\d x[07] [+-]0\.00", note)
    figure = plots.plot_classification(x, m, columns=["x3", 1, "x5"])
    assert {ax.get_xlabel() for ax in figure.axes} - {""} == {"x3", "x1", "x5"}
    with pytest.raises(ValueError, match="a map has one or two"):
        plots.plot_uncertainty(x, m, columns=[0, 1, 2])


def test_ellipses_hold_95_percent():
    """Of their component, in every panel."""
    m = mixture(2, 3)
    figure = plots.plot_classification(m.sample(50, 0)[0], m)
    panels = [ax for ax in figure.axes if ax.patches and isinstance(ax.patches[0], Ellipse)]
    assert len(panels) == 3
    for ax, (i, j) in zip(panels, [(1, 0), (2, 0), (2, 1)], strict=True):
        for k, ellipse in enumerate(ax.patches):
            draws = np.random.default_rng(k).multivariate_normal(
                m.means[k, [j, i]], m.covariances[k][np.ix_([j, i], [j, i])], 20_000
            )
            path = ellipse.get_path().transformed(ellipse.get_patch_transform())
            assert path.contains_points(draws).mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_every_row_is_drawn_and_the_doubtful_larger(d):
    """Points by component, their areas rising with uncertainty."""
    m = mixture(3, d)
    x = m.sample(150, 0)[0]
    uncertainty = 1 - m.predict_proba(x).max(axis=1)
    figure = plots.plot_classification(x, m)
    clouds = [c for ax in figure.axes for c in ax.collections if isinstance(c, PathCollection)]
    sizes = np.concatenate([c.get_sizes() for c in clouds])
    panels = 1 if d == 1 else d * (d - 1) // 2
    assert len(sizes) == 150 * panels
    assert sizes.max() - sizes.min() == pytest.approx(60 * np.ptp(uncertainty), rel=1e-9)


def test_many_rows_are_thinned():
    """Five thousand points of twenty thousand rows, the share of doubtful ones from them all."""
    m = mixture(3, 2)
    x = m.sample(20_000, 0)[0]
    figure = plots.plot_uncertainty(x, m)
    drawn = sum(len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() != "")
    share = np.mean(1 - m.predict_proba(x).max(axis=1) > 0.2)
    assert f"{share:.1%} of the rows lie above" in texts(figure)
    assert drawn <= 5002


def test_uncertainties_are_in_order():
    """The left picture's points are the rows' uncertainties, sorted."""
    m = mixture(4, 2)
    x = m.sample(300, 0)[0]
    lines = plots.plot_uncertainty(x, m).axes[0].lines
    points = np.concatenate([ln.get_xydata() for ln in lines if ln.get_linestyle() == "None"])
    points = points[np.argsort(points[:, 0])]
    np.testing.assert_array_equal(points[:, 1], np.sort(1 - m.predict_proba(x).max(axis=1)))


@pytest.mark.parametrize("against", ["rows", "clusters"])
def test_merging_picture_tells_the_hierarchy(against):
    """Every stage's entropy, the bend, a leaf per component, and no branch through another."""
    m = mixture(7, 2)
    merging = merge(m.sample(500, 0)[0], m)
    figure = plots.plot_merging(merging, against)
    left, right = figure.axes
    (points,) = [ln for ln in left.lines if ln.get_marker() == "o" and len(ln.get_xdata()) > 1]
    assert points.get_ydata().tolist() == list(merging.entropies[::-1])
    assert points.get_xdata().tolist() == list(merging.elbow(against).x)
    suggested = merging.suggest(against)
    assert f"elbow at {suggested} clusters" in texts(figure)
    assert sorted(int(t.get_text()) for t in right.get_xticklabels()) == list(range(7))
    order = [int(t.get_text()) for t in right.get_xticklabels()]
    for c in range(1, 8):  # a cluster's leaves lie side by side
        for cluster in merging.clusters(c):
            places = sorted(order.index(leaf) for leaf in cluster)
            assert places == list(range(places[0], places[0] + len(places)))
    branches = [ln for ln in right.lines if len(ln.get_xdata()) == 4]
    crossed = sum(
        min(y[0], y[1]) < suggested - 0.5 < max(y[0], y[1])
        for y in ((b.get_ydata()[i], b.get_ydata()[i + 1]) for b in branches for i in (0, 2))
    )
    assert crossed == suggested


def test_nothing_to_merge():
    """One component is refused; two have no elbow."""
    m = mixture(1, 2)
    with pytest.raises(ValueError, match="nothing to merge"):
        plots.plot_merging(merge(m.sample(20, 0)[0], m))
    m = mixture(2, 2)
    assert "no elbow" in texts(plots.plot_merging(merge(m.sample(20, 0)[0], m)))


def test_fits_are_drawn_like_mixtures():
    """From data frames, with the fit's own names; a notebook gets a PNG."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0, prior=Prior.from_data(x))
    for figure in (plots.plot_classification(x, fit), plots.plot_uncertainty(x, fit)):
        assert figure.axes[-1].get_xlabel() == "eruptions (min)"
        assert figure._repr_png_().startswith(b"\x89PNG")
    grid = bayesgmm.select(x, [1, 2], ["EEE", "VVV"], n_init=1, random_seed=0, progressbar=False)
    assert "VVV, K = 2" in texts(plots.plot_bic(grid))
    with pytest.raises(TypeError, match="pass a Fit, a Mixture"):
        plots.plot_classification(x, x)


@cache
def posterior(k, d, family="VVV"):
    """A made-up posterior of a fit, whose components overlap a little."""
    x = mixture(k, d).sample(60 * k, 1)[0]
    fit = bayesgmm.fit(x, k, "V" if d == 1 else family, n_init=2, random_seed=0)
    return make_posterior(x, fit, n_draws=60)


#: What keeps the drawing short.
SHORT = {"coclustering": {"rows": 60}, "check": {"n_draws": 20, "random_seed": 0}}
#: Our own pictures of a fit and of a posterior, ArviZ's apart.
OURS = [
    (kind, name)
    for kind in (plots.FitPlots, plots.PosteriorPlots)
    for name, method in vars(kind).items()
    if not name.startswith("_") and method.__annotations__["return"] == "Figure"
]


def says_what_it_shows(ax, figure):
    """By a label or title of its own, or by the label at the end of its column of a grid."""
    place = ax.get_subplotspec()
    below = [
        other.get_xlabel()
        for other in figure.axes
        if place and other.get_subplotspec() and other.get_subplotspec().colspan == place.colspan
    ]
    return ax.get_xlabel() or ax.get_ylabel() or ax.get_title() or any(below)


@pytest.mark.parametrize("d", [1, 2, 4, 10])
@pytest.mark.parametrize("k", [1, 3, 12])
@pytest.mark.parametrize(("kind", "name"), OURS)
def test_every_picture_is_titled_labelled_and_whole(kind, name, k, d):
    """From 1 to 12 components in 1 to 10 columns."""
    p = posterior(k, d, "EEE" if d == 10 else "VVI")
    shown = p.fit if kind is plots.FitPlots else p
    rows = inspect.signature(getattr(kind, name)).parameters.get("X")
    needed = {"X": p.data} if rows and rows.default is inspect.Parameter.empty else {}
    figure = getattr(shown.plot, name)(**needed, **SHORT.get(name, {}))
    assert overflow(figure) < 0.02
    assert not written_over(figure)
    titles = [ax.get_title() for ax in figure.axes] + [figure.get_suptitle()]
    assert any(titles)
    for ax in figure.axes:
        assert says_what_it_shows(ax, figure) or not ax.axison


@pytest.mark.parametrize("d", [1, 2, 10])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("name", ["trace", "rank", "energy", "predictive"])
def test_arviz_pictures_are_its_collections(name, k, d):
    """As many panels as there are things to show, at most 24; of any backend."""
    p = posterior(k, d, "EEE" if d == 10 else "VVI")
    collection = getattr(p.plot, name)(backend="none")
    assert type(collection).__name__ == "PlotCollection"
    if name != "energy":  # ArviZ's own two panels
        columns = {"predictive": min(d, 8)}.get(name, min(d, (24 - k * (k > 1)) // k))
        expected = columns if name == "predictive" else k * columns + k * (k > 1)
        drawn = collection.viz["plot"]
        arrays = drawn.data_vars.values() if hasattr(drawn, "data_vars") else [drawn]
        assert sum(a.size for a in arrays) == expected <= 24


def test_arviz_pictures_take_its_options():
    """Variables, coordinates and visuals go through."""
    p = posterior(3, 2)
    collection = p.plot.trace("mu", coords={"feature": "x1"}, backend="none")
    assert list(collection.data.data_vars) == ["mu"]
    assert collection.data["feature"].to_numpy().tolist() == "x1"
    figure = p.plot.rank(backend="matplotlib").viz["figure"].item()
    assert overflow(figure) < 0.02
    assert "mu[0, x1]" in texts(figure)
    lines = [ln.get_color() for ax in figure.axes for ln in ax.lines]
    assert set(plots.style.COLOURS[:4]) <= set(lines)


@pytest.mark.parametrize("backend", ["bokeh", "plotly"])
@pytest.mark.parametrize("name", ["trace", "rank", "energy", "predictive"])
def test_arviz_pictures_by_other_backends(name, backend, tmp_path):
    """Drawn and written without a warning, where the backend is installed."""
    for library in backends.LIBRARIES[backend]:
        pytest.importorskip(library)
    collection = getattr(posterior(3, 2).plot, name)(backend=backend)
    collection.savefig(tmp_path / "picture.html")
    assert (tmp_path / "picture.html").stat().st_size > 5_000


@pytest.mark.parametrize("name", ["trace", "rank", "energy", "predictive"])
def test_a_backend_that_is_not_there(name, monkeypatch):
    """What to install, or which names there are."""
    draw = getattr(posterior(2, 1).plot, name)
    for backend, libraries in (("bokeh", "bokeh"), ("plotly", "plotly and webcolors")):
        for library in libraries.split(" and "):
            monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(
            ModuleNotFoundError, match=rf"needs {libraries}: pip install 'arviz-plots\[{backend}\]'"
        ):
            draw(backend=backend)
    with pytest.raises(ValueError, match="backend is 'bokhe': choose one of 'matplotlib', 'bokeh'"):
        draw(backend="bokhe")


def test_energy_is_of_samplers_that_have_one():
    """Others are refused, by name."""
    p = posterior(2, 2)
    tree = p.tree.copy()
    tree["sample_stats"] = xr.DataTree(tree["sample_stats"].to_dataset().drop_vars("energy"))
    with pytest.raises(ValueError, match="'synthetic' has no energy"):
        type(p)(tree, p.fit, p.prior).plot.energy()


def test_convergence_is_the_history():
    """Objective as it is, and what was still to gain; the end in the title."""
    x = mixture(3, 2).sample(300, 1)[0]
    fit = bayesgmm.fit(x, 3, n_init=1, random_seed=3)
    left, right = fit.plot.convergence().axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), fit.history)
    gain = fit.history[-1] - np.array(fit.history)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), gain[gain > 0])
    assert right.get_yscale() == "log" and f"{fit.loglik:.3f}" in left.get_title()
    by_map = bayesgmm.fit(x, 2, n_init=1, random_seed=3, prior=Prior.from_data(x))
    assert by_map.plot.convergence().axes[0].get_ylabel() == "log posterior density"


@pytest.mark.parametrize("k", [2, 10])
def test_responsibilities_fill_the_picture(k):
    """The areas of the components are the sums of their responsibilities; hatches differ."""
    p = posterior(k, 2)
    resp = p.fit.predict_proba(p.data)
    ax = p.fit.plot.responsibilities(p.data).axes[0]
    assert len(ax.collections) == k
    for c, fill in enumerate(ax.collections):
        x, y = fill.get_paths()[0].vertices.T
        area = abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2  # shoelace
        assert area / 100 == pytest.approx(resp[:, c].mean(), abs=1e-9)
    looks = {(tuple(f.get_facecolor()[0]), f.get_hatch()) for f in ax.collections}
    assert len(looks) == k


def test_responsibilities_need_rows():
    """Only a posterior has its own."""
    with pytest.raises(TypeError, match="X is None"):
        plots.plot_responsibilities(None, posterior(2, 2).fit)


@pytest.mark.parametrize("seed", range(3))
def test_contours_hold_what_they_say(seed):
    """Draws of the mixture fall into the regions with the stated probabilities."""
    m = mixture(3, 2, seed)
    x = m.sample(100, 0)[0]
    ax = plots.plot_density(x, m).axes[0]
    fills = next(c for c in ax.collections if hasattr(c, "levels"))
    new = m.sample(40_000, seed)[0]
    density = np.exp(m.log_density(new))
    shares = [np.mean(density > level) for level in fills.levels[:-1]]
    # The mesh leaves out some tenths of a percent; 4 standard errors are 0.01.
    assert shares == pytest.approx([0.95, 0.75, 0.5, 0.25], abs=0.02)


def test_density_band_is_the_posteriors():
    """The band's ends at the grid, against the posterior's own; in the columns asked for."""
    p = posterior(3, 2)
    figure = p.plot.density(columns="x1", ci_prob=0.5, units={"x1": "mm"})
    assert figure.axes[0].get_xlabel() == "x1 (mm)"
    (band,) = [c for c in figure.axes[0].collections if c.get_label().startswith("posterior")]
    vertices = band.get_paths()[0].vertices
    grid = np.unique(vertices[:, 0])
    own = p.density({"x1": grid}, ci_prob=0.5, n_draws=500)
    assert vertices[:, 1].max() == pytest.approx(float(own["upper"].max()), rel=1e-9)
    with pytest.raises(ValueError, match="a column twice"):
        p.plot.density(columns=["x0", "x1", "x0"])


def bars(ax, colour):
    """Ends of the intervals of a colour, from above."""
    lines = [ln for ln in ax.lines if ln.get_color() == colour and len(ln.get_xdata()) == 2]
    return np.array([ln.get_xdata() for ln in lines])


@pytest.mark.parametrize("family", ["VVV", "VVI", "EEE"])
def test_posterior_intervals_beside_those_of_em(family):
    """Both intervals and both estimates, of pi, mu and Sigma, where the family lets them vary."""
    p = posterior(2, 2, family)
    se = bayesgmm.standard_errors(p.data, p.fit, "information")
    figure = p.plot.posterior(0.5, standard_errors=se, units={"x0": "mm", "x1": "kg/m"})
    titles = [ax.get_title().replace("\n", " ") for ax in figure.axes if ax.axison]
    correlation = [] if family == "VVI" else ["corr: x0, x1"]
    assert titles == ["pi, proportion", "mu: x0 (mm)", "mu: x1 (kg/m)", "sd: x0 (mm)",
                      "sd: x1 (kg/m)", *correlation]  # fmt: skip
    low, high = se.interval(0.5)
    panels = {t: ax for t, ax in zip(titles, figure.axes, strict=False)}
    for title, of_em, drawn in [
        ("mu: x1 (kg/m)", (low.means[:, 1], high.means[:, 1]), p.tree["posterior"]["mu"][..., 1]),
        ("sd: x1 (kg/m)", (low.covariances[:, 1, 1] ** 0.5, high.covariances[:, 1, 1] ** 0.5),
         p.tree["posterior"]["Sigma"][..., 1, 1] ** 0.5),
    ]:  # fmt: skip
        np.testing.assert_allclose(bars(panels[title], "black"), np.column_stack(of_em))
        quantiles = drawn.quantile([0.25, 0.75], ("chain", "draw")).to_numpy().T
        for k in range(2):
            np.testing.assert_allclose(bars(panels[title], plots.colour(k))[0], quantiles[k])
    assert "50% interval (information)" in texts(figure)


def test_posterior_refuses_errors_of_another_fit():
    """Of another number of components."""
    other = posterior(3, 2)
    se = bayesgmm.standard_errors(other.data, other.fit, "information")
    with pytest.raises(ValueError, match="are of 3 components in x0, x1, the posterior of 2"):
        posterior(2, 2).plot.posterior(standard_errors=se)


def test_label_moves_undo_the_relabelling():
    """The upper picture has the means under the labels that the sampler gave."""
    x = mixture(3, 2).sample(200, 1)[0]
    fit = bayesgmm.fit(x, 3, n_init=2, random_seed=0)
    sampled, _ = shuffled(scattered_draws(fit, 2, 50, 0), 1)
    p = posterior_of(x, fit, sampled).relabel("ecr")
    assert p.relabelled_draws > 50
    figure = p.plot.label_moves("x1")
    top, strip, bottom = figure.axes
    for k in range(3):
        given = sampled["mu"].to_numpy()[:, :, k, 1].ravel()
        np.testing.assert_allclose(top.lines[k].get_ydata(), given)
        np.testing.assert_allclose(bottom.lines[k].get_ydata(), p.draws.means[:, k, 1])
    became = np.asarray(strip.images[0].get_array())
    for s in range(100):
        for k in range(3):
            assert p.draws.means[s, became[k, s], 1] == top.lines[k].get_ydata()[s]
    assert f"{p.relabelled_draws} of 100 draws relabelled (ecr)" in texts(figure)
    with pytest.raises(ValueError, match="column is 'x7'"):
        p.plot.label_moves("x7")


def test_coclustering_map_is_the_matrix_in_order():
    """Sorted by component, from certain to doubtful."""
    p = posterior(3, 2)
    figure = p.plot.coclustering(n_draws=40)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    resp = p.fit.predict_proba(p.data)
    order = sorted(range(p.data.n), key=lambda i: (resp[i].argmax(), -resp[i].max()))
    own = p.coclustering(n_draws=40).to_numpy()
    np.testing.assert_allclose(shown, own[np.ix_(order, order)])
    assert "50 of 180 rows" in texts(p.plot.coclustering(rows=50))


@dataclass
class Numbers:
    """What a picture reads of a ComponentsPosterior."""

    table: pd.DataFrame


@pytest.mark.parametrize("most", [1, 3, 40])
def test_components_are_bars_beside_their_prior(most):
    """Bars as high as the posterior, as far as a hundredth of it is left."""
    p = np.linspace(2, 1, most) / np.linspace(2, 1, most).sum()
    names = [f"{kind}_{of}" for kind in ("K", "filled") for of in ("prior", "posterior", "mcse")]
    columns = [p[::-1], p, 0.01 * p, p, p[::-1], 0.01 * p]
    table = pd.DataFrame(dict(zip(names, columns, strict=True)), index=np.arange(1, most + 1))
    figure = plots.plot_components(Numbers(table))
    assert overflow(figure) <= 0
    for ax, name in zip(figure.axes, ("K", "filled"), strict=True):
        heights = [bar.get_height() for bar in ax.patches]
        tail = np.cumsum(table[f"{name}_posterior"].to_numpy()[::-1])[::-1]
        assert heights == table[f"{name}_posterior"].tolist()[: max(np.sum(tail > 0.01), 1)]
        assert ax.lines[0].get_ydata().tolist() == table[f"{name}_prior"].tolist()[: len(heights)]


def test_check_counts_and_names_what_is_outside():
    """Dots inside and outside as the table has them."""
    p = posterior(3, 2)
    table = p.predictive_check(["mean", "sd"], n_draws=40, random_seed=2)
    figure = p.plot.check(["mean", "sd"], n_draws=40, random_seed=2)
    z = (table["observed"] - table["mean"]) / table["sd"]
    outside = (table["observed"] < table["lower"]) | (table["observed"] > table["upper"])
    dots = np.concatenate([ln.get_xdata() for ln in figure.axes[0].lines if ln.get_marker() == "o"])
    np.testing.assert_allclose(np.sort(dots), np.sort(z[~outside]))
    inside = int(np.sum(~outside))
    assert f"{inside} of 4 statistics within their 89% interval" in texts(figure)


def test_check_names_what_is_outside():
    """A statistic that new data never have is edged and named, at the edge if it is far."""
    p = posterior(3, 2)
    rows = p.data.values
    far = {"is it these rows": lambda x: 1e3 * np.array_equal(x, rows) + x.mean(axis=0)}
    figure = p.plot.check(far, n_draws=20, random_seed=0)
    edged = [ln for ln in figure.axes[0].lines if ln.get_marker() == "D"]
    assert np.concatenate([ln.get_xdata() for ln in edged]).tolist() == [6, 6]
    assert "x0 (" in texts(figure) and "0 of 2 statistics within" in texts(figure)


SHOWN = {
    bayesgmm.Fit: plots.FitPlots,
    bayesgmm.Selection: plots.SelectionPlots,
    bayesgmm.Posterior: plots.PosteriorPlots,
    bayesgmm.ComponentsPosterior: plots.ComponentsPlots,
    Merging: plots.MergingPlots,
}
METHODS = [(kind, name) for kind in SHOWN.values() for name in dir(kind) if name[0] != "_"]


def test_every_function_is_in_the_plot_of_what_it_shows():
    """None is missing, and of a class `plot` is the class of its pictures."""
    functions = {name for name in plots.__all__ if name.startswith("plot_")}
    assert functions == {f"plot_{name}" for _, name in METHODS}
    assert set(ACCESSORS.values()) == set(SHOWN.values())
    for shown, kind in SHOWN.items():
        assert shown.plot is kind
        assert not [name for name in dir(shown) if name.startswith("plot_")]


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_methods_have_the_parameters_of_their_functions(kind, name):
    """The same names and defaults, but for the result itself; and words of their own."""
    method = getattr(kind, name)
    assert f"plots.plot_{name}" in method.__doc__
    function = inspect.signature(getattr(plots, f"plot_{name}")).parameters
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        same = function[parameter.name]
        assert parameter.kind == same.kind
        if (kind, name, parameter.name) != (plots.PosteriorPlots, "responsibilities", "X"):
            assert parameter.default == same.default


def test_plot_leaves_results_as_they_are():
    """It is no part of a copy, a pickle or a comparison of fields; derived classes have it."""
    fit = bayesgmm.fit(mixture(2, 2).sample(50, 0)[0], 2, n_init=2, random_seed=0)
    before = dict(vars(fit))
    assert "convergence" in dir(fit.plot) and "convergence" in repr(fit.plot)
    assert vars(fit) == before and "plot" not in {f.name for f in dataclasses.fields(fit)}
    for copied in (copy.deepcopy(fit), pickle.loads(pickle.dumps(fit))):
        assert texts(copied.plot.convergence()) == texts(fit.plot.convergence())

    class Derived(bayesgmm.Fit):
        """A user's own."""

    derived = Derived(**{f.name: getattr(fit, f.name) for f in dataclasses.fields(fit)})
    assert texts(derived.plot.convergence()) == texts(fit.plot.convergence())


def test_plot_loads_its_pictures_when_asked():
    """After `import bayesgmm` alone, and not before."""
    code = """
import sys, bayesgmm
fit = bayesgmm.fit([[0.], [1.], [3.], [7.], [8.]], 1)
print("bayesgmm.plots" in sys.modules)
print(type(fit.plot.convergence()).__name__, bayesgmm.plots.__name__)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "Figure", "bayesgmm.plots"]


def test_methods_draw_what_the_functions_do():
    """A grid's and a merging's; the others are drawn above."""
    x = bayesgmm.datasets.load_faithful()
    grid = bayesgmm.select(x, [1, 2], ["EEE"], n_init=1, random_seed=0, progressbar=False)
    assert texts(grid.plot.bic("icl")) == texts(plots.plot_bic(grid, "icl"))
    merging = merge(x, bayesgmm.fit(x, 3, random_seed=0))
    assert texts(merging.plot.merging()) == texts(plots.plot_merging(merging))


def test_units_come_with_the_data_or_are_given():
    """Those of a frame's attrs, others, none."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    assert fit.plot.classification(x).axes[0].get_xlabel() == "eruptions (min)"
    given = fit.plot.classification(x, units={"eruptions": "60 s"}).axes[0]
    assert (given.get_xlabel(), given.get_ylabel()) == ("eruptions (60 s)", "waiting")
    assert fit.plot.density(x.to_numpy()).axes[0].get_xlabel() == "eruptions"


def test_a_posterior_keeps_the_units_of_its_rows(tmp_path):
    """Those of the frame that was refined, through a file; others that are given come first."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    options = {"sampler": "laplace", "draws": 500, "random_seed": 1, "progressbar": False}
    bayesgmm.refine(x, fit, **options).save(tmp_path / "p.nc")
    posterior = bayesgmm.Posterior.load(tmp_path / "p.nc")
    titles = {ax.get_title() for ax in posterior.plot.posterior().axes}
    assert {"mu: waiting (min)", "sd: eruptions (min)", "corr: eruptions, waiting"} <= titles
    assert posterior.plot.label_moves("waiting").axes[0].get_ylabel() == "mu: waiting (min)"
    assert posterior.plot.density().axes[0].get_xlabel() == "eruptions (min)"
    drawn = posterior.plot.predictive(random_seed=1, backend="matplotlib").viz["figure"].item()
    assert [ax.get_title() for ax in drawn.axes] == ["eruptions (min)", "waiting (min)"]
    given = posterior.plot.label_moves("waiting", units={"waiting": "60 s"})
    assert given.axes[0].get_ylabel() == "mu: waiting (60 s)"
    bare = bayesgmm.refine(x.to_numpy(), bayesgmm.fit(x.to_numpy(), 2, random_seed=0), **options)
    assert "mu: x1" in {ax.get_title() for ax in bare.plot.posterior().axes}


BAD = [
    (name, argument, value)
    for name, arguments in {
        "plot_density": ("ci_prob", "columns", "units"),
        "plot_responsibilities": ("ci_prob",),
        "plot_posterior": ("ci_prob", "units"),
        "plot_check": ("ci_prob", "random_seed", "n_draws"),
        "plot_predictive": ("random_seed", "n_draws"),
        "plot_coclustering": ("random_seed", "rows", "n_draws"),
    }.items()
    for argument in arguments
    for value in {
        "ci_prob": (None, "a", 0, 1, -1, np.nan, True),
        "random_seed": ("a", -1, 1.5, np.random.RandomState(0)),
        "n_draws": (0, "a", 2.5),
        "rows": ("a", -1),
        "columns": ("zz", 99, 1.5),
        "units": (3, "a"),
    }[argument]
]


@pytest.mark.parametrize(("name", "argument", "value"), BAD)
def test_arguments_are_checked_at_the_door(name, argument, value):
    """Also those that this picture has no use for."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, start="hc")
    of_fit = name in ("plot_density", "plot_responsibilities")
    what = (x, fit) if of_fit else (make_posterior(x, fit),)
    with pytest.raises((ValueError, TypeError), match=f"{argument} is|no column"):
        getattr(plots, name)(*what, **{argument: value})


def test_a_density_of_three_columns_is_none():
    x = bayesgmm.datasets.load_iris().select_dtypes("number")
    with pytest.raises(ValueError, match="a density has one or two"):
        plots.plot_density(x, bayesgmm.fit(x, 2, "EII", start="hc"), columns=[0, 1, 2])


@pytest.mark.parametrize("gap", [6.0, 100.0, 1e4, 1e5])
@pytest.mark.parametrize("form", ["VVV", "VVI"])
def test_regions_of_components_far_apart_hold_what_they_say(gap, form):
    """However far the components are apart: of new rows, that share has a higher density."""
    from bayesgmm.plots import density

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)) @ [[1, 0.3], [0, 1]] + gap * (rng.random((400, 1)) < 0.3)
    fit = bayesgmm.fit(x, 2, form, start=(x[:, 0] > gap / 2).astype(int))
    FigureCanvasAgg(plots.plot_density(x, fit)).draw()
    FigureCanvasAgg(plots.plot_density(x, fit, make_posterior(x, fit))).draw()
    axes = [density._reach(x[:, j], fit.mixture, j, 120) for j in range(2)]
    on_mesh = density._on_mesh(fit.mixture, axes)
    new = np.exp(fit.score_samples(fit.sample(20_000, random_seed=1)[0]))
    for share in density._SHARES:
        inside = np.mean(new >= density._level(on_mesh, share, axes))
        assert inside == pytest.approx(share, abs=0.03)
