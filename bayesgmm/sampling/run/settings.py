"""How many draws to make, and how: the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Draws kept and warm-up draws per chain, and how to get them; see `sampling.sample`.

    thin is Gibbs sampling's: sweeps to a draw.
    """

    draws: int
    tune: int
    chains: int
    random_seed: int | None
    target_accept: float
    cores: int | None
    progressbar: bool
    thin: int = 1
