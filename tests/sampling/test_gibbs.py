"""Gibbs sampling: its joint distribution with data, NUTS's posterior, and what NUTS cannot do."""

from __future__ import annotations

import _thread
import signal
import warnings
from itertools import count

import numpy as np
import pytest
from arviz_stats.base import array_stats

import bayesgmm
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.families import FAMILIES
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.compiled import gibbs as engine
from bayesgmm.sampling.problem import PosteriorProblem
from bayesgmm.utils.errors import ConvergenceAdvice
from benchmarks.posterior import overlapping
from tests.density_cases import KINDS, KNOWN, LKJ_KINDS, case
from tests.faithful import PRIOR, short_first
from tests.metropolis import Metropolis
from tests.sampling.test_direct import refined

#: Families whose variables are independent under the prior, then the others.
SHAPED = [name for name in FAMILIES if name not in KNOWN]
NAMES = [*KNOWN, *SHAPED]
#: Geweke's test of every family and kind of prior, of which some are quick.
GEWEKE = [
    pytest.param(name, d, kind, marks=[] if quick else pytest.mark.slow)
    for i, name in enumerate(NAMES)
    for d in ((1,) if len(name) == 1 else (2, 3))
    for j, kind in enumerate(KINDS)
    for quick in (
        (d < 3 and j in (i % 4, (i + 1) % 4))
        if name in KNOWN
        else (name, d, kind) in (("VEI", 2, "random scale"), ("EVV", 2, "plain")),
    )
]
GEWEKE += [
    pytest.param(name, d, kind, marks=[] if quick == (name, kind) and d < 3 else pytest.mark.slow)
    for name in ("V", "EEI", "VVI", "EEE", "VVV")
    for d in ((1,) if len(name) == 1 else (2, 3))
    for kind, quick in zip(LKJ_KINDS, (("VVV", "half-t"), ("EEE", "inverse gamma")), strict=True)
    if (name, d, kind) != ("EEE", 3, "half-t")  # all too often too narrow for double precision
]
#: Kinds of prior for Old Faithful.
PRIORS = ("plain", "conjugate", "random")


def at(c):
    """A chain's state at a case's coordinates."""
    return engine.GibbsState.at(c.posterior, c.u)


def redraw(state, values, center, rng):
    """New rows of the state's mixture, written over the old ones, with the same values missing."""
    observed = ~np.isnan(values)
    d = values.shape[1]
    labels = np.minimum(
        np.searchsorted(np.cumsum(state.mixture.weights), rng.random(len(values))),
        len(state.mixture.weights) - 1,
    )
    sigma = state.mixture.covariances
    if state.density.parametrisation.diagonal and d > 1:
        sigma = sigma[:, 0, :, None] * np.eye(d)
    roots = np.linalg.cholesky(sigma.reshape(-1, d, d))
    noise = rng.standard_normal(values.shape)
    values[:] = center + state.mixture.means[labels] + np.einsum("nij,nj->ni", roots[labels], noise)
    values[~observed] = np.nan


def functionals(weights, means, covariances):
    """Bounded enough to have small errors, whatever the tails, (S, many)."""
    sd = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    columns = [
        np.log(np.maximum(weights, 1e-12)).sum(axis=1), (weights**2).sum(axis=1),
        np.log(sd).mean(axis=(1, 2)), np.log(sd[:, 0]).max(axis=1), np.log(sd[:, -1]).min(axis=1),
        np.tanh(means[:, 0, 0]), np.tanh(means / 3).mean(axis=(1, 2)),
        np.tanh(np.abs(means[:, -1, -1]) / 3),
        np.tanh((means[:, 0] ** 2 / sd[:, 0] ** 2).mean(axis=1) / 9),
        weights[:, 0] * np.tanh(means[:, 0, 0]),
    ]  # fmt: skip
    if np.any(covariances[:, 0, 0, -1]) and sd.shape[2] > 1:
        columns.append(covariances[:, 0, 0, 1] / (sd[:, 0, 0] * sd[:, 0, 1]))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("name", "d", "kind"), GEWEKE)
def test_joint_distribution(name, d, kind):
    """Geweke (2004), J. Am. Stat. Assoc. 99, 799-804: sweeps and new data in turn leave the prior.

    Five rows of two components. Some ten means a case, within 4.5 errors of `Prior.sample`'s.
    """
    leaves_the_prior(name, d, kind)


