"""Priors of covariances: densities by SciPy and by integrals, draws, transforms, in a model."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.integrate import dblquad
from scipy.stats import beta, invwishart

from bayesgmm.pymc import InverseWishart, LKJCholesky, UniformRotation, lkj_covariances

PYTHON = "FAST_COMPILE"


@pytest.mark.parametrize("d", [1, 2, 4])
def test_inverse_wishart_is_scipy_s(rng, d):
    """A batch of three, to 1e-10."""
    nu, root = d + 2.5, rng.standard_normal((d, d))
    psi = root @ root.T + np.eye(d)
    values = invwishart(nu, psi).rvs(3, random_state=rng).reshape(3, d, d)
    result = pm.logp(InverseWishart.dist(nu, psi, shape=(3, d, d)), values).eval(mode=PYTHON)
    expected = [invwishart(nu, psi).logpdf(v) for v in values]
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)


def test_inverse_wishart_draws(rng):
    """Mean Psi / (nu - d - 1) of 20 000, within 5 standard errors."""
    nu, psi = 9.0, np.array([[2.0, 0.5], [0.5, 1.0]])
    drawn = pm.draw(
        InverseWishart.dist(nu, psi, shape=(20_000, 2, 2)), random_seed=rng, mode=PYTHON
    )
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert np.all(np.abs(drawn.mean(axis=0) - psi / 6.0) < 5 * error)


@pytest.mark.parametrize("eta", [0.7, 1.0, 3.0])
def test_lkj_integrates_to_one(eta):
    """One correlation alone is a beta variable on (-1, 1); d = 3 by quadrature of the last row."""
    r = 0.3
    chol = np.array([[1.0, 0.0], [r, np.sqrt(1 - r**2)]])
    result = pm.logp(LKJCholesky.dist(eta, 2, shape=(2, 2)), chol).eval(mode=PYTHON)
    assert result == pytest.approx(beta(eta, eta, loc=-1, scale=2).logpdf(r), rel=1e-10)
    value = pt.matrix(shape=(3, 3))
    density = pytensor.function(
        [value], pt.exp(pm.logp(LKJCholesky.dist(eta, 3, shape=(3, 3)), value)), mode=PYTHON
    )

    def of_last_row(angle, radius):
        a, b = radius * np.cos(angle), radius * np.sin(angle)
        factor = np.zeros((3, 3))
        factor[:2, :2] = chol
        factor[0, 0], factor[2] = 1.0, (a, b, np.sqrt(1 - radius**2))
        return radius * density(factor)

    # of d = 3 every correlation alone is beta(eta + 1/2), whose density is what the integral leaves
    total, _ = dblquad(of_last_row, 0, 1, 0, 2 * np.pi, epsabs=1e-5, epsrel=1e-5)
    assert total == pytest.approx(beta(eta + 0.5, eta + 0.5, loc=-1, scale=2).pdf(r), rel=1e-3)


@pytest.mark.parametrize("d", [2, 4])
def test_lkj_draws(rng, d):
    """Every correlation has variance 1 / (2 eta + d - 1); within 5 standard errors of 20 000."""
    eta = 1.5
    factors = pm.draw(LKJCholesky.dist(eta, d, shape=(20_000, d, d)), random_seed=rng, mode=PYTHON)
    np.testing.assert_allclose((factors**2).sum(axis=-1), 1.0, rtol=1e-12)
    squares = (factors @ np.swapaxes(factors, 1, 2))[:, *np.tril_indices(d, -1)] ** 2
    error = squares.std(axis=0) / np.sqrt(len(squares))
    assert np.all(np.abs(squares.mean(axis=0) - 1 / (2 * eta + d - 1)) < 5 * error)


def test_rotations(rng):
    """Orthogonal with determinant 1; every element has mean 0 and variance 1 / d."""
    drawn = pm.draw(UniformRotation.dist(3, shape=(20_000, 3, 3)), random_seed=rng, mode=PYTHON)
    np.testing.assert_allclose(np.linalg.det(drawn), 1.0, rtol=1e-10)
    for power, expected in ((1, 0.0), (2, 1 / 3)):
        error = (drawn**power).std(axis=0) / np.sqrt(len(drawn))
        assert np.all(np.abs((drawn**power).mean(axis=0) - expected) < 5 * error)


MADE = {
    "wishart": lambda: InverseWishart("v", 6.0, np.eye(3), shape=(2, 3, 3)),
    "lkj": lambda: LKJCholesky("v", 2.0, 3, shape=(2, 3, 3)),
    "rotation": lambda: UniformRotation("v", 3, shape=(2, 3, 3)),
}


@pytest.mark.parametrize("kind", MADE)
def test_free_coordinates(kind):
    """There and back, and the Jacobian by differences of the coordinates that a matrix has."""
    with pm.Model() as model:
        variable = MADE[kind]()
    [value] = model.value_vars
    transform = model.rvs_to_transforms[variable]
    rng = np.random.default_rng(3)
    free = 0.5 * rng.standard_normal((2, 3 if kind != "wishart" else 6))
    parameters = variable.owner.op.dist_params(variable.owner)
    u = pt.matrix(shape=free.shape)
    there = transform.backward(u, *parameters)
    function = pytensor.function(
        [u], [there, transform.forward(there, *parameters), transform.log_jac_det(u, *parameters)],
        mode=PYTHON,
    )  # fmt: skip
    matrices, back, log_det = function(free)
    np.testing.assert_allclose(back, free, rtol=1e-8, atol=1e-10)
    if kind == "rotation":  # whose density is that of a probability
        return
    below = np.tril_indices(3, 0 if kind == "wishart" else -1)
    step, columns = 1e-5, []
    for j in range(free.shape[1]):
        moved = [free.copy(), free.copy()]
        moved[0][:, j] += step
        moved[1][:, j] -= step
        high, low = (function(m)[0][:, *below] for m in moved)
        columns.append((high - low) / (2 * step))
    _, expected = np.linalg.slogdet(np.stack(columns, axis=-1))
    np.testing.assert_allclose(log_det, expected, rtol=1e-6, atol=1e-7)


def test_covariances_by_lkj():
    """One call makes the factors of K covariances, and a model with them has a gradient."""
    with pm.Model() as model:
        sd = pm.Exponential("sd", 1.0, shape=(4, 3))
        chol = lkj_covariances("chol", 2.0, sd)
    assert chol.type.shape == (4, 3, 3)
    drawn_sd, drawn = pm.draw([sd, chol], random_seed=1, mode=PYTHON)
    np.testing.assert_allclose(np.sqrt((drawn**2).sum(axis=-1)), drawn_sd, rtol=1e-12)
    assert np.isfinite(model.compile_dlogp(mode=PYTHON)(model.initial_point())).all()


# Forward draws of a model are compiled by Numba, which calls ours as Python and says so.
@pytest.mark.filterwarnings("ignore:Numba will use object mode")
@pytest.mark.slow
@pytest.mark.parametrize("kind", MADE)
def test_nuts_samples_them(kind):
    """The prior by NUTS has the moments of forward draws, within 5 Monte Carlo errors."""
    with pm.Model():
        variable = MADE[kind]()
        tree = pm.sample(1000, tune=500, chains=2, progressbar=False, random_seed=1)
    forward = pm.draw(variable, 20_000, random_seed=2)
    sampled = tree["posterior"]["v"].to_numpy().reshape(-1, 2, 3, 3)
    for function in (np.asarray, np.square):
        a, b = function(sampled), function(forward)
        error = np.sqrt(a.var(axis=0) / 400 + b.var(axis=0) / len(b))  # 400 effective at least
        assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 5 * error + 1e-9)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("mode", [PYTHON, pytest.param("NUMBA", marks=pytest.mark.slow)])
def test_factors_of_correlations_are_those_of_the_graph(batch, mode):
    """Values, gradients and second derivatives, by PyTensor's own Ops; far out in the tails too."""
    from bayesgmm.sampling.pymc.correlations import CorrelationFactor

    rng = np.random.default_rng(1)
    u = pt.tensor(dtype="float64", shape=(*batch, 6))
    weights = rng.standard_normal((*batch, 4, 4))

    def of(factors, log_jacobian):
        total = (weights * factors**2).sum() + (log_jacobian**2).sum()
        slope = pt.grad(total, u)
        return [factors, log_jacobian, slope, pt.grad((slope**2).sum(), u)]

    op = CorrelationFactor(4)
    function = pytensor.function([u], [*of(*op(u)), *of(*op.graph(u))], mode=mode)
    for size in (0.1, 1.0, 6.0):
        found = function(size * rng.standard_normal((*batch, 6)))
        for a, b in zip(found[:4], found[4:], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * np.abs(b).max())


def test_factors_of_correlations_in_jax():
    """A model with LKJ priors has JAX's log density and gradient equal to Python's."""
    pytest.importorskip("jax")
    with pm.Model() as model:
        sd = pm.Exponential("sd", 1.0, shape=(2, 3))
        lkj_covariances("chol", 2.0, sd)
    at = [np.full(v.shape, 0.3) for v in model.initial_point().values()]
    outputs = [model.logp(), model.dlogp()]
    results = [pytensor.function(model.value_vars, outputs, mode=m)(*at) for m in (PYTHON, "JAX")]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
