"""Fits with a uniform component for noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.data import Data
from ..data.lazy import lazy_on_dask
from ..mixture.noise import Box, Noise
from ..mixture.noisy_mixture import NoisyMixture
from ..mixture.regression import regression
from ..utils.types import FloatArray, IntArray
from ..utils.validation import positive
from .entropy import uncertainty
from .noise import NoisyRows
from .result import Fit

if TYPE_CHECKING:
    import pandas as pd

#: What follows the family in the name of a model with noise.
SUFFIX = "+noise"
_NONE = Noise(-np.inf, False)


@dataclass(frozen=True, eq=False, repr=False)
class NoisyFit(Fit, kind="noise"):
    """A mixture fitted by EM beside a uniform component for noise.

    What a `Fit` is and has, with these differences: `mixture`, and its `weights`, are those of what
    is not noise; `loglik` and the criteria have the noise in them, and `n_parameters` counts
    its share, and its volume if it was estimated; `predict` gives -1 for noise. `refine` samples
    the posterior of all of it.

    Attributes
    ----------
    noise_share : float
        pi_0, the share of noise.
    noise : Noise
        Its density, and where it is.
    """

    noise_share: float = 0.0
    noise: Noise = _NONE

    @property
    def noise_density(self) -> float:
        """c, the noise's density in the data's units."""
        return float(np.exp(self.noise.log_density))

    @property
    def volume_estimated(self) -> bool:
        """Whether the density is one over the volume of the rows, and not given."""
        return self.noise.estimated

    @property
    def ranges(self) -> tuple[float, ...]:
        """The columns' ranges: of a row that lacks values the noise has c times their ranges."""
        assert self.noise.ends is not None
        return tuple(np.ptp(self.noise.ends, axis=0).tolist())

    @property
    def noisy_mixture(self) -> NoisyMixture:
        """The estimates of components and noise together, as a distribution."""
        return NoisyMixture(self.mixture, self.noise_share, self.noise)

    @property
    def model_name(self) -> str:
        """The family, and "+noise"."""
        return f"{self.family.name}{SUFFIX}"

    @property
    def apart(self) -> str:
        """What the fit has that others do not know."""
        return "has a noise component"

    @property
    def advice(self) -> str:
        """How EM ended, in words, and what to do next."""
        if self.status.sound or self.expected_rows.sum() >= 1:
            return super().advice
        cure = (
            "no component of this kind is in the rows"
            if self.volume_estimated
            else "pass a lower density, or noise=True, for one over the rows' volume"
        )
        return (
            f"all rows are noise: its density, {self.noise_density:.3g}, is above what components "
            f"give them; {cure}."
        )

    @property
    def n_parameters(self) -> int:
        """Free parameters: those of the mixture, the share of noise, and an estimated volume."""
        return self.family.n_parameters(self.n_components, self.d) + 1 + self.volume_estimated

    @property
    def expected_rows(self) -> FloatArray:
        """Rows that each component is expected to have, (K,); the others are noise."""
        return self.n * (1 - self.noise_share) * self.weights

    @lazy_on_dask
    def noise_probability(self, X: Any) -> FloatArray:  # noqa: N803
        """The probability of each row (n,) to be noise."""
        return self.noisy_mixture.noise_probability(X)

    @lazy_on_dask
    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Responsibilities (n, K + 1): those of the components, then that of the noise."""
        return self.noisy_mixture.predict_proba(X)

    @lazy_on_dask
    def predict(self, X: Any) -> IntArray:  # noqa: N803
        """The most probable component of each row, (n,) of int; -1 for noise."""
        return self.noisy_mixture.predict(X)

    @lazy_on_dask
    def score_samples(self, X: Any) -> FloatArray:  # noqa: N803
        """Log density of each row under components and noise, (n,), as if noise were everywhere."""
        return self.noisy_mixture.log_density(X)

    def sample(
        self, n: int, random_seed: int | np.random.Generator | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Draw n rows (n, d) and their components (n,), -1 for noise: `NoisyMixture.sample`."""
        return self.noisy_mixture.sample(n, random_seed)

    def impute(
        self,
        X: Any,  # noqa: N803
        draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """The rows with missing values filled in, (n, d) or (draws, n, d): `NoisyMixture.impute`.

        What a row of noise lacks is uniform over the columns' ranges.
        """
        return self.noisy_mixture.impute(X, draws, random_seed)

    def marginal(self, columns: Sequence[str | int] | str | int) -> NoisyMixture:  # type: ignore[override]
        """Components and noise in some columns alone: `NoisyMixture.marginal`."""
        return self.noisy_mixture.marginal(columns)

    def conditional(self, given: Mapping[str | int, float]) -> NoisyMixture:  # type: ignore[override]
        """Components and noise in the other columns, given some: `NoisyMixture.conditional`."""
        return self.noisy_mixture.conditional(given)

    def regression(
        self,
        response: str | int,
        X: Any,  # noqa: N803
        *,
        given: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
    ) -> pd.DataFrame:
        """As `Fit.regression`, of components and noise together, which needs their `marginal`."""
        return regression(self.mixture, response, X, given, ci_prob, self.noisy_mixture)

    def to_meta(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values."""
        names = ("noise_share", "noise_density", "volume_estimated")
        return super().to_meta() | {name: getattr(self, name) for name in names}

    def to_arrays(self) -> dict[str, FloatArray]:
        """The arrays, by name: the columns' ends, and the box of an estimated volume."""
        noise = self.noise
        assert noise.ends is not None
        own = {"noise_ends": noise.ends}
        if noise.box is not None:
            own["noise_box"] = np.vstack(noise.box)
        return super().to_arrays() | own

    @classmethod
    def _own_fields(cls, meta: dict[str, Any], arrays: dict[str, FloatArray]) -> dict[str, Any]:
        """What it has besides a `Fit`, from saved metadata and arrays."""
        share, estimated = float(meta["noise_share"]), meta["volume_estimated"]
        if not 0 <= share <= 1 or not isinstance(estimated, bool):
            raise ValueError(f"the share of noise is {share}, its volume estimated {estimated!r}")
        d, ends = len(meta["names"]), arrays["noise_ends"]
        if ends.shape != (2, d) or not (ends[0] < ends[1]).all():
            raise ValueError(f"the columns' ends are not two of {d} columns")
        box = None
        if estimated:
            numbers = arrays["noise_box"]
            if numbers.shape != (d + 3, d) or not np.isfinite(numbers).all():
                raise ValueError(f"the noise's box is not one of {d} columns")
            box = Box(numbers[:d], *numbers[d:])
        log_density = float(np.log(positive(meta["noise_density"], "noise_density")))
        return {"noise_share": share, "noise": Noise(log_density, estimated, ends, box)}

    def _lines(self) -> list[tuple[str, str]]:
        how = "one over the rows' volume" if self.volume_estimated else "given"
        text = f"share {self.noise_share:.4g}, density {self.noise_density:.4g} ({how})"
        return [*super()._lines(), ("noise", text)]


def with_noise(found: Fit, data: Data, noise: Noise) -> NoisyFit:
    """The fit with its noise, and the entropy of all responsibilities."""
    p = found.mixture.parameters_about(data.center)
    share = NoisyRows(data, noise, found.prior).best_share(p)
    values = {field.name: getattr(found, field.name) for field in fields(Fit)}
    values["entropy"], values["log_map"] = uncertainty(data, p, noise, share)
    return NoisyFit(**values, noise_share=share, noise=noise)
