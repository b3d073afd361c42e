"""The likelihood's Op and distribution: SciPy's numbers, finite differences, hard cases."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm.families import get_family
from bayesgmm.families.parametrisation.parametrisation import parametrisation
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.pymc.likelihood import Covariances, GaussianMixture, MixtureLogLikelihood

FAMILIES = ("EII", "VII", "EEI", "VVI", "EEE", "VVV")
CASES = [("E", 1, 1), ("E", 1, 3), ("V", 1, 2)] + [
    (family, d, k) for family in FAMILIES for d, k in ((2, 1), (2, 3), (3, 2))
]
# Python instead of numba around the same compiled function: seconds less per test.
PYTHON = "FAST_COMPILE"


def make_case(rng, family, d, k, n=40, width=1.0):
    """Data, and values of the model's variables with covariances of their own."""
    form = parametrisation(get_family(family, d), k, d)
    root = rng.standard_normal((d, d)) + 2 * np.eye(d)
    prior = Prior(np.zeros(d), np.eye(d), d + 3.5, width**2 * root @ root.T)
    sizes = {"component": k, "feature": d, "feature_pair": d * (d - 1) // 2}
    draw = {
        "ChiSquared": lambda shape: rng.chisquare(d + 3, shape),
        "Normal": rng.standard_normal,
        "InverseGamma": lambda shape: width**2 / rng.gamma(2.0, 1.0, shape),
    }
    values = {
        v.name: np.asarray(draw[distribution.name](tuple(sizes[dim] for dim in v.dims)))
        for v, distribution in zip(form.variables, form.priors(prior.inverse_wishart), strict=True)
    }
    labels = rng.integers(k, size=n)
    mu = 2.0 * rng.standard_normal((k, d))
    covariances = form.covariances(values, prior.inverse_wishart)
    z = rng.standard_normal((n, d))
    x = mu[labels] + np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[labels], z)
    pi = rng.dirichlet(np.full(k, 3.0))
    return SimpleNamespace(x=x, form=form, prior=prior, pi=pi, mu=mu, values=values)


def covariances_of(case, values):
    """The covariances' variables as arguments of the distribution."""
    form = (case.form.kind, case.form.by_component, case.form.by_feature)
    return Covariances((*values, *case.form.constants(case.prior.inverse_wishart)), form).arguments


def parameters_of(case):
    return [case.pi, case.mu, *case.values.values()]


def compiled(case, weights=None, mode=PYTHON):
    """f(pi, mu, *covariance variables) -> log densities, gradients of their (weighted) sum."""
    variables = [pt.TensorType("float64", v.shape)() for v in parameters_of(case)]
    log_density = log_density_of(case, variables)
    total = log_density.sum() if weights is None else (weights * log_density).sum()
    return pytensor.function(variables, [log_density, *pt.grad(total, variables)], mode=mode)


def log_density_of(case, variables, x=None):
    pi, mu, *values = variables
    rows = pytensor.shared(case.x) if x is None else x
    return pm.logp(GaussianMixture.dist(pi, mu, **covariances_of(case, values)), rows)


def scipy_log_density(case, pi, mu, *values):
    """Log sum_k pi_k N(x | mu_k, Sigma_k), pi as it comes."""
    covariances = case.form.covariances(
        dict(zip(case.form.names, values, strict=True)), case.prior.inverse_wishart
    )
    terms = [
        np.log(p) + multivariate_normal(m, s, allow_singular=True).logpdf(case.x)
        for p, m, s in zip(pi, mu, covariances, strict=True)
    ]
    return logsumexp(terms, axis=0)