def leaves_the_prior(name, d, kind, observed=True):
    rng = np.random.default_rng([NAMES.index(name), d, (*KINDS, *LKJ_KINDS).index(kind)])
    c = case(rng, name, d, 2, kind, n=5, observed=observed)
    state, n_draws = at(c), 12_000
    weights = np.empty((n_draws, 2))
    means = np.empty((n_draws, 2, d))
    covariances = np.empty((n_draws, *state.mixture.covariances.shape))
    hyper = np.empty((n_draws, 1 + d))
    for i in range(n_draws):
        state.sweep(rng, 2)
        redraw(state, c.data.values, c.data.center, rng)
        weights[i], means[i], covariances[i] = state.mixture
        hyper[i] = state.hyper.concentration[0], *np.diagonal(state.hyper.psi)
    if state.density.parametrisation.diagonal and d > 1:
        covariances = covariances[:, :, 0, :, None] * np.eye(d)
    ours = functionals(weights, means + c.data.center, covariances.reshape(n_draws, -1, d, d))
    draws = c.prior.sample(2, name, draws=100_000 if name in KNOWN else 20_000, random_seed=rng)
    spread = draws.covariances
    spread = spread[..., None] * np.eye(d) if spread.ndim == 3 else spread
    theirs = functionals(draws.weights, draws.means, spread)
    expected = theirs.mean(axis=0)
    error = theirs.std(axis=0) / np.sqrt(len(theirs))
    if kind == "random concentration":
        ours, expected, error = added(ours, hyper[:, 0], c.prior.concentration, expected, error)
    if kind == "random scale":
        for j in range(d):
            gamma = Gamma(c.prior.scale.shape, c.prior.scale.rate[j])
            ours, expected, error = added(ours, hyper[:, 1 + j], gamma, expected, error)
    own = np.array([float(array_stats.mcse(v[None], method="mean")) for v in ours.T])
    z = (ours.mean(axis=0) - expected) / np.hypot(own, error)
    assert np.all(np.abs(z) < 4.5), z


#: Five rows of three columns: complete, without one, two or three values.
HOLES = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], dtype=bool)


@pytest.mark.parametrize(
    ("name", "d"),
    [
        pytest.param(name, d, marks=[] if quick else pytest.mark.slow)
        for name in NAMES
        for d in ((1,) if len(name) == 1 else (2, 3))
        for quick in ((name, d) in (("VVV", 2), ("VVI", 3)),)
    ],
)
def test_joint_distribution_with_missing_values(name, d):
    """The same of rows that miss values, always the same ones."""
    leaves_the_prior(name, d, "plain", HOLES[:, :d])


def added(ours, values, gamma, expected, error):
    """One more column: a hyperparameter, whose mean is known."""
    return (
        np.column_stack([ours, values]), np.append(expected, gamma.mean), np.append(error, 0.0)
    )  # fmt: skip


