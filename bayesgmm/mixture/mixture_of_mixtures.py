"""The prior of a mixture whose number of components is unknown."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np

from ..families.hyperparameters import Gamma, concentration_or_gamma, plain
from ..utils.types import FloatArray
from .prior import Prior
from .prior_on_k import PriorOnK


@dataclass(frozen=True, slots=True, eq=False)
class MixtureOfMixtures:
    """The prior of a mixture of finite mixtures (Miller & Harrison 2018, JASA 113, 340-356).

    Attributes
    ----------
    prior : Prior
        Of means and covariances; its concentration is not used.
    on_k : PriorOnK
        Of the number K of components.
    concentration : float or Gamma
        a of the proportions' Dirichlet(a, ..., a); if dynamic, of Dirichlet(a / K, ..., a / K).
    dynamic : bool
        Whether it is a / K.
    """

    prior: Prior
    on_k: PriorOnK
    concentration: float | Gamma
    dynamic: bool

    def given(self, n_components: int) -> Prior:
        """The prior of a mixture of so many components."""
        a = self.concentration
        if self.dynamic:
            a = a.times(1 / n_components) if isinstance(a, Gamma) else a / n_components
        return replace(self.prior, concentration=a)

    def on_filled(self, n_rows: int) -> FloatArray:
        """Prior probabilities (M,) of the number of components that hold some of so many rows."""
        return self.on_k.filled(n_rows, self.concentration, dynamic=self.dynamic)

    @property
    def of_proportions(self) -> str:
        """The proportions' prior in words."""
        each = f"{self.concentration}{' / K' if self.dynamic else ''}"
        return f"Dirichlet of concentration {each}"

    def to_text(self) -> str:
        """All but the prior of the parameters as JSON."""
        return json.dumps({
            "probabilities": self.on_k.probabilities.tolist(),
            "text": self.on_k.text,
            "concentration": plain(self.concentration),
            "dynamic": self.dynamic,
        })  # fmt: skip

    @classmethod
    def from_text(cls, prior: Prior, text: str) -> MixtureOfMixtures:
        """What `to_text` wrote, with the prior of the parameters."""
        kept = json.loads(text)
        on_k = PriorOnK(np.array(kept["probabilities"]), str(kept["text"]))
        a = concentration_or_gamma(kept["concentration"])
        return cls(prior, on_k, a, bool(kept["dynamic"]))
