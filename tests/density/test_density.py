"""The compiled log posterior: SciPy's density, PyMC's, and the same by every way through it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from bayesgmm.data.data import as_data
from bayesgmm.density import compiled
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.density.mode import information, mode_near
from bayesgmm.families import FAMILIES, get_family
from bayesgmm.sampling.compiled.nuts import nuts
from bayesgmm.sampling.pymc.model import build_model
from bayesgmm.sampling.run.settings import Settings
from tests.density_cases import (
    KINDS,
    case,
    differences,
    every_case,
    log_likelihood,
    log_prior,
)

NAMES = ("E", "V", *FAMILIES)


def dims(name):
    return (1,) if len(name) == 1 else (2, 3)


@pytest.mark.parametrize("name", NAMES)
def test_value_is_scipy_s_and_gradient_the_value_s(rng, name):
    """Every d, K and kind of prior.

    To 1e-6 in the value, of hundreds: Jacobians by differences, h = 1e-3. To 1e-6 of the largest
    in the gradient, likewise by differences.
    """
    for _, d, k, kind in (c for c in every_case() if c[0] == name):
        c = case(rng, name, d, k, kind)
        value, gradient = c.posterior(c.u)
        assert value == pytest.approx(log_likelihood(c, c.u) + log_prior(c, c.u), abs=1e-6)
        expected = differences(c.posterior, c.u)
        np.testing.assert_allclose(gradient, expected, atol=1e-6 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_prior_alone(rng, name):
    """Without the likelihood the density is the prior's, and normalised where that is."""
    for d in dims(name):
        for kind in KINDS:
            c = case(rng, name, d, 2, kind, likelihood=False)
            assert c.posterior(c.u)[0] == pytest.approx(log_prior(c, c.u), abs=1e-6)


def pymc_s(c):
    """Value and gradient of the PyMC model at the case's coordinates."""
    model = build_model(c.x, c.fit, c.prior)
    space, at, point = c.posterior.space, 0, {}
    values = space.values(c.u)
    for piece in space.pieces:
        coordinates = c.u[at : at + piece.size].reshape(piece.free_shape)
        at += piece.size
        variable = model.rvs_to_values[model[piece.name]]
        point[variable.name] = values["mu"] if piece.name == "mu" else coordinates
    variables = [model[piece.name] for piece in space.pieces]
    value = model.compile_logp(mode="FAST_COMPILE")(point)
    return float(value), model.compile_dlogp(vars=variables, mode="FAST_COMPILE")(point)


def pymc_kinds(name):
    """The kinds of prior that a model has: not a random scale that is one number."""
    return KINDS[:3] if len(name) == 3 and get_family(name, 2).one_scale else KINDS


#: One case of every second family is quick: every d, K and kind of prior comes up.
QUICK = {
    (name, dims(name)[i % len(dims(name))], 1 + (i + 1) % 3, kinds[i % len(kinds)])
    for i, (name, kinds) in enumerate((name, pymc_kinds(name)) for name in NAMES)
    if i % 2 == 1
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "d", "k", "kind"),
    [
        pytest.param(*c, marks=() if c in QUICK else pytest.mark.slow)
        for c in every_case()
        if c[3] in pymc_kinds(c[0])
    ],
)
def test_pymc_s_model_has_the_same_density(name, d, k, kind):
    """To 1e-6 in value, PyMC's log-gamma; to 1e-10 of the largest in the gradient."""
    rng = np.random.default_rng([NAMES.index(name), d, k, KINDS.index(kind)])
    c = case(rng, name, d, k, kind)
    value, gradient = c.posterior(c.u)
    expected, slope = pymc_s(c)
    assert value == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-10 * np.abs(slope).max())


@pytest.fixture(params=["few rows", "many rows"])
def rows(request, monkeypatch):
    """Features that lie ready, or the pass over rows as they are."""
    if request.param == "many rows":
        monkeypatch.setattr("bayesgmm.kernels.e_step.few_rows._RESIDENT", 0)
    return request.param


@pytest.mark.parametrize("name", ["E", "VVV", "EEI", "VEV"])
def test_both_passes_are_scipy_s(rng, rows, name):
    """Over more rows than a block has, and no multiple of its size."""
    d = dims(name)[-1]
    c = case(rng, name, d, 2, n=1003)
    assert (c.posterior.sizes[compiled.BLOCKS] > 0) == (rows == "few rows")
    value, gradient = c.posterior(c.u)
    assert value == pytest.approx(log_likelihood(c, c.u) + log_prior(c, c.u), rel=1e-9)
    expected = differences(c.posterior, c.u)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["VVV", "VVI"])
def test_rows_in_any_form(rng, rows, name):
    """Strides change nothing; single precision gives what its rows give in double."""
    c = case(rng, name, 3, 2, n=300)
    wide = np.empty((600, 6))
    wide[::2, ::2] = c.x
    strided = as_data(wide[::2, ::2])
    single = as_data(c.x.astype(np.float32))
    double = replace(single, values=c.x.astype(np.float32).astype(np.float64))
    for one, other in ((strided, c.data), (single, double)):
        a, b = (LogPosterior(data, c.form, c.prior)(c.u) for data in (one, other))
        assert a[0] == pytest.approx(b[0], rel=1e-13)
        np.testing.assert_allclose(a[1], b[1], rtol=0, atol=1e-12 * np.abs(b[1]).max())