def briefly(x, fit, **options):
    """Too few draws for the checks, which say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return refined(x, fit, sampler="gibbs", **options)


#: Of the families with volumes, shapes and axes of their own one kind of prior each is quick.
LIKE_NUTS = [
    *((name, kind) for name in ("VVV", "EEE", "VVI", "EII") for kind in PRIORS),
    *(
        pytest.param(name, kind, marks=() if i % 3 == j else (pytest.mark.slow,))
        for i, name in enumerate(SHAPED)
        for j, kind in enumerate(PRIORS)
    ),
]


@pytest.mark.parametrize(("name", "kind"), LIKE_NUTS)
def test_the_posterior_is_nuts_s(x, name, kind):
    """Old Faithful: means within 4.5 Monte Carlo errors of both, deviations within 15 %."""
    prior = PRIOR
    if kind != "plain":
        hyper = {"mean_covariance": None, "mean_strength": 0.1} if kind == "conjugate" else {
            "mean_covariance": np.diag([4.0, 400.0]), "concentration": Gamma(2.0, 1.0),
        }  # fmt: skip
        if kind == "random":
            hyper["scale"] = Gamma(2.0, [4.0, 0.04])
        hyper = {"scale": np.diag([0.3, 60.0])} | hyper
        prior = Prior(np.array([3.5, 70.0]), dof=4.0, **hyper)
    fit = short_first(x, covariance_type=name)
    a, b = (
        refined(x, fit, prior=prior, sampler=s).summary().astype(float) for s in ("gibbs", "nutpie")
    )
    error = np.hypot(a["mcse_mean"], b["mcse_mean"])
    assert (np.abs(a["mean"] - b["mean"]) <= 4.5 * error).all()
    np.testing.assert_allclose(a["sd"], b["sd"], rtol=0.15)


@pytest.mark.slow
def test_many_narrow_columns_in_single_precision():
    """Rows as a user has them: float32, of other units, not contiguous; more than one block."""
    rng = np.random.default_rng(3)
    truth = np.array([[0.0] * 4, [9.0] * 4, [-9.0, 9.0, -9.0, 9.0]])
    labels = rng.integers(3, size=900)
    x = 1e-5 * (truth[labels] + rng.standard_normal((900, 4))) + 0.01
    x = np.asfortranarray(x.astype(np.float32))
    fit = bayesgmm.fit(x, 3, start=labels)
    a, b = (refined(x, fit, sampler=s, draws=500).tree["posterior"] for s in ("gibbs", "nutpie"))
    for name in ("pi", "mu", "Sigma"):
        u, v = (t[name].to_numpy().reshape(4, 500, -1) for t in (a, b))
        error = np.hypot(*(
            [float(array_stats.mcse(w[:, :, i], method="mean")) for i in range(w.shape[2])]
            for w in (u, v)
        ))  # fmt: skip
        assert np.all(np.abs(u.mean((0, 1)) - v.mean((0, 1))) < 4.5 * error), name


def test_one_component_and_its_log_density(x):
    """K = 1, and lp of a draw is the density there."""
    fit = bayesgmm.fit(x, 1)
    posterior = briefly(x, fit, prior=PRIOR, draws=20, tune=1)
    problem = PosteriorProblem.of(x, fit, PRIOR)
    density = LogPosterior(problem.data, problem.parametrisation, problem.prior)
    draws = posterior.tree["posterior"]
    values = {p.name: draws[p.name].values[2, 7] for p in density.space.pieces}
    expected = density(density.space.free(values))[0]
    assert posterior.tree["sample_stats"]["lp"].values[2, 7] == pytest.approx(expected, rel=1e-12)
    assert np.all(draws["pi"] == 1)


def test_the_same_seed_gives_the_same_draws_on_any_cores(x):
    fit = short_first(x)
    a, b = (
        briefly(x, fit, draws=30, tune=10, cores=cores).tree["posterior"]["mu"] for cores in (1, 2)
    )
    np.testing.assert_array_equal(a, b)
    other = briefly(x, fit, draws=30, tune=10, random_seed=2)
    assert not np.array_equal(a, other.tree["posterior"]["mu"])


def test_thin_is_the_sweeps_to_a_draw(x):
    """Ten draws a sweep apart are a hundred of which every tenth was kept, but for labels."""
    fit = short_first(x)
    each = briefly(x, fit, chains=1, draws=100, tune=10, thin=1)
    tenth = briefly(x, fit, chains=1, draws=10, tune=1, thin=10)
    mu = each.tree["posterior"]["mu"].values[:, 9::10]
    np.testing.assert_array_equal(mu, tenth.tree["posterior"]["mu"])
    assert tenth.tree["posterior"].attrs["thin"] == 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        nuts = refined(x, fit, draws=10, tune=10)
    assert nuts.tree["posterior"].attrs["thin"] == 1


def test_sparse_mixtures_have_empty_components(x):
    """Proportions too small for a double: finite draws and densities all the same."""
    prior = Prior.from_data(x, concentration=1e-3)
    posterior = briefly(x, bayesgmm.fit(x, 4, random_seed=0), prior=prior, draws=200)
    draws = posterior.tree["posterior"]
    assert draws["pi"].min() < 1e-100
    for name in ("pi", "mu", "Sigma"):
        assert np.all(np.isfinite(draws[name]))
    assert np.all(np.isfinite(posterior.tree["sample_stats"]["lp"]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_overlapping_components(seed):
    """Issue 5's case: r-hat below 1.01 and 400 effective draws of everything, without advice."""
    x = overlapping(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceAdvice)
        posterior = refined(
            x, bayesgmm.fit(x, 3, random_seed=1), sampler="gibbs", thin=400, random_seed=seed
        )
    assert posterior.diagnostics.ess_bulk > 400
    assert max(q.rhat for q in posterior.diagnostics.quantities) < 1.01


