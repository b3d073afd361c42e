"""The PyMC model: density, free variables, starting point, and PyMC's own functions on it."""

from __future__ import annotations

import warnings

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from pymc.logprob.transforms import SimplexTransform
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.families.parametrisation.parametrisation import parametrisation
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.pymc.model import _Simplex, build_model, initial_point
from tests.synthetic import known_fit

FAMILIES = [("E", 1), ("V", 1)] + [
    (name, d) for name in ("EII", "VII", "EEI", "VVI", "EEE", "VVV") for d in (2, 3)
]


def random_prior(rng, d, means="diagonal-B0"):
    root = rng.standard_normal((d, d)) + 2 * np.eye(d)
    other = rng.standard_normal((d, d)) + 2 * np.eye(d)
    spread, strength = {
        "diagonal-B0": (np.exp(rng.standard_normal(d)), None),
        "full-B0": (other @ other.T, None),
        "conjugate": (None, 0.7),
    }[means]
    b0, psi = rng.standard_normal(d), root @ root.T
    return Prior(b0, spread, d + 2.7, psi, concentration=1.7, mean_strength=strength)


def random_covariances(rng, family, d, k):
    """K covariances of the family."""
    root = rng.standard_normal((k, d, d)) + 2 * np.eye(d)
    full = root @ np.swapaxes(root, 1, 2)
    if family.common:
        full[:] = full[0]
    if family.spherical:
        return full[:, :1, :1] * np.eye(d)
    return full * np.eye(d) if family.diagonal else full


def fitted(x, k=2, family="VVV", **arguments):
    return bayesgmm.fit(x, k, family, n_init=2, random_seed=1, **arguments)


@pytest.mark.parametrize(("name", "d"), [*FAMILIES, ("VVV", 6), ("EEE", 6)])
def test_parametrisation_and_its_inverse(rng, name, d):
    """Sigma -> variables -> Sigma, and with chains and draws in front."""
    family, k = get_family(name, d), 3
    form = parametrisation(family, k, d)
    prior = random_prior(rng, d)
    covariances = random_covariances(rng, family, d, k)
    values = form.values_from(covariances, prior.inverse_wishart)
    assert tuple(values) == form.names == tuple(v.name for v in form.variables)
    np.testing.assert_allclose(
        form.covariances(values, prior.inverse_wishart), covariances, rtol=1e-9, atol=1e-11
    )
    stacked = {name: np.broadcast_to(v, (4, 5, *v.shape)) for name, v in values.items()}
    result = form.covariances(stacked, prior.inverse_wishart)
    assert result.shape == (4, 5, k, d, d)
    np.testing.assert_allclose(result[2, 3], covariances, rtol=1e-9, atol=1e-11)


def test_narrow_covariances_come_back(rng):
    """Standard deviations a millionth of what the prior expects, nearly collinear columns."""
    d, k = 3, 2
    form = parametrisation(get_family("VVV", d), k, d)
    prior = random_prior(rng, d)
    scale = np.array([1e-6, 1.0, 1e3])
    covariances = random_covariances(rng, get_family("VVV", d), d, k) * np.outer(scale, scale)
    wishart = prior.inverse_wishart
    back = form.covariances(form.values_from(covariances, wishart), wishart)
    np.testing.assert_allclose(back / np.outer(scale, scale), covariances / np.outer(scale, scale),
                               rtol=1e-4, atol=1e-4)  # fmt: skip


def free_elements(covariances, family):
    """The free elements of the distinct covariances, as `Prior.log_density` counts them."""
    distinct = covariances[:1] if family.common else covariances
    d = distinct.shape[1]
    if family.spherical:
        return distinct[:, 0, 0]
    if family.diagonal:
        return np.diagonal(distinct, axis1=1, axis2=2).ravel()
    i, j = np.tril_indices(d)
    return distinct[:, i, j].ravel()


def log_jacobian(form, values, prior, family):
    """Log |d free elements of Sigma / d variables|, by central differences."""
    flat = np.concatenate([np.ravel(values[name]) for name in form.names])

    def elements(vector):
        parts, at = {}, 0
        for name in form.names:
            size = values[name].size
            parts[name] = vector[at : at + size].reshape(values[name].shape)
            at += size
        return free_elements(form.covariances(parts, prior.inverse_wishart), family)

    h = 1e-5 * np.maximum(np.abs(flat), 0.1)
    columns = [
        (elements(flat + step) - elements(flat - step)) / (2 * step.sum()) for step in np.diag(h)
    ]
    return np.linalg.slogdet(np.array(columns).T)[1]


