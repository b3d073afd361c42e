"""Plots of selections, fits, mergings and posteriors.

Our own are matplotlib figures, made without pyplot; those of chains and of predictive densities
are ArviZ's and return its `PlotCollection`, by any of its backends. Every function is also a method
of `plot` of the result that it shows: `fit.plot.density(X)`.
"""

from .accessors import ComponentsPlots, FitPlots, MergingPlots, PosteriorPlots, SelectionPlots
from .canvas import Figure, Place
from .chains import plot_energy, plot_rank, plot_trace
from .checks import plot_check, plot_predictive
from .classification import plot_classification, plot_uncertainty
from .coclustering import plot_coclustering
from .components import plot_components
from .criteria import plot_bic
from .density import plot_density
from .em import plot_convergence
from .labels import plot_label_moves
from .posterior import plot_posterior
from .profiles import plot_profiles
from .responsibilities import plot_responsibilities
from .style import colour
from .tree import plot_merging

__all__ = [
    "ComponentsPlots",
    "Figure",
    "FitPlots",
    "MergingPlots",
    "Place",
    "PosteriorPlots",
    "SelectionPlots",
    "colour",
    "plot_bic",
    "plot_check",
    "plot_classification",
    "plot_coclustering",
    "plot_components",
    "plot_convergence",
    "plot_density",
    "plot_energy",
    "plot_label_moves",
    "plot_merging",
    "plot_posterior",
    "plot_predictive",
    "plot_profiles",
    "plot_rank",
    "plot_responsibilities",
    "plot_trace",
    "plot_uncertainty",
]
