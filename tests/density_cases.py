"""Posteriors of every family at random parameters, and what SciPy says of their density."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from scipy.stats import dirichlet, gamma, invgamma, invwishart, multivariate_normal

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.families import FAMILIES, get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.families.lkj import LKJ
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.problem import PosteriorProblem
from tests.synthetic import known_fit

KINDS = ("plain", "conjugate", "random concentration", "random scale")
#: Of LKJ priors, which four families have, and E and V.
LKJ_KINDS = ("half-t", "inverse gamma")
#: Families whose prior is known with its constant.
KNOWN = ("E", "V", "EII", "VII", "EEI", "VVI", "EEE", "VVV")


def prior_for(rng, d, kind):
    """Full B0 and Psi, unless the kind of prior has none."""
    spread, psi = (root @ root.T for root in rng.standard_normal((2, d, d + 2)))
    hyper = {"mean_covariance": 9 * spread, "scale": psi, "concentration": 1.7}
    if kind == "conjugate":
        hyper |= {"mean_covariance": None, "mean_strength": 0.3}
    if kind == "random concentration":
        hyper["concentration"] = Gamma(3.0, 2.0)
    if kind in LKJ_KINDS:
        name = "widths" if kind == "half-t" else "scale"
        more = {"nu": 5.0} if kind == "half-t" else {"shape": 3.0}
        lkj = LKJ(1.6, **{name: rng.uniform(0.5, 2.0, d)}, **more)
        return Prior(rng.standard_normal(d), 9 * spread, concentration=1.7, lkj=lkj)
    if kind == "random scale":
        hyper["scale"] = Gamma(3.0, rng.uniform(0.5, 2.0, d))
    return Prior(rng.standard_normal(d), dof=d + 2.6, **hyper)


def gradient_is_of_differences(density, u, steps):
    """Of the first, second, middle and last coordinate, to 1e-4 or 1e-5 of the largest slope."""
    gradient = density(u)[1]
    for i in {0, 1, len(u) // 2, len(u) - 1}:
        h = np.zeros(len(u))
        h[i] = steps[i]
        slope = (density(u + h)[0] - density(u - h)[0]) / (2 * steps[i])
        assert slope == pytest.approx(gradient[i], rel=1e-4, abs=1e-5 * np.abs(gradient).max())


def case(rng, name, d, k, kind="plain", n=40, observed=True, **options):
    """Rows of a random mixture of the family, and the posterior at its parameters and near.

    Values that are not `observed` (n, d) are missing. `unit` and `offset` move everything; `width`
    makes the components narrow, as Psi expects.
    """
    unit, offset, width = (options.pop(o, v) for o, v in (("unit", 1), ("offset", 0), ("width", 1)))
    family = get_family(name, d)
    prior = prior_for(rng, d, kind)
    root = rng.standard_normal((k, d, d + 4))
    covariances = members(family, width**2 / (d + 4) * root @ np.swapaxes(root, 1, 2))
    means = 3 * rng.standard_normal((k, d))
    if (unit, offset, width) != (1, 0, 1):  # for the plain prior
        factors = {"mean_covariance": unit**2, "scale": (unit * width) ** 2}
        scales = {f: factor * getattr(prior, f) for f, factor in factors.items()}
        prior = Prior(unit * prior.mean + offset, dof=prior.dof, concentration=1.7, **scales)
        means, covariances = unit * means + offset, unit**2 * covariances
    weights = rng.dirichlet(np.full(k, 5.0))
    mixture = bayesgmm.Mixture(weights, means, covariances)
    x = mixture.sample(n, rng)[0]
    x[~np.broadcast_to(observed, x.shape)] = np.nan
    data = as_data(x, missing="marginalize")
    known = bayesgmm.Mixture(weights, means, covariances, data.names)
    fit = known_fit(data, known, family, prior)
    form = PosteriorProblem.of(data, fit).parametrisation
    posterior = LogPosterior(data, form, prior, **options)
    a, factors = rng.uniform(0.5, 2.0), rng.uniform(0.5, 2.0, d)
    values = {"concentration": a, "pi": weights, "mu": means}
    if prior.lkj is None:
        values["scale"] = np.diagonal(prior.expected_scale) * factors
    values |= form.values_from(covariances, prior.of_covariances)
    u = posterior.space.free(values)
    of_means = np.concatenate([np.full(p.size, p.name == "mu") for p in posterior.space.pieces])
    size = np.where(of_means, unit * width, 1.0)  # what is a large step
    u = u + 0.05 * size * rng.standard_normal(len(u))
    return SimpleNamespace(
        x=x,
        data=data,
        fit=fit,
        form=form,
        prior=prior,
        posterior=posterior,
        u=u,
        size=size,
        family=family,
    )


def members(family, covariances):
    """Covariances (K, d, d) made members of the family."""
    k, d = covariances.shape[:2]
    if d == 1:
        return np.repeat(covariances[:1], k, axis=0) if family.common else covariances
    values, axes = np.linalg.eigh(covariances)
    if family.orientation == "I":
        values, axes = np.diagonal(covariances, axis1=1, axis2=2), np.eye(d)[None]
    if family.orientation == "E":
        axes = axes[:1]
    volume = np.exp(np.log(values).mean(axis=1, keepdims=True))
    shape = values / volume
    if family.shape == "I":
        shape = np.ones_like(shape)
    if family.shape == "E":
        shape = shape[:1]
    if family.volume == "E":
        volume = volume[:1]
    diagonal = np.broadcast_to(volume * shape, (k, d))
    return (axes * diagonal[:, None, :]) @ np.swapaxes(axes, 1, 2)


def log_likelihood(c, u):
    """SciPy's, at coordinates."""
    values = c.posterior.space.values(u)
    k = c.form.n_components
    sigma = c.form.covariances(values, c.prior.inverse_wishart)
    terms = [
        np.log(p) + multivariate_normal(m, s).logpdf(c.x).reshape(len(c.x))
        for p, m, s in zip(values.get("pi", np.ones(k)), values["mu"], sigma, strict=True)
    ]
    return float(logsumexp(terms, axis=0).sum())