def differences(function, arguments):
    """Gradients by central differences of fourth order."""
    gradients = []
    for i, array in enumerate(arguments):
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            h = 1e-3 * max(abs(array[index]), 0.1)
            values = []
            for step in (-2, -1, 1, 2):
                moved = [a.copy() for a in arguments]
                moved[i][index] += step * h
                values.append(function(*moved))
            gradient[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize(("family", "d", "k"), CASES)
def test_log_density_is_scipy_s(rng, family, d, k):
    """Pointwise, to 1e-10: rounding of a few covariances, whose condition is below 1e3 or so."""
    case = make_case(rng, family, d, k)
    result = compiled(case)(*parameters_of(case))[0]
    expected = scipy_log_density(case, *parameters_of(case))
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("weighted", [False, True], ids=["sum", "weighted"])
@pytest.mark.parametrize(("family", "d", "k"), CASES)
def test_gradient_is_that_of_the_density(rng, family, d, k, weighted):
    """Against differences with h = 1e-3 of a value: h^4 times fifth derivatives is 1e-8 or so."""
    case = make_case(rng, family, d, k)
    weights = rng.uniform(-1, 2, len(case.x)) if weighted else None
    function = compiled(case, weights)
    result = function(*parameters_of(case))[1:]
    rows = 1.0 if weights is None else weights
    expected = differences(lambda *values: np.sum(rows * function(*values)[0]), parameters_of(case))
    for got, want in zip(result, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6 * (1 + np.abs(want).max()))


@pytest.mark.parametrize("form", ["sigma", "bartlett"])
def test_numba_and_python_agree(form):
    """The compiled graph calls the same function as `perform`: the same bits, in any layout."""
    rng = np.random.default_rng(5)
    values = op_inputs(rng, form)
    weights = rng.random(len(values[-1]))
    results = []
    for op, inputs in (
        (MixtureLogLikelihood(form), values),
        (MixtureLogLikelihood(form, weighted=True), [*values, weights]),
        (MixtureLogLikelihood(form, in_rows=True), values),
    ):
        for mode in (PYTHON, "NUMBA"):
            # transposed inputs: neither C-contiguous nor owned
            variables = [pt.TensorType("float64", v.shape[::-1])() for v in inputs]
            function = pytensor.function(variables, op(*(v.T for v in variables)), mode=mode)
            results.append(function(*(np.ascontiguousarray(v.T) for v in inputs)))
        for a, b in zip(results[-2], results[-1], strict=True):
            np.testing.assert_array_equal(a, b)


def op_inputs(rng, form, n=40, d=3, k=2):
    """Inputs of the Op, proportions by row."""
    mu = rng.standard_normal((1, k, d))
    nothing = np.empty((0, 0))
    covariance = {
        "sigma": [rng.uniform(0.5, 2.0, (k, d)), nothing, nothing],
        "bartlett": [
            rng.uniform(0.5, 2.0, (k, d)),
            rng.standard_normal((k, d * (d - 1) // 2)),
            np.triu(rng.standard_normal((d, d))) + 4 * np.eye(d),
        ],
    }[form]
    return [rng.dirichlet(np.ones(k), n), mu, *covariance, rng.standard_normal((n, d))]


@pytest.mark.parametrize(
    "scaled",
    [
        lambda v, pi: v.sum(),
        lambda v, pi: -2.5 * v.sum(),
        lambda v, pi: (3.0 * v).mean(),
        lambda v, pi: (v * pi[0]).sum(),
        lambda v, pi: -(v.sum() ** 2),
    ],
    ids=["sum", "scaled", "mean", "symbol", "square"],
)
def test_a_sum_takes_one_pass(scaled):
    """Value and gradient of anything that counts every row the same come from one node."""
    case = make_case(np.random.default_rng(2), "VVV", 2, 2)
    variables = [pt.TensorType("float64", v.shape)() for v in parameters_of(case)]
    total = scaled(log_density_of(case, variables), variables[0])
    function = pytensor.function(variables, [total, *pt.grad(total, variables)], mode=PYTHON)
    ops = [node.op for node in function.maker.fgraph.apply_nodes]
    assert [op.weighted for op in ops if isinstance(op, MixtureLogLikelihood)] == [False]
    value = parameters_of(case)
    expected = differences(lambda *values: function(*values)[0], value)
    np.testing.assert_allclose(
        function(*value)[2], expected[1], rtol=1e-6, atol=1e-6 * np.abs(expected[1]).max()
    )


def test_there_are_no_second_derivatives():
    """A Hessian is refused, not wrong."""
    case = make_case(np.random.default_rng(3), "VII", 2, 2)
    pi = pt.vector()
    total = log_density_of(case, [pi, *parameters_of(case)[1:]]).sum()
    with pytest.raises(NotImplementedError, match="second derivatives"):
        pt.grad(pt.grad(total, pi).sum(), pi)


@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("family", ["VVV", "EEE", "VVI", "EII"])
def test_narrow_components_keep_their_digits(rng, family, width):
    """Components a millionth as wide as the data: what SciPy gets from x - mu, to 1e-8.

    x and mu are given with eps * |x| of rounding, which is eps / width of a component's width.
    """
    case = make_case(rng, family, 2, 3, width=width)
    values = parameters_of(case)
    result = compiled(case)(*values)
    np.testing.assert_allclose(
        result[0], scipy_log_density(case, *values), rtol=1e-8, atol=64 * 2.2e-16 / width
    )
    step = 1e-3 * width
    ahead = [values[0], values[1] + step, *values[2:]]
    behind = [values[0], values[1] - step, *values[2:]]
    slope = (scipy_log_density(case, *ahead).sum() - scipy_log_density(case, *behind).sum()) / (
        2 * step
    )
    # the gradient along (1, ..., 1), whose size is the number of rows over the width
    assert result[2].sum() == pytest.approx(slope, rel=1e-4, abs=1e-4 / width)


def test_offset_and_units_do_not_matter(rng):
    """The same mixture 1e6 away and in units 1e-3 as large has the same density, but for units."""
    case = make_case(rng, "VVV", 2, 2)
    before = compiled(case)(*parameters_of(case))[0]
    unit, offset = 1e-3, 1e6
    case.x = unit * case.x + offset
    case.mu = unit * case.mu + offset
    case.prior = Prior(case.prior.mean, np.eye(2), case.prior.dof, unit**2 * case.prior.scale)
    after = compiled(case)(*parameters_of(case))[0]
    # x carries 1e6 * eps = 1e-10 of rounding, 1e-7 of a component's width
    np.testing.assert_allclose(after, before - 2 * np.log(unit), atol=1e-5)


@pytest.mark.parametrize("family", ["VVV", "VVI"])
@pytest.mark.parametrize("weight", [0.0, 1e-320, 1e-300, 1e-20])
def test_a_vanishing_weight(family, weight):
    """The density is that of the other components; nothing else becomes NaN."""
    case = make_case(np.random.default_rng(4), family, 2, 3)
    pi = np.array([weight, 0.4, 0.6])
    result = compiled(case)(pi, *parameters_of(case)[1:])
    rest = [v[1:] for v in parameters_of(case)[1:]]
    np.testing.assert_allclose(
        result[0], scipy_log_density(case, pi[1:], *rest), rtol=1e-10, atol=1e-9
    )
    assert np.all(np.isfinite(result[1][1:]))
    assert all(np.all(np.isfinite(gradient)) for gradient in result[2:])


NOT_FINITE = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize(
    ("which", "bad"), [(1, v) for v in NOT_FINITE] + [(2, v) for v in (-1.0, 0.0, *NOT_FINITE)]
)
@pytest.mark.parametrize("family", ["VVV", "EEE", "VVI", "EII"])
def test_what_is_no_mixture_has_density_zero(family, which, bad):
    """A mean that is no number, a variance that is not positive: -inf, gradients NaN, no crash."""
    case = make_case(np.random.default_rng(6), family, 2, 2)
    values = [v.copy() for v in parameters_of(case)]
    values[which].flat[0] = bad
    result = compiled(case)(*values)
    assert np.all(result[0] == -np.inf)
    assert all(np.all(np.isnan(gradient)) for gradient in result[1:])


@pytest.mark.parametrize("pi", [[-0.1, 1.1], [np.nan, 0.5], [0.0, 0.0], [np.inf, 0.5]])
def test_weights_that_are_none(pi):
    """Likewise for weights that are negative, no numbers, or all zero."""
    case = make_case(np.random.default_rng(7), "VVI", 2, 2)
    result = compiled(case)(np.array(pi), *parameters_of(case)[1:])
    assert np.all(result[0] == -np.inf)
    assert all(np.all(np.isnan(gradient)) for gradient in result[1:])


def test_values_that_overflow():
    """Far beyond double precision's range: -inf or a number, never NaN or rubbish."""
    case = make_case(np.random.default_rng(8), "VVV", 2, 2)
    function = compiled(case)
    for size in (1e50, 1e155, 1e300):
        for i in (1, 2, 3):
            values = [v.copy() for v in parameters_of(case)]
            values[i] = values[i] * size
            result = function(*values)
            assert not np.any(np.isnan(result[0]))
            if np.any(result[0] == -np.inf):
                assert np.all(result[0] == -np.inf)


def as_distribution(case, n):
    pi, mu, *values = parameters_of(case)
    return GaussianMixture.dist(pi, mu, **covariances_of(case, values), shape=(n, mu.shape[1]))


@pytest.mark.parametrize("mode", [PYTHON, "NUMBA"])
@pytest.mark.parametrize(("family", "d"), [("V", 1), *((family, 3) for family in FAMILIES)])
def test_draws_have_the_mixture_s_moments(family, d, mode):
    """Mean and covariance of 40 000 rows within 5 standard errors, NumPy's draws and compiled."""
    case, n = make_case(np.random.default_rng(9), family, d, 2), 40_000
    function = pytensor.function([], as_distribution(case, n), mode=mode)
    x = function()
    assert x.shape == (n, d)
    covariances = case.form.covariances(case.values, case.prior.inverse_wishart)
    mean = case.pi @ case.mu
    outer = np.einsum("ki,kj->kij", case.mu - mean, case.mu - mean)
    covariance = np.einsum("k,kij->ij", case.pi, covariances + outer)
    deviations = x - mean
    np.testing.assert_array_less(
        np.abs(deviations.mean(axis=0)), 5 * np.sqrt(np.diag(covariance) / n)
    )
    products = deviations[:, :, None] * deviations[:, None, :]
    np.testing.assert_array_less(
        np.abs(products.mean(axis=0) - covariance), 5 * products.std(axis=0) / np.sqrt(n)
    )


def test_density_of_one_row_and_of_rows():
    """`pm.logp` takes the rows (n, d), or one row (d,)."""
    case = make_case(np.random.default_rng(10), "EEE", 2, 2)
    expected = scipy_log_density(case, *parameters_of(case))
    rows = pm.logp(as_distribution(case, len(case.x)), case.x).eval(mode=PYTHON)
    np.testing.assert_allclose(rows, expected, rtol=1e-10)
    one = GaussianMixture.dist(case.pi, case.mu, **covariances_of(case, list(case.values.values())))
    np.testing.assert_allclose(pm.logp(one, case.x[3]).eval(mode=PYTHON), expected[3], rtol=1e-10)