def prior_density(model, values):
    """Log density of the model's free variables at values of them, without Jacobians."""
    density = model.compile_logp(vars=model.free_RVs, jacobian=False, mode="FAST_COMPILE")
    return float(density(transformed(model, values)))


@pytest.mark.parametrize("means", ["diagonal-B0", "full-B0", "conjugate"])
@pytest.mark.parametrize(("name", "d"), FAMILIES)
def test_the_prior_is_the_library_s(rng, name, d, means):
    """Density of the free variables, moved to (pi, mu, Sigma), is `Prior.log_density`.

    To 1e-6, the accuracy of the Jacobian's differences; the prior of a shared covariance counts
    once, that of a full one is exactly inverse Wishart.
    """
    family, k = get_family(name, d), 2
    prior = random_prior(rng, d, means)
    covariances = random_covariances(rng, family, d, k)
    mixture = bayesgmm.Mixture(rng.dirichlet([2.0, 3.0]), rng.standard_normal((k, d)), covariances)
    x = mixture.sample(30, rng)[0]
    model = build_model(x, known_fit(x, mixture, family), prior)
    form = parametrisation(family, k, d)
    values = form.values_from(covariances, prior.inverse_wishart)
    at = {"pi": mixture.weights, "mu": mixture.means, **values}
    density = prior_density(model, at)
    parameters = Parameters(mixture.weights, mixture.means, covariances)
    if family.diagonal:
        parameters = Parameters(
            mixture.weights, mixture.means, np.diagonal(covariances, axis1=1, axis2=2)
        )
    expected = prior.log_density(parameters, family, np.zeros(d))
    assert density - log_jacobian(form, values, prior, family) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("k", [2, 5])
def test_the_simplex_is_pymc_s_own(rng, k):
    """Our Jacobian of PyMC's transform, by its own formula."""
    z = rng.standard_normal(k - 1)
    ours, theirs = (
        t.log_jac_det(pt.as_tensor(z)).eval(mode="FAST_COMPILE")
        for t in (_Simplex(k), SimplexTransform())
    )
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_names_dims_and_coordinates(x):
    """What a user sees when the model is opened."""
    model = build_model(x, fitted(x))
    assert [v.name for v in model.free_RVs] == ["pi", "mu", "bartlett_chi2", "bartlett_normal"]
    assert model.named_vars_to_dims["mu"] == ("component", "feature")
    assert model.named_vars_to_dims["y"] == ("obs_id", "feature")
    assert list(model.coords["feature"]) == ["eruptions", "waiting"]
    assert list(model.coords["feature_pair"]) == ["waiting, eruptions"]
    assert [v.name for v in model.observed_RVs] == ["y"]
    np.testing.assert_array_equal(model["x"].get_value(), x.to_numpy())


@pytest.mark.parametrize(
    ("family", "shape"), [("EII", ()), ("VII", (2,)), ("EEI", (2,)), ("VVI", (2, 2))]
)
def test_variances_have_the_family_s_shape(x, family, shape):
    """A shared variance has no component axis."""
    model = build_model(x, fitted(x, family=family))
    assert model.eval_rv_shapes()["variance"] == shape


def test_random_hyperparameters_are_variables(x):
    """Named as the prior's own, with starts at their means; no concentration if K = 1."""
    prior = Prior.from_data(x, concentration=Gamma(1, 20), random_scale=True)
    fit = fitted(x)
    model = build_model(x, fit, prior)
    names = [v.name for v in model.free_RVs]
    assert names == ["scale", "concentration", "pi", "mu", "bartlett_chi2", "bartlett_normal"]
    assert model.named_vars_to_dims["scale"] == ("feature",)
    start = initial_point(model, fit, prior)
    assert start["concentration"] == pytest.approx(0.05, rel=1e-5)
    np.testing.assert_allclose(start["scale"], np.diagonal(prior.expected_scale), rtol=1e-5)
    one = build_model(x, fitted(x, 1), prior)
    assert "concentration" not in [v.name for v in one.free_RVs]