def log_prior(c, u):
    """SciPy's, with Jacobians by differences of the library's map to (pi, mu, Sigma).

    For a family whose constant is not known the inverse Wishart's kernel, as a density with
    respect to d lambda^power, the contrasts, and Haar's probability measure, with what of the
    constant depends on a random Psi.
    """
    space, prior, form = c.posterior.space, c.prior, c.form
    values = space.values(u)
    k, total = form.n_components, 0.0
    a, psi = prior.concentration, prior.expected_scale
    if "concentration" in values:
        a = float(values["concentration"])
        total += gamma(prior.concentration.shape, scale=1 / prior.concentration.rate).logpdf(a)
        total += np.log(a)
    if "scale" in values:
        psi = np.diag(values["scale"])
        if c.family.name in ("VEE", "EVE", "VVE", "EEV", "VEV", "EVV"):  # one number, t / rates
            t = values["scale"][0] * prior.scale.rate[0]
            total += gamma.logpdf(t, prior.scale.shape) + np.log(t)
            np.testing.assert_allclose(values["scale"], t / prior.scale.rate)
        else:
            total += np.sum(
                gamma.logpdf(values["scale"], prior.scale.shape, scale=1 / prior.scale.rate)
            )
            total += _log_jacobian(c, u, ("scale",), lambda v: v["scale"])
    if k > 1:
        a = getattr(a, "mean", a)
        total += dirichlet.logpdf(values["pi"], np.full(k, a))
        total += _log_jacobian(c, u, "pi", lambda v: v["pi"][:-1])
    sigma = form.covariances(values, prior.inverse_wishart)
    for m, s in zip(values["mu"], sigma, strict=True):
        spread = s / prior.mean_strength if prior.mean_strength else prior.mean_covariance
        total += multivariate_normal(prior.mean, spread).logpdf(m)
    if c.fit.family.name in KNOWN:
        return float(total + _known(c, u, psi, sigma))
    return float(total + _kernel(c, u, psi, sigma))


