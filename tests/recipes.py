"""Models that users write with the mixture in them, on real data: the notebook's nine recipes.

Each takes what makes the likelihood, `Ours` or `PyMC`, which say the same in two ways.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm
from bayesgmm.pymc import GaussianMixture, InverseWishart, lkj_covariances


class Ours:
    """Mixtures by this package."""

    @staticmethod
    def rows(name, w, mu, observed, **covariance):
        """Rows of a mixture."""
        GaussianMixture(name, w, mu, observed=observed, **covariance)

    @staticmethod
    def with_noise(name, w, mu, share, noise, observed, **covariance):
        """Rows of a mixture, but a share of them of another distribution."""
        parts = [GaussianMixture.dist(w, mu, **covariance), noise]
        pm.Mixture(name, pt.stack([1 - share, share]), parts, observed=observed)


class PyMC:
    """The same by PyMC alone."""

    @staticmethod
    def _components(mu, **covariance):
        [(form, value)] = covariance.items()
        k = value.type.shape[0]
        return [pm.MvNormal.dist(mu[..., c, :], **{form: value[c]}) for c in range(k)]

    @classmethod
    def rows(cls, name, w, mu, observed, **covariance):
        """Rows of a mixture."""
        pm.Mixture(name, w, cls._components(mu, **covariance), observed=observed)

    @classmethod
    def with_noise(cls, name, w, mu, share, noise, observed, **covariance):
        """Rows of a mixture, but a share of them of another distribution."""
        parts = [*cls._components(mu, **covariance), noise]
        pm.Mixture(name, pt.concatenate([(1 - share) * w, [share]]), parts, observed=observed)


def faithful():
    """The eruptions, in the order in which they happened, (272, 2)."""
    return bayesgmm.datasets.load_faithful().to_numpy()


def bills(rows=slice(None)):
    """Length and depth of penguins' bills, (333, 2)."""
    penguins = bayesgmm.datasets.load_penguins()
    return penguins[["bill_length_mm", "bill_depth_mm"]].to_numpy()[rows]


def shared(x, k):
    """Means and factors of covariances that all rows share."""
    d = x.shape[1]
    mu = pm.Normal("centre", x.mean(axis=0), 2 * x.std(axis=0), shape=(k, d))
    sd = pm.HalfNormal("sd", x.std(axis=0), shape=(k, d))
    return mu, lkj_covariances("chol", 2.0, sd)


def by_group(term):
    """1. Proportions of each island's own."""
    x = bills()
    island = bayesgmm.datasets.load_penguins()["island"].astype("category").cat.codes.to_numpy()
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(3), shape=(3, 3))
        mu, chol = shared(x, 3)
        term.rows("y", w[island], mu, x, chol=chol)
    return model, x, 3


def by_covariate(term):
    """2. The kind of an eruption by the length of the one before: a mixture of experts."""
    x, before = faithful()[1:], faithful()[:-1, 0]
    z = (before - before.mean()) / before.std()
    with pm.Model() as model:
        level, slope = pm.Normal("level", 0, 2, shape=2), pm.Normal("slope", 0, 2, shape=2)
        mu, chol = shared(x, 2)
        term.rows("y", pm.math.softmax(level + slope * z[:, None], axis=1), mu, x, chol=chol)
    return model, x, 2


def regression(term):
    """3. A bill by the penguin's mass, in every component."""
    x = bills()
    mass = bayesgmm.datasets.load_penguins()["body_mass_g"].to_numpy() / 1000 - 4.2
    with pm.Model() as model:
        level, chol = shared(x, 3)
        slope = pm.Normal("slope", 0, [5.0, 2.0], shape=(3, 2))
        mu = level + slope * mass[:, None, None]
        term.rows("y", pm.Dirichlet("w", np.ones(3)), mu, x, chol=chol)
    return model, x, 3


def hierarchical(term):
    """4. Means that come from one distribution, whose mean and width are unknown."""
    x = bills()
    with pm.Model() as model:
        middle = pm.Normal("middle", x.mean(axis=0), x.std(axis=0), shape=2)
        width = pm.HalfNormal("width", x.std(axis=0), shape=2)
        mu = pm.Normal("centre", middle, width, shape=(3, 2))
        chol = lkj_covariances("chol", 2.0, pm.HalfNormal("sd", x.std(axis=0), shape=(3, 2)))
        term.rows("y", pm.Dirichlet("w", np.ones(3)), mu, x, chol=chol)
    return model, x, 3


def informative(term):
    """5. A component whose place is known, and another at a distance that is positive."""
    x = faithful()
    with pm.Model() as model:
        short = pm.Normal("short", [2.0, 55.0], [0.05, 2.0], shape=2)
        longer = pm.HalfNormal("longer", [2.0, 30.0], shape=2)
        mu = pt.stack([short, short + longer])
        chol = lkj_covariances("chol", 2.0, pm.HalfNormal("sd", x.std(axis=0), shape=(2, 2)))
        term.rows("y", pm.Dirichlet("w", np.ones(2)), mu, x, chol=chol)
    return model, x, 2


def two_tables(term):
    """6. Two tables with the same components in other proportions."""
    year = bayesgmm.datasets.load_penguins()["year"].to_numpy()
    x, other = bills(year < 2009), bills(year == 2009)
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(3), shape=(2, 3))
        mu, chol = shared(x, 3)
        term.rows("y", w[0], mu, x, chol=chol)
        term.rows("other", w[1], mu, other, chol=chol)
    return model, x, 3


def inverse_wishart(term):
    """7. An inverse Wishart prior; the others have LKJ priors."""
    x = faithful()
    with pm.Model() as model:
        mu = pm.Normal("centre", x.mean(axis=0), 2 * x.std(axis=0), shape=(2, 2))
        psi = np.diag(x.var(axis=0))
        sigma = InverseWishart("covariance", 6.0, psi, shape=(2, 2, 2))
        term.rows("y", pm.Dirichlet("w", np.ones(2)), mu, x, cov=sigma)
    return model, x, 2


def noise(term):
    """8. A part of the rows that belong nowhere, with Student's t."""
    x = bills()
    with pm.Model() as model:
        share = pm.Beta("share", 1, 9)
        w = pm.Dirichlet("w", np.ones(3))
        mu, chol = shared(x, 3)
        elsewhere = pm.MvStudentT.dist(nu=3, mu=x.mean(axis=0), scale=4 * np.cov(x.T))
        term.with_noise("y", w, mu, share, elsewhere, x, chol=chol)
    return model, x, 3


def in_time(term):
    """9. Proportions that walk at random from block to block of the record."""
    x = faithful()
    block = np.arange(len(x)) // 34
    with pm.Model() as model:
        step = pm.HalfNormal("step", 0.5)
        moves = pm.Normal("moves", 0, 1, shape=8)
        logit = pm.Normal("start", 0, 1.5) + step * pt.cumsum(moves)
        p = pm.Deterministic("p", pm.math.sigmoid(logit))
        mu, chol = shared(x, 2)
        term.rows("y", pt.stack([p, 1 - p], axis=1)[block], mu, x, chol=chol)
    return model, x, 2


RECIPES = (
    by_group, by_covariate, regression, hierarchical, informative, two_tables, inverse_wishart,
    noise, in_time,
)  # fmt: skip