def test_prior_by_default_is_the_fit_s_or_the_data_s(x):
    """prior=None: the fit's, else `Prior.from_data`."""
    prior = Prior([0, 0], [1, 1], 5, [1, 2], concentration=3)
    with_prior = build_model(x, fitted(x, prior=prior))
    np.testing.assert_array_equal(with_prior["pi"].owner.inputs[2].eval(), [3, 3])
    without = build_model(x, fitted(x))
    np.testing.assert_array_equal(without["pi"].owner.inputs[2].eval(), [1, 1])
    with pytest.raises(ValueError, match="prior is for 1 columns"):
        build_model(x, fitted(x), Prior.univariate(0, 1, 3, 1))


@pytest.mark.parametrize(("family", "k"), [("VVV", 1), ("VVV", 2), ("EEI", 2), ("VII", 3)])
def test_density_is_likelihood_plus_prior(x, family, k):
    """The joint density at the start, in constrained variables, from the library's own parts."""
    fit = fitted(x, k, family)
    prior = Prior.from_data(x)
    model = build_model(x, fit, prior)
    start = initial_point(model, fit, prior)
    form = parametrisation(fit.family, k, 2)
    mixture = bayesgmm.Mixture(
        start.get("pi", np.ones(1)), start["mu"], form.covariances(start, prior.inverse_wishart)
    )
    point = transformed(model, start)
    total = model.compile_logp(jacobian=False, mode="FAST_COMPILE")(point)
    assert total == pytest.approx(
        prior_density(model, start) + mixture.log_density(x.to_numpy()).sum(), rel=1e-10
    )


def transformed(model, start):
    """The value variables' names and values at a start."""
    point = {}
    for rv in model.free_RVs:
        transform = model.rvs_to_transforms[rv]
        value = start[rv.name]
        if transform is not None:
            value = transform.forward(value, *rv.owner.inputs).eval(mode="FAST_COMPILE")
        point[model.rvs_to_values[rv].name] = value
    return point


@pytest.mark.parametrize("family", ["VVV", "EEE", "VVI", "EII"])
def test_start_is_the_fit_if_it_has_the_prior(x, family):
    """Under the fit's own prior the start is the fit, but for the nudge of 1e-6."""
    fit = fitted(x, family=family, prior=Prior.from_data(x))
    start = initial_point(build_model(x, fit), fit)
    np.testing.assert_allclose(start["pi"], fit.weights, rtol=3e-6)
    np.testing.assert_allclose(start["mu"], fit.means, rtol=3e-6)
    form = parametrisation(fit.family, 2, 2)
    np.testing.assert_allclose(
        form.covariances(start, fit.prior.inverse_wishart), fit.covariances, rtol=1e-4, atol=1e-6
    )
    assert all(np.array_equal(v, w) for v, w in zip(
        start.values(), initial_point(build_model(x, fit), fit).values(), strict=True))  # fmt: skip


