"""Pictures: everything that should be told is drawn, told apart, and inside the figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.patches import Ellipse

import bayesgmm
from bayesgmm import Mixture, plots
from bayesgmm.families import FAMILIES
from bayesgmm.merging import merge
from bayesgmm.prior import Prior


def mixture(k, d, seed=0):
    """Components of which some overlap."""
    rng = np.random.default_rng(seed)
    roots = np.eye(d) + 0.3 * rng.standard_normal((k, d, d))
    return Mixture(
        rng.dirichlet(np.full(k, 8.0)),
        3 * rng.standard_normal((k, d)),
        roots @ roots.swapaxes(1, 2) + 0.1 * np.eye(d),
    )


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
    assert ("mclust's is its negative" in ax.get_ylabel()) == (criterion != "aic")
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
    caption = "3 cells without an estimate (degenerate component: 2, spurious maximum: 1)"
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
        (legend,) = figure.legends
        assert len(legend.get_texts()) == k
        looks = {(h.get_color(), h.get_marker()) for h in legend.legend_handles}
        assert len(looks) == k
    figure = plots.plot_classification(x, m)
    labels = {label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel())}
    assert len(labels & set(m.names)) == min(d, 5)
    assert ("5 of 8 columns" in texts(figure)) == (d == 8)
    if k > 1:
        assert overflow(plots.plot_merging(merge(m, x))) < 0.02


def test_columns_shown_are_those_that_tell_components_apart():
    """Of eight, the five with the most between over within."""
    means = np.zeros((2, 8))
    means[1, [0, 2, 4, 6, 7]] = 5
    m = Mixture([0.5, 0.5], means, np.tile(np.eye(8), (2, 1, 1)))
    figure = plots.plot_classification(m.sample(100, 0)[0], m)
    assert {ax.get_xlabel() for ax in figure.axes} - {""} == {"x0", "x2", "x4", "x6", "x7"}


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
    merging = merge(m, m.sample(500, 0)[0])
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
        plots.plot_merging(merge(m, m.sample(20, 0)[0]))
    m = mixture(2, 2)
    assert "no elbow" in texts(plots.plot_merging(merge(m, m.sample(20, 0)[0])))


def test_fits_are_drawn_like_mixtures():
    """From data frames, with the fit's own names; a notebook gets a PNG."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0, prior=Prior.from_data(x))
    for figure in (plots.plot_classification(x, fit), plots.plot_uncertainty(x, fit)):
        assert figure.axes[-1].get_xlabel() == "eruptions (min)"
        assert figure._repr_png_().startswith(b"\x89PNG")
    grid = bayesgmm.select(x, [1, 2], ["EEE", "VVV"], n_init=1, random_seed=0, progressbar=False)
    assert "VVV, K = 2" in texts(plots.plot_bic(grid))
    with pytest.raises(TypeError, match="pass a Fit or a Mixture"):
        plots.plot_classification(x, x)
