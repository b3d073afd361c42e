"""Gaussian mixtures twice over: fitted by EM in milliseconds, and as a posterior by MCMC.

    fit = bayesgmm.fit(X, 2)                  maximum likelihood (or MAP) by EM
    selection = bayesgmm.select(X)            the grid of families and numbers of components
    posterior = bayesgmm.refine(X, fit)       the same mixture's posterior, by NUTS from the fit on
    model = bayesgmm.build_model(X, fit)      the same posterior, as a PyMC model to edit
    bayesgmm.compare({"K=2": fit, ...})       one table for fits and posteriors
    bayesgmm.report(X)                        all of it, as one HTML file

Importing this module loads neither PyMC nor matplotlib: names load what they need when used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import datasets as datasets
    from .bootstrap import bootstrap_lrt as bootstrap_lrt
    from .classification import agreement as agreement
    from .classification import classify as classify
    from .comparison import Comparison as Comparison
    from .comparison import compare as compare
    from .errors import ConvergenceAdvice as ConvergenceAdvice
    from .errors import DataError as DataError
    from .errors import DegenerateFitWarning as DegenerateFitWarning
    from .estimator import GaussianMixture as GaussianMixture
    from .families import FAMILIES as FAMILIES
    from .fitting import fit as fit
    from .hyperparameters import Gamma as Gamma
    from .merging import merge as merge
    from .mixture import Mixture as Mixture
    from .model import build_model as build_model
    from .posterior import Posterior as Posterior
    from .prior import Prior as Prior
    from .probabilities import model_probabilities as model_probabilities
    from .refinement import refine as refine
    from .reporting import report as report
    from .result import Fit as Fit
    from .selecting import select as select
    from .selection import Selection as Selection
    from .uncertainty import standard_errors as standard_errors
    from .versions import show_versions as show_versions

_HOME = {
    "Comparison": "comparison",
    "ConvergenceAdvice": "errors",
    "DataError": "errors",
    "DegenerateFitWarning": "errors",
    "FAMILIES": "families",
    "Fit": "result",
    "Gamma": "hyperparameters",
    "GaussianMixture": "estimator",
    "Mixture": "mixture",
    "Posterior": "posterior",
    "Prior": "prior",
    "Selection": "selection",
    "agreement": "classification",
    "bootstrap_lrt": "bootstrap",
    "build_model": "model",
    "classify": "classification",
    "compare": "comparison",
    "fit": "fitting",
    "merge": "merging",
    "model_probabilities": "probabilities",
    "refine": "refinement",
    "report": "reporting",
    "select": "selecting",
    "show_versions": "versions",
    "standard_errors": "uncertainty",
}

__all__ = ["__version__", "datasets", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return import_module(".datasets", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
