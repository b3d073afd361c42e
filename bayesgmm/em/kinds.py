"""All kinds of fits, which a file may hold: reading one, this module has been loaded."""

from __future__ import annotations

from .labelled_fit import LabelledFit
from .noisy_fit import NoisyFit
from .noisy_labelled_fit import NoisyLabelledFit
from .result import Fit

__all__ = ["Fit", "LabelledFit", "NoisyFit", "NoisyLabelledFit"]
