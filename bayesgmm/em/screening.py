"""The rows that starts are made from and run on for a while, where there are many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..data.chunks import are_in_chunks
from ..data.data import Data
from ..mixture.noise import Noise
from ..utils.validation import Seed
from .labels import Labels
from .noise import NoisyRows
from .problem import Problem
from .starts.sample import Sample
from .starts.starts import is_screened, subset_rng

# Named starts and their short runs use so many rows that their features are at most so many numbers
# (which stay in the processor's cache), but no fewer rows than this for every parameter.
_SEARCHED_NUMBERS = 2**17
_ROWS_PER_PARAMETER = 5


def search_sample(data: Data, n_components: int, random_seed: Seed) -> Sample:
    """The rows that "auto" starts are made from and run on for a while: all, unless many."""
    n_features = (data.d + 1) * (data.d + 2) // 2
    at_most = max(_SEARCHED_NUMBERS // n_features, _ROWS_PER_PARAMETER * n_components * n_features)
    return Sample(data, at_most, subset_rng(random_seed))


def screened_on(
    start: Any, problem: Problem, k: int, seed: Seed, labels: Labels | None,
    noise: Noise | None = None,
) -> Problem | None:  # fmt: skip
    """The same problem for a sample of rows in chunks, if starts are screened; else None."""
    if not is_screened(start) or not are_in_chunks(problem.data):
        return None
    sample = search_sample(problem.data, k, seed)
    if sample.data.n == problem.data.n:
        return None
    rows = sample.data if labels is None else labels.take(sample.chosen).seen_in(sample.data)
    special = None if noise is None else NoisyRows(rows, noise, problem.prior)
    return replace(problem.of_rows(rows), special=special)
