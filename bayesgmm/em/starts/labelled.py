"""Starts of EM for rows of which some can belong to some components only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ...data.data import Data
from ...utils.types import FloatArray
from ...utils.validation import Seed
from ..labels import Labels
from .hierarchical import Labels as Partition
from .sample import Sample, Start
from .starts import STARTS, make_starts, named_starts, subset_rng


class LabelledSample(Sample):
    """The rows that starts are made from, whose partitions are made to agree with their labels."""

    def __init__(self, data: Data, labels: Labels, rng: np.random.Generator) -> None:
        super().__init__(data, rng=rng)
        self.labels = labels.take(self.chosen)

    def of_labels(self, labels: Partition, k: int) -> Start:
        """The start from a partition: its groups matched to components, labelled rows put right."""
        allowed = self.labels.sets[self.labels.of_rows]
        votes = np.zeros((k, k))
        said = np.flatnonzero(self.labels.informative)
        np.add.at(votes, labels[said], allowed[said] / allowed[said].sum(axis=1, keepdims=True))
        groups, components = linear_sum_assignment(votes, maximize=True)
        found = np.empty(k, dtype=np.int64)
        found[groups] = components
        return super().of_labels(self._put_right(found[labels]), k)

    def of_responsibilities(self, resp: FloatArray) -> Start:
        """The start from responsibilities, without those that a row cannot have."""
        allowed = self.labels.sets[self.labels.of_rows] * resp
        return super().of_responsibilities(allowed / allowed.sum(axis=1, keepdims=True))

    def of_nearest_class(self, k: int) -> Start | None:
        """The start from the means of the rows of known component, if every component has some."""
        known, z = self.labels.known, self.standardised
        counts = np.bincount(known[known >= 0], minlength=k)
        if not counts.all():
            return None
        means = np.stack([z[known == c].mean(axis=0) for c in range(k)])
        distance = -2 * z @ means.T + np.sum(means**2, axis=1)
        nearest = np.argmin(distance, axis=1).astype(np.int64)
        return replace(super().of_labels(self._put_right(nearest), k), sure=True)

    def _put_right(self, components: Partition) -> Partition:
        """The partition with rows in components that they cannot have moved to those they can."""
        allowed = self.labels.sets[self.labels.of_rows]
        wrong = np.flatnonzero(~allowed[np.arange(len(components)), components])
        right = components.copy()
        for i, row in enumerate(wrong):  # by turns, where there are several
            choice = np.flatnonzero(allowed[row])
            right[row] = choice[i % len(choice)]
        return right


def starts_with_labels(
    start: Any, data: Data, labels: Labels, n_init: int | None, seed: Seed
) -> list[Start]:
    """Starts as of `make_starts`; those that are made here agree with the labels.

    The first is from the means of the classes, if every component has rows of known class: the only
    one, where all are known.
    """
    k = labels.n_components
    if not isinstance(start, str) or start not in STARTS:
        return make_starts(start, data, k, n_init, seed)
    sample = LabelledSample(data, labels, subset_rng(seed))
    nearest = sample.of_nearest_class(k)
    if nearest is not None and not np.any(labels.known < 0):
        return [nearest]
    first = [] if nearest is None else [nearest]
    return first + named_starts(start, sample, k, n_init, seed)
