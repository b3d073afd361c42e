"""What was done to get a posterior: the runs of samplers that led to it, and how each came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import xarray as xr

_ATTRIBUTE = "steps"


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a sampler on the way to a posterior.

    Attributes
    ----------
    sampler : str
        The sampler's name.
    chains, draws : int
        Its chains, and the draws kept of each.
    thin : int
        Sweeps or steps to a draw.
    missed : str
        What it lacked of the target, in words; empty if it reached it.
    weighed : str
        How the modes that its chains stayed in were weighed; empty where all were in one.
    """

    sampler: str
    chains: int
    draws: int
    thin: int
    missed: str
    weighed: str = ""

    def __str__(self) -> str:
        every = f", thin {self.thin}" if self.thin > 1 else ""
        weighed = f", {self.weighed}" if self.weighed else ""
        end = f"not enough ({self.missed})" if self.missed else "target reached"
        return f"{self.sampler}, {self.chains} x {self.draws}{every}{weighed}: {end}"


def with_steps(tree: xr.DataTree, steps: Sequence[Step]) -> xr.DataTree:
    """The same tree, to which the steps that led to it have been added."""
    tree.attrs[_ATTRIBUTE] = json.dumps([asdict(step) for step in steps])
    return tree


class Sampled:
    """What a posterior's tree says of how its draws were made."""

    tree: xr.DataTree

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C stopped the sampling: there are fewer draws than were asked for."""
        return bool(self.tree["posterior"].attrs.get("interrupted", False))

    @property
    def sampler(self) -> str:
        """The sampler that made the draws."""
        return self.steps[-1].sampler if self.steps else str(self.tree.attrs["sampler"])

    @property
    def steps(self) -> tuple[Step, ...]:
        """What the default sampler did, run by run; none where another one was named."""
        return tuple(Step(**step) for step in json.loads(self.tree.attrs.get(_ATTRIBUTE, "[]")))
