"""The samplers, each a value: what they ask of a posterior, and the engines that make their draws.

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
    from ..density.mode import Mode
    from ..utils.types import FloatArray
    from .run.settings import Settings

# Names as types know them: of the library's own density; of any PyMC model.
DensitySamplerName = Literal["nutpie", "gibbs", "laplace"]
ModelSamplerName = Literal[
    "nutpie", "pymc", "numpyro", "blackjax", "advi", "fullrank_advi", "pathfinder", "smc"
]
SamplerName = Literal[DensitySamplerName, ModelSamplerName]


class DensityEngine(Protocol):
    """Draws from the library's own density, from its mode on."""

    def __call__(
        self, density: LogPosterior, mode: Mode, settings: Settings, /
    ) -> tuple[FloatArray, xr.Dataset]:
        """Draws (chain, draw, P) of the density's coordinates, and statistics: lp at least."""


class ModelEngine(Protocol):
    """Draws from any PyMC model with continuous variables."""

    def __call__(
        self, model: pm.Model, start: dict[str, FloatArray], settings: Settings, /
    ) -> xr.DataTree:
        """Groups posterior and sample_stats, in which lp is at least."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """A way to draws of a posterior.

    Attributes
    ----------
    name : str
        As `refine` and `sampling.sample` know it.
    of_density, of_model : function without parameters, or None
        Loads the engine of this kind; `refine` takes that of the density where there are both.
    with_pruning : bool
        The engine asks for the density at so many points that pairs of a row and a component
        that do not matter are left out (`direct.with_pruning`).
    has_sweeps : bool
        Draws are made in sweeps, several of them to a draw (`thin`).
    draws_from_prior : bool
        The engine draws from the family's prior, or from what the rows make of it.
    libraries : tuple of str
        What has to be installed besides the library's own dependencies.
    """

    name: SamplerName
    of_density: Callable[[], DensityEngine] | None = None
    of_model: Callable[[], ModelEngine] | None = None
    with_pruning: bool = False
    has_sweeps: bool = False
    draws_from_prior: bool = False
    libraries: tuple[str, ...] = ()

    def check_installed(self) -> None:
        """Say what is missing, and how to get it.

        Raises
        ------
        ModuleNotFoundError
            One of the libraries is not installed.
        """
        if missing := [name for name in self.libraries if find_spec(name) is None]:
            raise ModuleNotFoundError(
                f"sampler {self.name!r} needs {' and '.join(missing)}, which is not installed: "
                "pip install 'bayesgmm[jax]', or choose 'nutpie'."
            )


def _density_nutpie() -> DensityEngine:
    from .compiled.nuts import nuts

    return nuts


def _gibbs() -> DensityEngine:
    from .compiled.gibbs import gibbs

    return gibbs


def _laplace() -> DensityEngine:
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
        Sampler("nutpie", of_density=_density_nutpie, of_model=_model_nutpie, with_pruning=True),
        Sampler("gibbs", of_density=_gibbs, has_sweeps=True, draws_from_prior=True),
        Sampler("laplace", of_density=_laplace, with_pruning=True),
        Sampler("pymc", of_model=_pymc),
        Sampler("numpyro", of_model=_numpyro, libraries=("jax", "numpyro")),
        Sampler("blackjax", of_model=_blackjax, libraries=("jax", "blackjax")),
        Sampler("advi", of_model=_advi),
        Sampler("fullrank_advi", of_model=_fullrank_advi),
        Sampler("pathfinder", of_model=_pathfinder, libraries=("jax", "blackjax")),
        Sampler("smc", of_model=_smc, draws_from_prior=True),
    )
}


def names_where(has: Callable[[Sampler], object]) -> list[str]:
    """The names of the samplers that have something."""
    return [sampler.name for sampler in SAMPLERS.values() if has(sampler)]


def sampler_named(name: str, has: Callable[[Sampler], object] = lambda sampler: True) -> Sampler:
    """The sampler of that name, among those that have something.

    Raises
    ------
    ValueError
        There is none.
    """
    return SAMPLERS[check_choice("sampler", name, names_where(has))]
