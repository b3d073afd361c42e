"""New data sets from the posterior predictive distribution, one from every draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ...mixture.draws import NoisyDraws
from ...utils.types import FloatArray
from ...utils.validation import check_integer, random_stream
from .mixture_draws import MixtureDraws

type Seed = int | np.random.Generator | None
# Most numbers that are returned: 1 GiB of them.
_LIMIT = 2**27


def replicates(mixtures: MixtureDraws, n_rows: int, random_seed: Seed) -> Iterator[FloatArray]:
    """A new data set (n_rows, d) from every draw; noise is over the volume of the data.

    Raises
    ------
    NotImplementedError
        Noise of a given density.
    """
    rng, draws = random_stream(random_seed), mixtures.draws
    for s, mixture in enumerate(mixtures.mixtures()):
        rows = mixture.sample(n_rows, rng)[0]
        if isinstance(draws, NoisyDraws):
            strays = rng.random(n_rows) < draws.noise_share[s]
            rows[strays] = draws.noise.rows(int(strays.sum()), rng)
        yield rows


def refuse_too_many(n_draws: int, n_rows: int, d: int) -> None:
    """Refuse to make more than 1 GiB of data sets."""
    if n_draws * n_rows * d > _LIMIT:
        raise ValueError(
            f"{n_draws} data sets of {n_rows} rows and {d} columns are "
            f"{n_draws * n_rows * d * 8 / 2**30:.1f} GiB: ask for fewer draws or rows."
        )


def predictive_rows(mixtures: MixtureDraws, n_rows: int, random_seed: Seed) -> xr.Dataset:
    """New data sets from every draw: y over chain, draw, obs_id, feature."""
    n_draws, d = len(mixtures.draws), len(mixtures.names)
    check_integer("n_rows", n_rows, 1)
    refuse_too_many(n_draws, n_rows, d)
    y = np.empty((n_draws, n_rows, d))
    for s, rows in enumerate(replicates(mixtures, n_rows, random_seed)):
        y[s] = rows
    by_chain = y.reshape(len(mixtures.chain), -1, n_rows, d)
    return xr.Dataset(
        {"y": (("chain", "draw", "obs_id", "feature"), by_chain)},
        coords={
            "chain": mixtures.chain,
            "draw": mixtures.draw,
            "obs_id": np.arange(n_rows),
            "feature": list(mixtures.names),
        },
    )
