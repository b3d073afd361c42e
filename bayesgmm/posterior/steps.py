"""What was done to get a posterior: the runs of samplers that led to it, and how each came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

import xarray as xr

from ..utils.extension import Extension

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
    """How a posterior's draws were made, and more of them."""

    tree: xr.DataTree

    def extend(self, draws: int, *, cores: int | None = None, progressbar: bool = True) -> Self:
        """The posterior with so many more draws of the same chains.

        Each chain goes on from its last draw: that of NUTS with steps and a metric that it adapts
        anew in a warm-up as long as the first, that of Gibbs sampling as if it had not stopped. A
        posterior that was saved, interrupted or reduced to some chains can be extended, too.

        Parameters
        ----------
        draws : int
            Draws to add to each chain.
        cores : int, optional
            Chains run at a time; the cores of the machine if left out.
        progressbar : bool
            Show progress; False is silent.

        Returns
        -------
        Posterior
            All draws, relabelled together by the same method; this one stays as it is. It has no
            groups that were added to the tree (`with_predictive` and so on). A posterior's seed
            gives the same draws on any number of cores. Ctrl-C while it samples: of the draws made
            so far.

        Raises
        ------
        ValueError
            The draws are not of chains that can go on: of "laplace" and other approximations, of
            PyMC's samplers, of a user's model, of modes that were weighed, or corrected for survey
            weights.
        KeyboardInterrupt
            Interrupted before there were draws. This posterior stays as it is.

        Warns
        -----
        ConvergenceAdvice
            The longer chains have not converged.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_faithful()
        >>> fit = bayesgmm.fit(X, 2, random_seed=1)
        >>> posterior = bayesgmm.refine(X, fit, random_seed=1)  # doctest: +SKIP
        >>> posterior.extend(2000)  # doctest: +SKIP
        """
        longer: Self = Extension.home().extend(self, draws, cores=cores, progressbar=progressbar)
        return longer

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
