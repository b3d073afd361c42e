"""The engines' names, and what every engine is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Of the library's own density.
DirectSampler = Literal["nutpie", "gibbs", "laplace"]
# Of any PyMC model: NUTS; normal approximations, corrected; from prior to posterior.
ModelSampler = Literal[
    "nutpie", "pymc", "numpyro", "blackjax", "advi", "fullrank_advi", "pathfinder", "smc"
]
Sampler = Literal[DirectSampler, ModelSampler]


def check_sampler(sampler: str, accepted: tuple[str, ...]) -> None:
    """Refuse a name that no engine has.

    Raises
    ------
    ValueError
        There is no such engine.
    """
    if sampler not in accepted:
        names = ", ".join(map(repr, accepted))
        raise ValueError(f"sampler is {sampler!r}: choose one of {names}.")


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