def test_weights_count_rows(rng, rows):
    """A row of weight 3 is three rows, one of weight 0 none."""
    c = case(rng, "VVV", 2, 2, n=300)
    weights = rng.integers(0, 4, 300).astype(np.float64)
    repeated = replace(c.data, values=np.repeat(c.x, weights.astype(int), axis=0))
    weighted = replace(c.data, weights=weights)
    a, b = (LogPosterior(data, c.form, c.prior)(c.u) for data in (weighted, repeated))
    assert a[0] == pytest.approx(b[0], rel=1e-12)
    np.testing.assert_allclose(a[1], b[1], rtol=0, atol=1e-11 * np.abs(b[1]).max())


@pytest.mark.parametrize("name", ["V", "VVV", "VVI", "EVE"])
@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6])
def test_narrow_components_keep_their_digits(rng, rows, name, width):
    """Widths a millionth of the spread: SciPy's value to what rounding of x and mu leaves.

    They have some eps of it, some eps / width of a component's width, times distances of a few
    widths in each of 40 rows. Slopes along a direction that moves the means by widths.
    """
    c = case(rng, name, dims(name)[-1], 2, width=width)
    assert c.posterior.sizes[compiled.CENTRED] == 0
    value, gradient = c.posterior(c.u)
    rounding = 1e3 * 2.2e-16 / width
    expected = log_likelihood(c, c.u) + log_prior(c, c.u)
    assert value == pytest.approx(expected, abs=1e-6 + rounding)
    # the code for narrow components is there when it has been needed, and not before
    assert width > 1e-3 or c.posterior.sizes[compiled.CENTRED] != 0
    direction = rng.standard_normal(len(c.u)) * c.size
    h = 1e-3
    f = [c.posterior(c.u + i * h * direction)[0] for i in (-2, -1, 1, 2)]
    slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
    size = np.linalg.norm(gradient * c.size)
    assert gradient @ direction == pytest.approx(slope, abs=1e-6 * size + 10 * rounding / h)


@pytest.mark.parametrize("name", ["V", "VVV", "EEI", "VEE"])
@pytest.mark.parametrize(("unit", "offset"), [(1e-6, 0.0), (1.0, 1e8), (1e-6, 1.0), (1e6, 0.0)])
def test_units_and_offsets(rng, rows, name, unit, offset):
    """Units a millionth as large, and 1e8 units away.

    Rows that far have 1e-8 of a unit of rounding, which SciPy's own covariances feel.
    """
    c = case(rng, name, dims(name)[-1], 2, unit=unit, offset=offset)
    value, gradient = c.posterior(c.u)
    rounding = 1e3 * 2.2e-16 * offset / unit
    expected = log_likelihood(c, c.u) + log_prior(c, c.u)
    assert value == pytest.approx(expected, abs=1e-6 + rounding)
    slopes = differences(c.posterior, c.u)
    size = np.abs(slopes * c.size).max()
    np.testing.assert_allclose(gradient * c.size, slopes * c.size, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("name", NAMES)
def test_coordinates_and_back(rng, name):
    """U -> variables -> u, one vector or many; Sigma is of the family, whose mode was the start."""
    for d in dims(name):
        for kind in KINDS:
            c = case(rng, name, d, 3, kind)
            space = c.posterior.space
            assert space.size == len(c.u) == c.posterior.size
            np.testing.assert_allclose(space.free(space.values(c.u)), c.u, rtol=1e-9, atol=1e-9)
            many = space.values(np.broadcast_to(c.u, (2, 5, len(c.u))))
            one = space.values(c.u)
            for variable in one:
                assert many[variable].shape == (2, 5, *one[variable].shape)
                np.testing.assert_allclose(many[variable][1, 3], one[variable], rtol=1e-12)
            if "orientation" in one:
                axes = one["orientation"]
                eye = np.broadcast_to(np.eye(d), axes.shape)
                np.testing.assert_allclose(np.swapaxes(axes, -1, -2) @ axes, eye, atol=1e-12)
                np.testing.assert_allclose(np.linalg.det(axes), 1.0)
            if "shape" in one:
                np.testing.assert_allclose(one["shape"].prod(axis=-1), 1.0)


@pytest.mark.parametrize("name", ["VVV", "VVI", "EVV"])
def test_whitened_is_the_same_density(rng, name):
    """At u = origin + root z, with the gradient of the chain rule."""
    c = case(rng, name, 2, 3)
    size = len(c.u)
    root = np.tril(rng.standard_normal((size, size))) * c.posterior.units()[:, None]
    z = 0.1 * rng.standard_normal(size)
    white = c.posterior.whitened(c.u, root)
    value, gradient = white(z)
    expected, slope = c.posterior(c.u + root @ z)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, root.T @ slope, atol=1e-10 * np.abs(gradient).max())
    assert c.posterior(c.u)[0] == white(np.zeros(size))[0]  # the one it was made of is as it was