@pytest.fixture
def interrupt(monkeypatch, request):
    """Let the main thread be interrupted, as by Ctrl-C, when chains have swept so many times."""
    original, swept = engine.GibbsState.sweep, count(1)
    # Processes in the background of a shell ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def after(sweeps):
        def sweep(self, rng, times):
            if next(swept) == sweeps:
                _thread.interrupt_main()
            original(self, rng, times)

        monkeypatch.setattr(engine.GibbsState, "sweep", sweep)

    return after


def test_an_interruption_keeps_the_draws_of_all_chains(x, interrupt):
    interrupt(4000)
    with pytest.warns(ConvergenceAdvice, match=r"interrupted: \d+ draws of 4 chains"):
        posterior = refined(x, short_first(x), sampler="gibbs", draws=10**6, tune=5, cores=4)
    assert 0 < posterior.tree["posterior"].sizes["draw"] < 10**5


def test_an_interruption_keeps_the_chains_that_have_run(x, interrupt):
    """One at a time: two are complete, and the third has made less than half of its draws."""
    interrupt(2 * 5005 + 200)
    with pytest.warns(ConvergenceAdvice, match="interrupted: 5000 draws of 2 chains"):
        posterior = refined(x, short_first(x), sampler="gibbs", draws=5000, tune=5, cores=1)
    assert dict(posterior.tree["posterior"]["mu"].sizes)["chain"] == 2


def test_an_interruption_without_draws(x, interrupt):
    interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        refined(x, short_first(x), sampler="gibbs", draws=10, tune=10**6)


def test_what_it_refuses(x):
    with pytest.raises(ValueError, match="thin is 5: only sampler='gibbs'"):
        refined(x, short_first(x), thin=5)
    with pytest.raises(ValueError, match="thin"):
        refined(x, short_first(x), sampler="gibbs", thin=0)


def test_a_component_too_narrow_for_double_precision(rng):
    """Two clumps a millionth of the distance between them wide, and a prior that likes it."""
    x = np.repeat([[0.0, 0.0], [1.0, 1.0]], 20, axis=0) + 1e-6 * rng.standard_normal((40, 2))
    prior = Prior(np.array([0.5, 0.5]), mean_covariance=np.eye(2), dof=4.0, scale=1e-12 * np.eye(2))
    fit = bayesgmm.fit(x, 2, prior=prior, start=np.repeat([0, 1], 20))
    with pytest.raises(ValueError, match="too narrow for Gibbs sampling"):
        refined(x, fit, sampler="gibbs")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EEV", "VEE", "EVV", "VVE"])
def test_axes_that_few_rows_determine(name):
    """60 rows of two nearly round components in three columns, beside a sampler in plain NumPy.

    Means and deviations of pi, mu and Sigma within 4.5 errors of both. By NUTS deviations were 5 to
    45 % off, with 33 to 360 effective draws, in Cayley's coordinates.
    """
    rng = np.random.default_rng([0, 3])
    labels = rng.integers(2, size=60)
    x = rng.standard_normal((60, 3)) * [1.15, 1.0, 0.9] + 4.0 * labels[:, None]
    fit = bayesgmm.fit(x, 2, name, start=labels)
    prior = Prior.from_data(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceAdvice)
        posterior = refined(x, fit, prior=prior, sampler="gibbs", random_seed=1)
    assert min(posterior.diagnostics.ess_bulk, posterior.diagnostics.ess_tail) > 2000
    tree = posterior.tree["posterior"]
    parts = tree["pi"].to_numpy()[..., :1], tree["mu"].to_numpy(), tree["Sigma"].to_numpy()
    ours = np.concatenate([part.reshape(4, 1000, -1) for part in parts], axis=2)
    theirs = Metropolis(x, fit, prior, rng).draws(400)
    for method, statistic in (("mean", np.mean), ("sd", np.std)):
        error = np.hypot(*(
            [float(array_stats.mcse(v[:, :, i], method=method)) for i in range(v.shape[2])]
            for v in (ours, theirs)
        ))  # fmt: skip
        away = statistic(ours, axis=(0, 1)) - statistic(theirs, axis=(0, 1))
        assert np.all(np.abs(away) < 4.5 * error), away / error