def test_start_climbs_to_the_posterior_mode():
    """A likelihood fit far from the prior's taste: the start has nearly the posterior's mode."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((300, 2)) * [1.0, 1e-3]  # nearly one-dimensional groups
    x = np.concatenate([z @ [[1, 1], [-1, 1]], z @ [[1, 2], [-2, 1]] + 8])
    fit = fitted(x)
    prior = Prior.from_data(x)
    model = build_model(x, fit, prior)
    start = initial_point(model, fit, prior)
    form = parametrisation(fit.family, 2, 2)
    at_start = Parameters(start["pi"], start["mu"], form.covariances(start, prior.inverse_wishart))
    at_fit = Parameters(fit.weights, fit.means, fit.covariances)
    best = fitted(x, prior=prior)

    def objective(parameters):
        mixture = bayesgmm.Mixture(parameters.weights, parameters.means, parameters.covariances)
        return mixture.log_density(x).sum() + prior.log_density(parameters, fit.family, np.zeros(2))

    assert objective(at_fit) < best.objective - 1000
    assert objective(at_start) == pytest.approx(best.objective, abs=0.01)
    # the labels are the fit's
    assert np.abs(start["mu"] - fit.means).max() < 1


def test_no_coordinate_of_the_gradient_is_zero():
    """Data and prior of exact symmetry; nutpie refuses a start where one is."""
    x = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])[:, None]
    prior = Prior.univariate(0, 9, 3, 2)
    mixture = bayesgmm.Mixture([0.5, 0.5], [[0.0], [0.0]], [[[4.0]], [[4.0]]])
    fit = known_fit(x, mixture, get_family("V", 1), prior)
    model = build_model(x, fit)
    point = transformed(model, initial_point(model, fit))
    gradient = model.compile_dlogp(mode="FAST_COMPILE")(point)
    assert np.all(gradient != 0)
    exact = transformed(model, {"pi": mixture.weights, "mu": mixture.means,
                                "variance": np.array([4.0, 4.0])})  # fmt: skip
    assert np.any(model.compile_dlogp(mode="FAST_COMPILE")(exact) == 0)


def test_an_emptied_component_has_a_start(x):
    """A weight of 0 in the mixture does not make the start impossible."""
    fit = fitted(x)
    mixture = bayesgmm.Mixture([1.0, 0.0], fit.means, fit.covariances, fit.names)
    empty = known_fit(x, mixture, fit.family, Prior.from_data(x))
    model = build_model(x, empty)
    start = initial_point(model, empty)
    assert np.all(start["pi"] > 0) and start["pi"].sum() == pytest.approx(1)
    assert np.isfinite(model.compile_logp(mode="FAST_COMPILE")(transformed(model, start)))


def draws_at(model, fit, repeats=3):
    """A posterior of copies of the start."""
    start = initial_point(model, fit)
    variables = {
        name: (
            ("chain", "draw", *model.named_vars_to_dims[name]),
            np.broadcast_to(value, (1, repeats, *value.shape)),
        )
        for name, value in start.items()
    }
    coords = {dim: list(v) for dim, v in model.coords.items() if v is not None}
    return start, xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords)})


@pytest.fixture(scope="module")
def opened(x):
    fit = fitted(x)
    return build_model(x, fit), fit


def test_pymc_computes_the_log_likelihood(x, opened):
    """Pointwise, and equal to the mixture's own log density; az.loo takes it."""
    model, fit = opened
    start, tree = draws_at(model, fit)
    tree = pm.compute_log_likelihood(tree, model=model, progressbar=False)
    values = tree["log_likelihood"]["y"]
    assert values.sizes == {"chain": 1, "draw": 3, "obs_id": 272}
    covariances = parametrisation(fit.family, 2, 2).covariances(
        start, Prior.from_data(x).inverse_wishart
    )
    mixture = bayesgmm.Mixture(start["pi"], start["mu"], covariances)
    np.testing.assert_allclose(values[0, 1], mixture.log_density(x.to_numpy()), rtol=1e-10)


def test_pymc_draws_from_the_prior_predictive(x, opened):
    """Shapes, and means within 5 standard errors of the prior's."""
    model, _ = opened
    prior = Prior.from_data(x)
    tree = pm.sample_prior_predictive(400, model=model, random_seed=1)
    assert tree["prior_predictive"]["y"].shape == (1, 400, 272, 2)
    mu = tree["prior"]["mu"].values[0]
    error = np.sqrt(np.diag(prior.mean_covariance) / 400)
    assert np.all(np.abs(mu.mean(axis=0) - prior.mean) < 5 * error)
    y = tree["prior_predictive"]["y"].values[0]
    # rows of one draw share its means: a draw is worth one row
    assert np.all(np.abs(y.mean(axis=(0, 1)) - prior.mean) < 5 * 2 * error)
    form = parametrisation(get_family("VVV", 2), 2, 2)
    sigma = form.covariances(
        {name: tree["prior"][name].values for name in form.names}, prior.inverse_wishart
    )
    mean = prior.scale / (prior.dof - 3)
    deviation = sigma.std(axis=(0, 1, 2)) / np.sqrt(800)
    np.testing.assert_array_less(np.abs(sigma.mean(axis=(0, 1, 2)) - mean), 6 * deviation + 1e-9)


def test_pymc_draws_from_the_posterior_predictive(x, opened):
    """Replicates of the data have the data's mean and covariance, for they are from the fit."""
    model, fit = opened
    _, tree = draws_at(model, fit, repeats=100)
    result = pm.sample_posterior_predictive(tree, model=model, progressbar=False, random_seed=2)
    y = result["posterior_predictive"]["y"].values.reshape(-1, 2)
    assert y.shape == (100 * 272, 2)
    error = x.std().to_numpy() / np.sqrt(len(y))
    assert np.all(np.abs(y.mean(axis=0) - x.mean().to_numpy()) < 5 * error)
    np.testing.assert_allclose(np.cov(y.T), np.cov(x.to_numpy().T), rtol=0.1)


