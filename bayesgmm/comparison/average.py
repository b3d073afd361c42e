"""Bayesian model averaging: one posterior of several models, each by its probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.data import Data
from ..mixture.draws import Draws, NoisyDraws
from ..posterior.label_free import LabelFree
from ..posterior.posterior import Posterior
from ..posterior.summaries.mixture_draws import MixtureDraws
from ..utils.matrices import as_full
from ..utils.types import FloatArray
from ..utils.validation import check_integer
from .model_probabilities import by_name, check_posteriors, model_probabilities

if TYPE_CHECKING:
    import pandas as pd

# Most clusters of a partition, as a multiple of the components of the largest model, and at least.
_CLUSTERS, _FEWEST_CLUSTERS = 2, 10


@dataclass(frozen=True, eq=False, repr=False)
class ModelAverage(LabelFree):
    """The average of posteriors of several models, as `average` makes it.

    Attributes
    ----------
    probabilities : dict of str to float
        The models' probabilities.
    drawn : dict of str to int
        Draws of each model among those that averages are over.
    mixtures : MixtureDraws
        These draws, with as many components as the largest model has.
    rows : Data
        The rows that all models are of.
    """

    probabilities: dict[str, float]
    drawn: dict[str, int]
    mixtures: MixtureDraws
    rows: Data

    @property
    def mixture_draws(self) -> MixtureDraws:
        """The draws as mixtures of named columns; absent components have proportion 0."""
        return self.mixtures

    @property
    def data(self) -> Data:
        """The rows that the draws are conditional on."""
        return self.rows

    @property
    def most_clusters(self) -> int:
        """Twice as many clusters as the largest model has components, and at least 10."""
        return max(_CLUSTERS * self.mixtures.draws.n_components, _FEWEST_CLUSTERS)

    def _title(self) -> str:
        return f"Average of {len(self.probabilities)} models of {self.rows.n} rows"

    def _lines(self) -> list[tuple[str, str]]:
        return [
            (name, f"probability {p:.3f}, {self.drawn[name]} draws")
            for name, p in self.probabilities.items()
        ]


def average(
    posteriors: Mapping[str, Posterior],
    probabilities: Mapping[str, float] | pd.DataFrame | None = None,
    *,
    n_draws: int = 4000,
    random_seed: int | None = None,
) -> ModelAverage:
    """Average posteriors of models of the same data, of any families and numbers of components.

    Densities, predictions and which rows belong together are averaged by the models' probabilities
    (Bayesian model averaging: Hoeting, Madigan, Raftery & Volinsky 1999, Statist. Sci. 14,
    382-417), so that they have the uncertainty about the model too. Components of different models
    are not matched: what depends on labels has no average; `.partition()` and `.coclustering()`
    say which rows belong together, `.responsibilities()` to which cluster of the partition.

    Parameters
    ----------
    posteriors : mapping of name to Posterior
        The models, such as {"K = 2": ..., "K = 3": ...}.
    probabilities : mapping of name to float, or DataFrame, optional
        Their probabilities, up to a factor, or the table of `model_probabilities`; by bridge
        sampling, with equal prior probabilities, if left out. Stacking weights of `compare` are
        others for the same use.
    n_draws : int
        Draws of the average: of every model its share, evenly spaced among those it has.
    random_seed : int, optional
        Seed of bridge sampling.

    Returns
    -------
    ModelAverage
        `.density()`, `.log_density()`, `.coclustering()`, `.partition()`, `.responsibilities()`.

    Raises
    ------
    TypeError, ValueError
        As `model_probabilities`; a family without evidence, unless probabilities are given.
    NotImplementedError
        A model with noise, or models of different labels.

    See Also
    --------
    compare : Fits, grids and posteriors in one table.
    model_probabilities : Probabilities of models from their evidences.

    Examples
    --------
    >>> bayesgmm.average({"K = 2": two, "K = 3": three}).density()  # doctest: +SKIP
    """
    check_posteriors(posteriors)
    for name, model in posteriors.items():
        if isinstance(model.draws, NoisyDraws):
            raise NotImplementedError(
                f"{name!r} has noise, whose constant density an average has no place for: average "
                "posteriors without noise, or weight the .log_density() of each by "
                "model_probabilities yourself."
            )
    n_draws = check_integer("n_draws", n_draws, 1)
    if probabilities is None:
        probabilities = model_probabilities(posteriors, random_seed=random_seed)
    known: Any = probabilities
    if hasattr(known, "columns"):
        known = known["probability"].to_dict()
    shares = by_name("probabilities", list(posteriors), known)
    drawn = _numbers(shares, n_draws)
    models = list(posteriors.values())
    some = [
        _spaced(model.mixture_draws.draws, number)
        for model, number in zip(models, drawn, strict=True)
        if number > 0
    ]
    first = models[0].fit.mixture
    draws = MixtureDraws(
        _side_by_side(some), first.names, np.zeros(1, int), np.arange(n_draws), first.named
    )
    return ModelAverage(
        dict(zip(posteriors, shares.tolist(), strict=True)),
        dict(zip(posteriors, drawn, strict=True)),
        draws,
        models[0].data,
    )


def _numbers(shares: FloatArray, total: int) -> list[int]:
    """Whole numbers of that sum, each within 1 of its share of it."""
    ends = np.round(np.cumsum(shares) * total).astype(int)
    return np.diff(ends, prepend=0).tolist()


def _spaced(draws: Draws, number: int) -> Draws:
    """So many of the draws, evenly spaced; more than once where there are fewer."""
    return draws.at(np.linspace(0, len(draws) - 1, number).round().astype(int))


def _side_by_side(parts: list[Draws]) -> Draws:
    """Draws of different numbers of components in one: those missing have proportion 0."""
    most = max(part.n_components for part in parts)
    padded = [
        (
            np.pad(part.weights, ((0, 0), (0, more := most - part.n_components))),
            *(
                np.concatenate([a, np.repeat(a[:, :1], more, axis=1)], axis=1)
                for a in (part.means, as_full(part.covariances, leading=2))
            ),
        )
        for part in parts
    ]
    return Draws(*(np.concatenate(arrays) for arrays in zip(*padded, strict=True)))
