"""The settings of a run: how many draws to make, and how; the same for every sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...utils.validation import (
    MOST_STEPS,
    check_integer,
    check_probability,
    check_size,
    whole_seed,
)

if TYPE_CHECKING:
    from ...em.checkpoint import Checkpoint

#: Most chains, and cores, of one run.
MOST_CHAINS = 10_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Draws kept and warm-up draws per chain, and how to get them; see `sampling.sample`.

    thin is Gibbs sampling's: sweeps to a draw; max_depth that of nutpie's trees over a density.
    made are the steps that chains which go on have made: their random numbers are others then.
    checkpoint keeps what has been done.
    """

    draws: int
    tune: int
    chains: int
    random_seed: int | None
    target_accept: float
    cores: int | None
    progressbar: bool
    thin: int = 1
    max_depth: int = 10
    made: int = 0
    checkpoint: Checkpoint | None = None

    def __post_init__(self) -> None:
        """Check the settings, and keep them as Python's own numbers."""
        checked = {
            "draws": check_integer("draws", self.draws, 4, MOST_STEPS),
            "tune": check_integer("tune", self.tune, 1, MOST_STEPS),
            "chains": check_integer("chains", self.chains, 1, MOST_CHAINS),
            "thin": check_integer("thin", self.thin, 1, MOST_STEPS),
            "random_seed": whole_seed(self.random_seed),
            "target_accept": check_probability("target_accept", self.target_accept),
            "cores": None
            if self.cores is None
            else check_integer("cores", self.cores, 1, MOST_CHAINS),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def of_chains(self) -> tuple[float | None, ...]:
        """What the draws of a chain depend on."""
        return (
            self.draws, self.tune, self.random_seed, self.target_accept, self.thin, self.max_depth,
            self.made,
        )  # fmt: skip

    @property
    def seeds(self) -> list[np.random.SeedSequence]:
        """A seed for each chain."""
        key = (self.made,) if self.made else ()
        root = np.random.SeedSequence(self.random_seed, spawn_key=key)
        return root.spawn(self.chains)

    def refuse_too_many(self, numbers_each: int) -> None:
        """Refuse more draws of so many numbers each than memory holds."""
        check_size("draws", self.draws, self.chains * numbers_each, least=4)
