"""The samplers: their names, what they require, and the engines that make their draws.

Nothing heavy is imported before a sampler is used, so that the command line can name them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol

from ..utils.validation import check_choice

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from ..density.log_posterior import LogPosterior
    from ..density.mode import FreeDensity, Mode
    from ..utils.types import FloatArray
    from .run.settings import Settings

# Names as types: of samplers of the library's own density, and of those of any PyMC model.
DensitySamplerName = Literal["nutpie", "gibbs", "laplace"]
ModelSamplerName = Literal[
    "nutpie", "pymc", "numpyro", "blackjax", "advi", "fullrank_advi", "pathfinder", "smc"
]
SamplerName = Literal["auto", DensitySamplerName, ModelSamplerName]


class DensityEngine(Protocol):
    """A function that draws from the library's own density, starting at its mode."""

    def __call__(
        self, density: LogPosterior, mode: Mode, settings: Settings, /
    ) -> tuple[FloatArray, xr.Dataset]:
        """Draws (chain, draw, P) of the density's coordinates, and statistics: lp at least."""


class ResumingEngine(Protocol):
    """A function whose chains go on from points in the coordinates, one (P,) a chain."""

    def __call__(
        self, density: LogPosterior, mode: Mode, settings: Settings, points: FloatArray, /
    ) -> tuple[FloatArray, xr.Dataset]:
        """As of a `DensityEngine`; the statistics have the numbers of the chains."""


class FreeEngine(Protocol):
    """A function that draws from any compiled density, starting at its mode."""

    def __call__(
        self, density: FreeDensity, mode: Mode, settings: Settings, /
    ) -> tuple[FloatArray, xr.Dataset]:
        """Draws (chain, draw, P) of the density's coordinates, and statistics: lp at least."""


class ModelEngine(Protocol):
    """A function that draws from any PyMC model with continuous variables."""

    def __call__(
        self, model: pm.Model, start: dict[str, FloatArray], settings: Settings, /
    ) -> xr.DataTree:
        """A tree with groups posterior and sample_stats, of which lp at least."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampler of posteriors: its engines and its requirements.

    Attributes
    ----------
    name : str
        Its name for `refine` and `sampling.sample`.
    of_density, of_model : function without parameters, or None
        Loads the engine of this kind; `refine` takes that of the density where there are both.
    of_free : function without parameters, or None
        That of the density, where it needs nothing but its value and gradient: `refine(model=)`
        takes it.
    resuming : function without parameters, or None
        Loads the engine whose chains go on where others have ended.
    with_pruning : bool
        The engine evaluates the density so often that pairs of a row and a component that do not
        matter are left out (`compiled/sample.py`).
    has_sweeps : bool
        Draws are made in sweeps, several of them to a draw (`thin`).
    draws_from_prior : bool
        The engine draws components without rows from the prior: some nearly empty ones are no
        sign that more are missed.
    chooses : bool
        It has no engine of its own, and runs other samplers until a target is reached (`auto.py`).
    libraries : tuple of str
        What has to be installed besides the library's own dependencies.
    """

    name: SamplerName
    of_density: Callable[[], DensityEngine] | None = None
    of_model: Callable[[], ModelEngine] | None = None
    of_free: Callable[[], FreeEngine] | None = None
    resuming: Callable[[], ResumingEngine] | None = None
    with_pruning: bool = False
    has_sweeps: bool = False
    draws_from_prior: bool = False
    chooses: bool = False
    libraries: tuple[str, ...] = ()

    @property
    def starts_in_modes(self) -> bool:
        """Whether its chains start in modes of the library's own density, as many as wanted."""
        return self.chooses or self.of_density is not None

    def check_installed(self) -> None:
        """Refuse a sampler whose libraries are not installed, and say how to get them.

        Raises
        ------
        ModuleNotFoundError
            One of the libraries is not installed.
        """
        if missing := [name for name in self.libraries if find_spec(name) is None]:
            raise ModuleNotFoundError(
                f"sampler {self.name!r} requires what is not installed ({', '.join(missing)}): "
                "pip install 'bayesgmm[jax]', or choose 'nutpie'."
            )


def _density_nutpie() -> FreeEngine:
    from .compiled.nuts import nuts

    return nuts


def _resumed_nutpie() -> ResumingEngine:
    from .compiled.nuts import resumed_nuts

    return resumed_nuts


def _gibbs() -> DensityEngine:
    from .compiled.gibbs import gibbs

    return gibbs


def _resumed_gibbs() -> ResumingEngine:
    from .compiled.gibbs import resumed_gibbs

    return resumed_gibbs


def _laplace() -> FreeEngine:
    from .compiled.laplace import laplace

    return laplace


def _model_nutpie() -> ModelEngine:
    from .pymc.model_nuts import nutpie_nuts

    return nutpie_nuts


def _pymc() -> ModelEngine:
    from .pymc.model_nuts import pymc_nuts

    return pymc_nuts


def _numpyro() -> ModelEngine:
    from .pymc.jax_nuts import numpyro

    return numpyro


def _blackjax() -> ModelEngine:
    from .pymc.jax_nuts import blackjax

    return blackjax


def _advi() -> ModelEngine:
    from .pymc.variational import advi

    return advi


def _fullrank_advi() -> ModelEngine:
    from .pymc.variational import fullrank_advi

    return fullrank_advi


def _pathfinder() -> ModelEngine:
    from .pymc.pathfinder import pathfinder

    return pathfinder


def _smc() -> ModelEngine:
    from .pymc.smc import smc

    return smc


SAMPLERS: dict[str, Sampler] = {
    sampler.name: sampler
    for sampler in (
        Sampler("auto", chooses=True),
        Sampler(
            "nutpie",
            of_density=_density_nutpie,
            of_free=_density_nutpie,
            of_model=_model_nutpie,
            resuming=_resumed_nutpie,
            with_pruning=True,
        ),
        Sampler(
            "gibbs",
            of_density=_gibbs,
            resuming=_resumed_gibbs,
            has_sweeps=True,
            draws_from_prior=True,
        ),
        Sampler("laplace", of_density=_laplace, of_free=_laplace, with_pruning=True),
        Sampler("pymc", of_model=_pymc),
        Sampler("numpyro", of_model=_numpyro, libraries=("jax", "numpyro")),
        Sampler("blackjax", of_model=_blackjax, libraries=("jax", "blackjax")),
        Sampler("advi", of_model=_advi),
        Sampler("fullrank_advi", of_model=_fullrank_advi),
        Sampler("pathfinder", of_model=_pathfinder, libraries=("jax", "blackjax")),
        Sampler("smc", of_model=_smc),
    )
}


def names_where(condition: Callable[[Sampler], object]) -> list[str]:
    """The names of the samplers that meet a condition."""
    return [sampler.name for sampler in SAMPLERS.values() if condition(sampler)]


def sampler_named(
    name: str, condition: Callable[[Sampler], object] = lambda sampler: True
) -> Sampler:
    """The sampler of that name, among those that meet a condition.

    Raises
    ------
    ValueError
        There is none.
    """
    return SAMPLERS[check_choice("sampler", name, names_where(condition))]
