"""Starts of EM beside noise: from the rows that have others near them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ...data.data import Data
from ...utils.types import FloatArray
from ...utils.validation import Seed
from ..labels import Labels
from .labelled import starts_with_labels
from .sample import Sample, Start
from .starts import STARTS, generators, make_starts, named_starts, subset_rng

# Shares of the rows, those with the farthest neighbours, that starts leave out.
_SHARES = (0.0, 0.1, 0.3, 0.6)
# The neighbour whose distance counts.
_NEIGHBOUR = 10


def starts_without_noise(
    start: Any,
    data: Data,
    n_components: int,
    n_init: int | None,
    seed: Seed,
    labels: Labels | None = None,
) -> list[Start]:
    """Starts as of `make_starts`; those that are made here leave out different shares of the rows.

    (Byers & Raftery 1998, JASA 93, 577-584, estimate the share; here the likelihood chooses.) Rows
    with a label are never left out.
    """
    if not isinstance(start, str) or start not in STARTS:
        return make_starts(start, data, n_components, n_init, seed)
    sample = Sample(data, rng=subset_rng(seed))
    distances = _distances(sample)
    kind = STARTS[start]
    count = max(1, (kind.n_init if n_init is None else n_init) // len(_SHARES))
    starts: list[Start] = []
    for share, rng in zip(_SHARES, generators(seed, len(_SHARES)), strict=True):
        near = distances <= np.quantile(distances, 1 - share)
        if labels is not None:
            near |= labels.informative[sample.chosen]
        kept = np.flatnonzero(near)
        if share and len(kept) <= n_components * (data.d + 1):
            continue
        rows = sample.data.take(kept)
        if labels is not None:
            known = labels.take(sample.chosen[kept])
            starts += starts_with_labels(start, rows, known, count, rng)
        else:
            starts += named_starts(start, Sample(rows), n_components, count, rng)
    return [replace(s, sure=False) for s in starts]


def _distances(sample: Sample) -> FloatArray:
    """The distance of every row to its tenth neighbour, standardised."""
    z = sample.standardised
    number = min(_NEIGHBOUR, len(z) - 1) + 1
    return np.asarray(cKDTree(z).query(z, k=[number])[0][:, 0])
