"""A prior's distributions in words: the parameter, its distribution, and a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..families.hyperparameters import Gamma, show
from ..families.inverse_wishart import InverseWishart
from ..families.lkj import LKJ
from ..utils.types import FloatArray
from .share_of_noise import UNIFORM

if TYPE_CHECKING:
    import pandas as pd


class ShownInWords:
    """A prior's table, and how it is shown."""

    if TYPE_CHECKING:
        mean: FloatArray
        mean_covariance: FloatArray | None
        mean_strength: float | None
        concentration: float | Gamma
        noise_share: tuple[float, float]

        @property
        def random(self) -> tuple[str, ...]:
            """Names of the hyperparameters that are random themselves."""

        @property
        def of_covariances(self) -> InverseWishart | LKJ:
            """The prior of the covariances."""

    def to_frame(self) -> pd.DataFrame:
        """The prior in words, one row per parameter and per random hyperparameter.

        The share of noise has one where its prior is not uniform.

        Returns
        -------
        DataFrame
            `parameter`, `prior`, `note`.
        """
        import pandas as pd

        means = means_in_words(self.mean, self.mean_covariance, self.mean_strength)
        rows = [proportions_in_words(self.concentration), means, self.of_covariances.in_words()]
        rows += [random_in_words(name, getattr(self, name)) for name in self.random]
        if self.noise_share != UNIFORM:
            rows.append(share_in_words(*self.noise_share))
        return pd.DataFrame(rows, columns=["parameter", "prior", "note"])

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, border=0)
        return f"<p><b>Prior</b></p>{table}"

    def __repr__(self) -> str:
        rows = list(self.to_frame().itertuples(index=False))
        width = max(8, *(len(name) + 1 for name, _, _ in rows))
        return "\n".join(["Prior", *(f"  {name:{width}s}~ {text}" for name, text, _ in rows)])


def proportions_in_words(a: float | Gamma) -> tuple[str, str, str]:
    """The Dirichlet distribution of the proportions."""
    each = "concentration" if isinstance(a, Gamma) else f"{a:g}"
    return "pi", f"Dirichlet({each}, ..., {each})", "uniform" if a == 1 else ""


def means_in_words(
    mean: FloatArray, covariance: FloatArray | None, strength: float | None
) -> tuple[str, str, str]:
    """The normal distribution of a mean, with the covariance or the strength given."""
    if covariance is None:
        text, note = f"Sigma_k / {strength:g}", f"conjugate, worth {strength:g} rows"
    else:
        text, note = show(covariance), "independent of Sigma_k"
    return "mu_k", f"Normal({show(mean)}, {text})", note


def random_in_words(name: str, value: Gamma) -> tuple[str, str, str]:
    """The distribution of a hyperparameter."""
    return name, str(value), f"mean {show(np.atleast_1d(value.mean))}"


def share_in_words(a: float, b: float) -> tuple[str, str, str]:
    """The beta distribution of the share of noise."""
    return "noise_share", f"Beta({a:g}, {b:g})", f"mean {a / (a + b):.3g}, where a fit has noise"
