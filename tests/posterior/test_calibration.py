"""Intervals of regressions and of class probabilities hold the truth as often as they say.

Truths are drawn from the prior, rows from them, and posteriors of these asked for what is known.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, multivariate_normal

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.mixture.regression import regression
from tests.sampling.test_sbc import PRIOR

REPLICATES, N = 120, 60
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice"),
    pytest.mark.filterwarnings("ignore::bayesgmm.DegenerateFitWarning"),
]


def truths(seed):
    """Mixtures from the prior, with a random stream for each."""
    draws = PRIOR.sample(2, get_family("VVV", 2), REPLICATES, seed)
    for s, one in enumerate(zip(draws.weights, draws.means, draws.covariances, strict=True)):
        yield bayesgmm.Mixture(*one), np.random.default_rng([seed, s])


def sampled(x, fit, seed):
    return bayesgmm.refine(
        x, fit, prior=PRIOR, sampler="gibbs", draws=100, thin=10, chains=2, random_seed=seed,
        progressbar=False,
    )  # fmt: skip


def plausible(held, made, level):
    """Whether so many of independent intervals of a level may hold the truth, by chance in 1e4."""
    low, high = binom(made, level).ppf([5e-5, 1 - 5e-5])
    return low <= held <= high


def test_regression_bands():
    """E[y | x] of the true mixture in its band, a new y in its interval, where a new row lies."""
    band = interval = 0
    for i, (mixture, rng) in enumerate(truths(3)):
        x = mixture.sample(N, rng)[0]
        new = mixture.sample(1, rng)[0]
        fit = bayesgmm.fit(x, 2, "VVV", prior=PRIOR, start=mixture)
        [found] = sampled(x, fit, i).regression("x1", new[:, :1], ci_prob=0.8).to_dict("records")
        [true] = regression(mixture, "x1", new[:, :1], ["x0"], 0.8)["mean"]
        band += found["mean_lower"] < true < found["mean_upper"]
        interval += found["lower"] < new[0, 1] < found["upper"]
    assert plausible(band, REPLICATES, 0.8) and plausible(interval, REPLICATES, 0.8), (
        band,
        interval,
    )


def test_class_probabilities():
    """Of a new row given known classes: in the interval; means are frequencies of the class."""
    held, doubtful, predicted, happened = 0, 0, [], []
    for i, (mixture, rng) in enumerate(truths(4)):
        x, classes = mixture.sample(N, rng)
        if len(set(classes)) < 2:
            classes[:2] = 0, 1  # cannot be by this prior but rarely
        new, [of] = mixture.sample(1, rng)
        fit = bayesgmm.fit(x, 2, "VVV", prior=PRIOR, labels=classes)
        found = sampled(x, fit, i).responsibilities(new, ci_prob=0.8).isel(obs_id=0, component=1)
        joint = [
            w * multivariate_normal(m, s).pdf(new[0])
            for w, m, s in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
        ]
        if 1e-6 < float(found["mean"]) < 1 - 1e-6:  # else they are 0 or 1 in double precision
            doubtful += 1
            held += float(found["lower"]) < joint[1] / sum(joint) < float(found["upper"])
        predicted.append(float(found["mean"]))
        happened.append(of == 1)
    p = np.array(predicted)
    assert doubtful > 25 and plausible(held, doubtful, 0.8), (held, doubtful)
    away = (np.sum(happened) - p.sum()) / np.sqrt(np.sum(p * (1 - p)))
    assert abs(away) < 4
