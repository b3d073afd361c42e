"""New data from a fit: rows of its mixture and noise, with holes and labels as its own have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..data.data import Data, as_data
from ..mixture.imputation import rows_alike
from ..mixture.of_parameters import rows_of_components
from ..utils.types import FloatArray, IntArray
from .labelled_fit import LabelledFit
from .labels import Labels
from .noisy_fit import NoisyFit
from .result import Fit


def simulated(
    fit: Fit, data: Data, rng: np.random.Generator
) -> tuple[Data, NDArray[np.bool_] | None]:
    """As many new rows as the fit's data have, and the components they can belong to, (n, K).

    Row by row they miss what the data's rows miss, and have a label where these have one: a class
    of those that labels name, drawn in proportion to the fit's, and then a component of that class.
    A row without a label is noise with the probability that noise has. Without labels the second
    is None.

    Raises
    ------
    NotImplementedError
        Noise of a given density; sets of components that overlap, since nothing says which of new
        rows would have which.
    """
    like = rows_alike(data, round(data.total), rng)
    if isinstance(fit, LabelledFit):
        rows, table = _labelled(fit, like, rng)
    else:
        rows, table = fit.sample(len(like), rng)[0], None
    if data.incomplete:
        rows = np.where(np.isnan(np.asarray(data.values[like])), np.nan, rows)
    return as_data(rows, missing=data.missing), table


def _labelled(
    fit: LabelledFit, like: IntArray, rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """New rows, and the components that each can belong to, where these have labels."""
    mixture, labels = fit.mixture, fit.labels
    chosen = labels.of_rows[like]
    named = _classes(labels)
    shares = labels.sets[named] @ mixture.weights
    known = labels.informative[like]
    chosen[known] = named[rng.choice(len(named), known.sum(), p=shares / shares.sum())]
    table = labels.sets[chosen]
    edges = np.cumsum(table * mixture.weights, axis=1)
    component = np.sum(rng.random((len(like), 1)) * edges[:, -1:] >= edges, axis=1)
    p = mixture.parameters_about(np.zeros(mixture.d))
    rows = rows_of_components(p, component, rng)
    if isinstance(fit, NoisyFit):
        strays = ~known & (rng.random(len(rows)) < fit.noise_share)
        rows[strays] = fit.noise.rows(int(strays.sum()), rng)
    return rows, table


def _classes(labels: Labels) -> IntArray:
    """The numbers of the sets that labels name.

    Raises
    ------
    NotImplementedError
        They overlap.
    """
    used = np.unique(labels.of_rows)
    named = used[~labels.sets[used].all(axis=1)]
    if (labels.sets[named].sum(axis=0) > 1).any():
        raise NotImplementedError(
            "the sets of components that rows can belong to overlap, and nothing says which of new "
            "rows would have which: use method='bootstrap'."
        )
    return named
