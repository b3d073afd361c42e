"""Gaussian mixtures: fitted by EM in milliseconds, and their uncertainty by MCMC.

    fit = bayesgmm.fit(X, 2)                  maximum likelihood (or MAP) by EM
    selection = bayesgmm.select(X)            the grid of families and numbers of components
    posterior = bayesgmm.refine(X, fit)       the mixture's posterior, by NUTS started at the fit
    bayesgmm.sample_components(X, fit)        the posterior of the number of components, too
    model = bayesgmm.build_model(X, fit)      the same posterior, as a PyMC model to edit
    bayesgmm.compare({"K=2": fit, ...})       one table for fits and posteriors
    bayesgmm.report(X)                        all of it, as one HTML file

Importing this module loads neither PyMC nor matplotlib: each name loads what it needs when used.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .utils.extension import Extension
from .utils.plotting import PlotAccessor

if TYPE_CHECKING:
    from . import datasets as datasets
    from . import plots as plots
    from .comparison.agreement import agreement as agreement
    from .comparison.average import ModelAverage as ModelAverage
    from .comparison.average import average as average
    from .comparison.compare import compare as compare
    from .comparison.model_probabilities import model_probabilities as model_probabilities
    from .comparison.table import Comparison as Comparison
    from .data.in_chunks import in_chunks as in_chunks
    from .data.on_device import on_device as on_device
    from .em.fit import fit as fit
    from .em.kinds import Fit as Fit
    from .em.noise_sensitivity import noise_sensitivity as noise_sensitivity
    from .em.standard_errors.standard_errors import standard_errors as standard_errors
    from .em.starts.linkage import hierarchical_linkage as hierarchical_linkage
    from .estimators.discriminant import DiscriminantAnalysis as DiscriminantAnalysis
    from .estimators.mixture import GaussianMixture as GaussianMixture
    from .estimators.regression import Regression as Regression
    from .families import FAMILIES as FAMILIES
    from .families.hyperparameters import Gamma as Gamma
    from .families.lkj import LKJ as LKJ
    from .mixture.classification import classify as classify
    from .mixture.merging import merge as merge
    from .mixture.mixture import Mixture as Mixture
    from .mixture.prior import Prior as Prior
    from .mixture.prior_on_k import PriorOnK as PriorOnK
    from .posterior.components import ComponentsPosterior as ComponentsPosterior
    from .posterior.posterior import Posterior as Posterior
    from .reporting import report as report
    from .reporting.versions import show_versions as show_versions
    from .sampling.leave_out import leave_out as leave_out
    from .sampling.pymc.model import build_model as build_model
    from .sampling.refine import refine as refine
    from .sampling.sample_components import sample_components as sample_components
    from .selection.bootstrap_lrt import bootstrap_lrt as bootstrap_lrt
    from .selection.select import select as select
    from .selection.selection import Selection as Selection
    from .utils.errors import ConvergenceAdvice as ConvergenceAdvice
    from .utils.errors import CostAdvice as CostAdvice
    from .utils.errors import DataError as DataError
    from .utils.errors import DataWarning as DataWarning
    from .utils.errors import DegenerateFitWarning as DegenerateFitWarning
    from .utils.errors import InterruptionAdvice as InterruptionAdvice
    from .utils.errors import WorkersGoneError as WorkersGoneError

_HOME = {
    "Comparison": "comparison.table",
    "ComponentsPosterior": "posterior.components",
    "ConvergenceAdvice": "utils.errors",
    "CostAdvice": "utils.errors",
    "DataError": "utils.errors",
    "DataWarning": "utils.errors",
    "DegenerateFitWarning": "utils.errors",
    "DiscriminantAnalysis": "estimators.discriminant",
    "FAMILIES": "families",
    "Fit": "em.kinds",
    "Gamma": "families.hyperparameters",
    "GaussianMixture": "estimators.mixture",
    "InterruptionAdvice": "utils.errors",
    "LKJ": "families.lkj",
    "Mixture": "mixture.mixture",
    "ModelAverage": "comparison.average",
    "Posterior": "posterior.posterior",
    "Prior": "mixture.prior",
    "PriorOnK": "mixture.prior_on_k",
    "Regression": "estimators.regression",
    "Selection": "selection.selection",
    "WorkersGoneError": "utils.errors",
    "agreement": "comparison.agreement",
    "average": "comparison.average",
    "bootstrap_lrt": "selection.bootstrap_lrt",
    "build_model": "sampling.pymc.model",
    "classify": "mixture.classification",
    "compare": "comparison.compare",
    "fit": "em.fit",
    "hierarchical_linkage": "em.starts.linkage",
    "in_chunks": "data.in_chunks",
    "leave_out": "sampling.leave_out",
    "merge": "mixture.merging",
    "model_probabilities": "comparison.model_probabilities",
    "noise_sensitivity": "em.noise_sensitivity",
    "on_device": "data.on_device",
    "refine": "sampling.refine",
    "report": "reporting",
    "sample_components": "sampling.sample_components",
    "select": "selection.select",
    "show_versions": "reporting.versions",
    "standard_errors": "em.standard_errors.standard_errors",
}

# Modules that are public as such.
_MODULES = ("datasets", "plots")

__all__ = ["__version__", *_MODULES, *sorted(_HOME)]

# Results cannot import the plots, which import the results: the first plot loads the module. Nor
# can posteriors import what samples them.
PlotAccessor.home = partial(import_module, ".plots.accessors", __name__)
Extension.home = partial(import_module, ".sampling.extend", __name__)

# For the child process that compiles in advance what this one will need (`kernels/compilation.py`).
_PRECOMPILE = "sampling.precompile"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name == "_precompile":
        return import_module(f".{_PRECOMPILE}", __name__).precompile
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
