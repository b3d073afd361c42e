"""Posterior probabilities of models, from their evidences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from ..posterior.evidence.evidence import Evidence, Method
from ..posterior.posterior import Posterior
from ..utils.types import FloatArray
from ..utils.validation import check_probability, number, whole_seed
from .rows import refuse_different_data, refuse_different_labels

if TYPE_CHECKING:
    import pandas as pd

# Evidences drawn within their errors for the interval of a probability.
_REPLICATES = 10_000


def model_probabilities(
    posteriors: Mapping[str, Posterior],
    prior_probabilities: Mapping[str, float] | None = None,
    *,
    method: Method = "bridge",
    ci_prob: float = 0.89,
    random_seed: int | None = None,
) -> pd.DataFrame:
    """Posterior probabilities of models of the same data, such as p(K | data).

    p(M | data) is proportional to p(M) times the evidence of M (Kass & Raftery 1995, J. Am. Stat.
    Assoc. 90, 773-795). It depends on the priors of the parameters too: give all models the prior
    you mean, not one tuned to each. Random hyperparameters (`Gamma`) are integrated out, so that
    priors with them and without compare.

    Parameters
    ----------
    posteriors : mapping of name to Posterior
        The models, such as {"K = 1": ..., "K = 2": ...}.
    prior_probabilities : mapping of name to float, optional
        p(M), scaled to sum 1; equal if left out.
    method : "bridge", "laplace" or "importance"
        How the evidences are computed: see `Posterior.log_evidence`.
    ci_prob : float
        Probability of the interval, between 0 and 1.
    random_seed : int, optional
        Seed of the evidences and of the intervals.

    Returns
    -------
    DataFrame
        One row per model: family, K, prior_probability, log_evidence, error, probability, and
        lower and upper, an equal-tailed interval for what the probability would be without Monte
        Carlo error (not a number by Laplace's approximation, whose error is not known).

    Raises
    ------
    TypeError
        Something that is not a Posterior.
    ValueError
        No models, models of different data, or prior probabilities of other models or below 0.
    NotImplementedError
        Models of different labels, or of labels and of none: their evidences are of other things.

    Warns
    -----
    ConvergenceAdvice
        An evidence is not to be trusted.

    See Also
    --------
    compare : Fits, grids and posteriors in one table.
    average : Posteriors of several models averaged.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> posteriors = {
    ...     f"K = {k}": bayesgmm.refine(X, bayesgmm.fit(X, k, random_seed=1), random_seed=1)
    ...     for k in (1, 2, 3)
    ... }  # doctest: +SKIP
    >>> bayesgmm.model_probabilities(posteriors, random_seed=1)  # doctest: +SKIP
    """
    import pandas as pd

    check_posteriors(posteriors)
    ci_prob = check_probability("ci_prob", ci_prob)
    random_seed = whole_seed(random_seed)
    prior = by_name("prior_probabilities", list(posteriors), prior_probabilities)
    seeds = np.random.SeedSequence(random_seed).generate_state(len(posteriors) + 1)
    evidences = [
        posterior.log_evidence(method, random_seed=int(seed))
        for posterior, seed in zip(posteriors.values(), seeds, strict=False)
    ]
    rng = np.random.default_rng(seeds[-1])
    probability, lower, upper = probabilities_from(evidences, prior, ci_prob, rng)
    columns = {
        "family": [p.fit.model_name for p in posteriors.values()],
        "K": [p.fit.n_components for p in posteriors.values()],
        "prior_probability": prior,
        "log_evidence": [e.value for e in evidences],
        "error": [e.error for e in evidences],
        "probability": probability,
        "lower": lower,
        "upper": upper,
    }
    return pd.DataFrame(columns, index=pd.Index(posteriors, name="model"))


def probabilities_from(
    evidences: Sequence[Evidence], prior: FloatArray, ci_prob: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probabilities of models from their evidences and prior probabilities, and their interval.

    The equal-tailed interval is that of evidences drawn with their Monte Carlo errors.
    """
    values, errors = np.array([(e.value, e.error) for e in evidences]).T
    with np.errstate(divide="ignore"):  # a model of probability 0
        log_prior = np.log(prior)
    noise = rng.standard_normal((_REPLICATES, len(values)))
    replicates = softmax(log_prior + values + errors * noise, axis=1)
    lower, upper = np.quantile(replicates, [(1 - ci_prob) / 2, (1 + ci_prob) / 2], axis=0)
    return np.asarray(softmax(log_prior + values)), lower, upper


def check_posteriors(posteriors: Mapping[str, Posterior]) -> None:
    """Refuse what is not a mapping of names to posteriors of the same data and labels."""
    if not isinstance(posteriors, Mapping):
        raise TypeError(
            f"posteriors is a {type(posteriors).__name__}: pass a mapping of names to posteriors."
        )
    if not posteriors:
        raise ValueError("no models: pass {name: posterior, ...}.")
    for name, posterior in posteriors.items():
        if not isinstance(posterior, Posterior):
            raise TypeError(
                f"{name!r} is a {type(posterior).__name__}: pass posteriors, as refine returns."
            )
    refuse_different_data(posteriors)
    refuse_different_labels(posteriors)


def by_name(what: str, names: list[str], probabilities: Mapping[str, float] | None) -> FloatArray:
    """Probabilities in the order of the names, of sum 1; equal if left out."""
    if probabilities is None:
        return np.full(len(names), 1 / len(names))
    if not isinstance(probabilities, Mapping):
        raise TypeError(f"{what} is a {type(probabilities).__name__}: pass a mapping by name.")
    if set(probabilities) != set(names):
        raise ValueError(
            f"{what} are of {', '.join(map(str, probabilities))}, the models are "
            f"{', '.join(map(str, names))}: pass one for each."
        )
    prior = np.array([number(probabilities[name], f"{what} of {name!r}") for name in names])
    if not (np.all(np.isfinite(prior)) and np.all(prior >= 0) and prior.sum() > 0):
        raise ValueError(f"{what} are {dict(probabilities)}: pass numbers from 0 up.")
    return np.asarray(prior / prior.sum())