def test_other_rows_can_be_set(x):
    """pm.set_data, with another number of rows."""
    fit = fitted(x)
    model = build_model(x, fit)
    start, tree = draws_at(model, fit)
    new = np.array([[2.0, 55.0], [4.0, 80.0], [3.0, 1e4]])
    with model:
        pm.set_data({"x": new})
        tree = pm.compute_log_likelihood(tree, progressbar=False)
    covariances = parametrisation(fit.family, 2, 2).covariances(
        start, Prior.from_data(x).inverse_wishart
    )
    mixture = bayesgmm.Mixture(start["pi"], start["mu"], covariances)
    np.testing.assert_allclose(
        tree["log_likelihood"]["y"][0, 0], mixture.log_density(new), rtol=1e-9
    )


def test_loo_of_a_posterior(opened):
    """az.loo runs on what compute_log_likelihood made (the numbers are tested in sampling)."""
    model, _ = opened
    prior = pm.sample_prior_predictive(50, model=model, random_seed=3)
    tree = xr.DataTree.from_dict({"posterior": prior["prior"].to_dataset()})
    tree = pm.compute_log_likelihood(tree, model=model, progressbar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # prior draws make poor importance samples
        assert az.loo(tree).n_data_points == 272


def test_an_edited_model(x):
    """A term added by the user is in the density and in its gradient."""
    fit = fitted(x)
    model = build_model(x, fit)
    before = model.compile_logp(mode="FAST_COMPILE")
    with model:
        pm.Potential("tie", -10.0 * (model["mu"][0, 0] - 2.0) ** 2)
    start = initial_point(model, fit)
    point = transformed(model, start)
    after = model.compile_logp(mode="FAST_COMPILE")(point)
    assert after - before(point) == pytest.approx(-10.0 * (start["mu"][0, 0] - 2.0) ** 2)
    gradient = model.compile_dlogp(mode="FAST_COMPILE")(point)
    assert gradient.shape == (1 + 4 + 4 + 2,) and np.all(np.isfinite(gradient))


#: Options of `Prior.from_data` that add to the model's graph.
OPTIONS = [
    {"concentration": Gamma(2, 1)},
    {"random_scale": True},
    {"conjugate": True, "n_components": 2},
]


@pytest.mark.parametrize(
    ("family", "k", "options"),
    [
        *((family, k, {}) for family, k in (("VVV", 2), ("EEE", 3), ("VVI", 2), ("EII", 2))),
        *(("VVV", 2, options) for options in OPTIONS),
        *(pytest.param("EEE", 3, options, marks=pytest.mark.slow) for options in OPTIONS),
        *(pytest.param("VII", 2, options, marks=pytest.mark.slow) for options in OPTIONS),
    ],
    ids=lambda v: next(iter(v), "default") if isinstance(v, dict) else str(v),
)
def test_gradient_of_the_whole_model(x, family, k, options):
    """In PyMC's unconstrained space, compiled as the samplers do, against differences.

    To 1e-5 of the largest: h = 1e-4 leaves h^2 of a third derivative a few times the gradient.
    """
    fit = fitted(x, k, family)
    prior = Prior.from_data(x, **options)
    model = build_model(x, fit, prior)
    function = model.logp_dlogp_function(ravel_inputs=True, mode="NUMBA")
    function.set_extra_values({})
    from pymc.blocking import DictToArrayBijection

    rng = np.random.default_rng(0)
    start = transformed(model, initial_point(model, fit, prior))
    point = DictToArrayBijection.map({v.name: start[v.name] for v in model.value_vars})
    at = point.data + 0.05 * rng.standard_normal(point.data.shape)
    gradient = function(at)[1]
    h = 1e-4
    expected = [
        (function(at + h * e)[0] - function(at - h * e)[0]) / (2 * h) for e in np.eye(len(at))
    ]
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())


def test_full_covariance_of_the_means_prior(x):
    """B0 that is not diagonal: mu's density is SciPy's."""
    fit = fitted(x)
    b0 = np.array([[12.0, 30.0], [30.0, 2800.0]])
    model = build_model(x, fit, Prior([4, 76], b0, 6, [0.7, 170]))
    value = pm.logp(model["mu"], fit.means).eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(value, multivariate_normal([4, 76], b0).logpdf(fit.means))