def _known(c, u, psi, sigma):
    family, d = c.family, c.form.d
    distinct = sigma[:1] if family.common else sigma
    if family.spherical or family.diagonal or d == 1:
        shape, beta = 0.5 * (c.prior.dof + d - 1), 0.5 * np.diagonal(psi)
        variances = np.diagonal(distinct, axis1=1, axis2=2)
        if family.spherical:
            shape, beta = 0.5 * d * (c.prior.dof + d + 1) - 1, 0.5 * np.trace(psi)
            variances = variances[:, 0]
        # The coordinates are the logarithms.
        return np.sum(invgamma.logpdf(variances, shape, scale=beta) + np.log(variances))
    lower = np.tril_indices(d)

    def elements(values):
        own = c.form.covariances(values, c.prior.inverse_wishart)
        return (own[:1] if family.common else own)[:, lower[0], lower[1]].ravel()

    total = sum(invwishart.logpdf(s, c.prior.dof, psi) for s in distinct)
    return total + _log_jacobian(c, u, ("bartlett_chi2", "bartlett_normal"), elements)


def _kernel(c, u, psi, sigma):
    d, k, prior = c.form.d, c.form.n_components, c.prior
    values = c.posterior.space.values(u)
    logs = np.linalg.slogdet(sigma)[1]
    traces = np.trace(np.linalg.solve(sigma, psi), axis1=1, axis2=2)
    total = -0.5 * np.sum((prior.dof + d + 1) * logs + traces)
    power = d if c.family.volume == c.family.shape == "V" else 1
    total += power * np.sum(np.log(values["volume"]))
    # The integral over all sizes of a kernel in Psi / size is a power of Psi.
    sizes = k * power if c.family.volume == "V" else power
    of_psi = 0.5 * k * (prior.dof + d + 1) - sizes / d
    total += of_psi * np.log(np.diagonal(psi) / np.diagonal(prior.expected_scale)).sum()
    if "orientation" not in values:
        return total
    # Haar's measure is the volume of D'dD's lower triangle: 2 pi in all for d = 2, 8 pi^2 for 3.
    axes = values["orientation"].reshape(-1, d, d)
    whole = {2: 2 * np.pi, 3: 8 * np.pi**2}[d]
    lower = np.tril_indices(d, -1)

    def turns(v):
        steps = np.swapaxes(axes, 1, 2) @ v["orientation"].reshape(-1, d, d)
        return steps[:, lower[0], lower[1]].ravel()

    total += _log_jacobian(c, u, "orientation", turns) - len(axes) * np.log(whole)
    # Every rotation is several turns, which share it: by a logistic distribution's increments.
    angle = np.linalg.norm(u[-len(axes) * len(lower[0]) :].reshape(len(axes), -1), axis=1)
    return total + np.sum(np.log(expit((angle + np.pi) / 0.5) - expit((angle - np.pi) / 0.5)))


def _log_jacobian(c, u, names, function):
    """Of what becomes of some coordinates, by differences of fourth order."""
    space, at, places = c.posterior.space, 0, []
    for piece in space.pieces:
        if piece.name in names:
            places += range(at, at + piece.size)
        at += piece.size
    h = 1e-3
    columns = []
    for i in places:
        step = np.zeros(len(u))
        step[i] = h
        f = [function(space.values(u + j * step)) for j in (-2, -1, 1, 2)]
        columns.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h))
    return np.linalg.slogdet(np.array(columns))[1]


def differences(posterior, u):
    """The gradient by differences of fourth order, in steps that suit every coordinate."""
    gradient = np.zeros(len(u))
    for i, h in enumerate(1e-3 * posterior.units()):
        step = np.zeros(len(u))
        step[i] = h
        f = [posterior(u + j * step)[0] for j in (-2, -1, 1, 2)]
        gradient[i] = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
    return gradient


def every_case(dims=(2, 3), components=(1, 2, 3)):
    """(family, d, K, kind of prior) of all there are."""
    for k in components:
        for name, d in [("E", 1), ("V", 1), *((f, d) for f in FAMILIES for d in dims)]:
            yield from ((name, d, k, kind) for kind in KINDS)