def test_threads_do_not_disturb_each_other(rng):
    """Bit for bit what one thread gives, at many points."""
    c = case(rng, "VVE", 3, 3, n=500)
    points = c.u + 0.05 * rng.standard_normal((200, len(c.u)))
    expected = [c.posterior(u) for u in points]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(c.posterior, points))
    for (a, g), (b, h) in zip(got, expected, strict=True):
        assert a == b
        np.testing.assert_array_equal(g, h)


@pytest.mark.parametrize("name", NAMES)
def test_far_off_there_is_no_density(name):
    """Coordinates that overflow give no number, or a very small density, and never a crash."""
    c = case(np.random.default_rng(0), name, dims(name)[-1], 2)
    start = c.posterior(c.u)[0]
    for i in range(len(c.u)):
        for size in (1e3, 1e160, -1e3, -1e160, np.nan, np.inf):
            u = c.u.copy()
            u[i] = size
            value, _ = c.posterior(u)
            # only the axes' heavy-tailed coordinates may be large for little
            assert np.isnan(value) or value < start + 50


@pytest.mark.parametrize("name", NAMES)
def test_the_mode(rng, name):
    """Newton's method ends where the gradient is 0; the root is the curvature's inverse."""
    c = case(rng, name, dims(name)[0], 2, n=300)
    mode = mode_near(c.posterior, c.u)
    value, gradient = c.posterior(mode.origin)
    assert value == mode.log_density >= c.posterior(c.u)[0]
    if not mode.regular:
        pytest.skip("the random mixture's data have no mode of that kind")
    # in standard deviations of the posterior
    np.testing.assert_allclose(mode.root.T @ gradient, 0, atol=1e-3)
    steps = 1e-4 * mode.root.T  # along the columns, which are standard deviations or less
    slopes = np.array([
        c.posterior(mode.origin + h)[1] - c.posterior(mode.origin - h)[1] for h in steps
    ])  # fmt: skip
    np.testing.assert_allclose(-slopes @ mode.root / 2e-4, np.eye(len(steps)), atol=2e-3)


def test_a_mode_that_is_far_is_not_sought(rng):
    """None is the answer where it lies higher than allowed."""
    c = case(rng, "VVV", 2, 1, n=300)
    mode = mode_near(c.posterior, c.u)
    far = mode.origin + 6 * mode.root @ (np.ones(len(c.u)) / np.sqrt(len(c.u)))
    assert mode_near(c.posterior, far, within=5.0) is None
    near = mode_near(c.posterior, mode.origin + 1e-2 * mode.root.sum(axis=1), within=5.0)
    np.testing.assert_allclose(near.origin, mode.origin, rtol=1e-4, atol=1e-4)
    curvature = information(c.posterior, mode.origin)
    np.testing.assert_allclose(curvature, curvature.T)


def test_no_density_at_the_start():
    """Said in words."""
    c = case(np.random.default_rng(0), "VVV", 2, 2)
    with pytest.raises(ValueError, match="no density at the start"):
        mode_near(c.posterior, np.full(len(c.u), np.nan))


def compilations(function):
    """How many functions numba compiles while this runs."""
    from numba.core import event

    with event.install_recorder("numba:compile") as recorder:
        function()
    return sum(e.is_start for _, e in recorder.buffer)


@pytest.mark.parametrize("name", ["VVV", "VEV", "EEI"])
def test_another_model_compiles_nothing(name):
    """Other rows, another K and other families of the same kind of covariances; a fresh prior."""
    rng = np.random.default_rng(0)

    def run(name, k, kind="plain", n=50):
        c = case(rng, name, 2, k, kind, n=n)
        mode = mode_near(c.posterior, c.u)
        nuts(c.posterior, mode, Settings(20, 20, 2, 0, 0.8, 2, False))

    run(name, 2)
    others = {"VVV": ("EEE",), "VEV": ("EVE", "VEI"), "EEI": ("VII", "VVI")}[name]
    assert compilations(lambda: run(name, 2)) == 0
    assert compilations(lambda: run(name, 3, "conjugate", n=77)) == 0
    for other in others:
        assert compilations(partial(run, other, 3, "random concentration")) == 0


class Overflowing:
    """A density with a mode at 3, that is 1e36 where its coordinate is above 50."""

    data = None

    def __call__(self, free):
        if free[0] > 50:
            return 1e36, np.zeros(1)
        # Far from its mode it is convex, and Newton's step twice too long.
        away = free[0] - 3.0
        return -((1 + away**2) ** 0.25), np.array([-0.5 * away * (1 + away**2) ** -0.75])

    def units(self):
        return np.ones(1)


def test_a_density_that_overflows_is_no_higher():
    """From where the curvature is that of no maximum."""
    found = mode_near(Overflowing(), np.array([-400.0]))
    assert found.origin == pytest.approx([3.0], abs=1e-4)
    assert found.regular
