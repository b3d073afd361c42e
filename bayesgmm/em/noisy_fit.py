"""Fits with a uniform component for noise."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NoReturn

import numpy as np

from ..data.data import Data
from ..data.lazy import lazy_on_dask
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..mixture.noise import Noise, mixed, with_noise_column
from ..utils.types import FloatArray, IntArray
from ..utils.validation import positive
from .noise import NoisyRows
from .result import Fit

#: What follows the family in the name of a model with noise.
SUFFIX = "+noise"
# Rows whose probabilities are held at a time.
_BLOCK = 2**18


@dataclass(frozen=True, eq=False, repr=False)
class NoisyFit(Fit, kind="noise"):
    """A mixture fitted by EM beside a uniform component for noise.

    What a `Fit` is and has, with these differences: `mixture`, and its `weights`, are those of what
    is not noise; `loglik` and the criteria have the noise in them, and `n_parameters` counts
    its share, and its volume if it was estimated; `predict` gives -1 for noise. `refine` samples
    the posterior of all of it. What else would have to know the noise (`standard_errors`, `merge`,
    `compare`, plots) refuses it.

    Attributes
    ----------
    noise_share : float
        pi_0, the share of noise.
    noise_density : float
        c, its density in the data's units.
    volume_estimated : bool
        Whether the density is one over the volume of the rows, and not given.
    ranges : tuple of d float
        The columns' ranges: of a row that lacks values the noise has density c times their ranges.
    """

    noise_share: float = 0.0
    noise_density: float = 0.0
    volume_estimated: bool = True
    ranges: tuple[float, ...] = ()

    @property
    def noise(self) -> Noise:
        """The noise's density."""
        log_density = float(np.log(self.noise_density))
        return Noise(log_density, self.volume_estimated, np.log(self.ranges))

    @property
    def model_name(self) -> str:
        """The family, and "+noise"."""
        return f"{self.family.name}{SUFFIX}"

    @property
    def apart(self) -> str:
        """What the fit has that others do not know."""
        return "has a noise component"

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
        return self._mixed(X)[1]

    @lazy_on_dask
    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Responsibilities (n, K + 1): those of the components, then that of the noise."""
        return with_noise_column(self.mixture.predict_proba(X), self.noise_probability(X))

    @lazy_on_dask
    def predict(self, X: Any) -> IntArray:  # noqa: N803
        """The most probable component of each row, (n,) of int; -1 for noise."""
        found = np.argmax(self.predict_proba(X), axis=1)
        return np.where(found == self.n_components, -1, found)

    @lazy_on_dask
    def score_samples(self, X: Any) -> FloatArray:  # noqa: N803
        """Log density of each row under components and noise, (n,), as if noise were everywhere."""
        return self._mixed(X)[0]

    def sample(
        self, n: int, random_seed: int | np.random.Generator | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Refused: noise of a given density has no place.

        Raises
        ------
        NotImplementedError
            Always.
        """
        _refuse("drawn from")

    def impute(self, X: Any, draws: Any = None, random_seed: Any = None) -> NoReturn:  # noqa: N803
        """Refused, as `sample`: `fit.mixture.impute` takes all rows for those of components."""
        _refuse("used to fill in values")

    def marginal(self, columns: Any) -> NoReturn:
        """Refused, as `sample`: `fit.mixture.marginal` is that of the components."""
        _refuse("taken for some columns")

    def conditional(self, given: Any) -> NoReturn:
        """Refused, as `sample`: `fit.mixture.conditional` is that of the components."""
        _refuse("taken given some columns")

    def regression(self, response: Any, X: Any, **options: Any) -> NoReturn:  # noqa: N803
        """Refused, as `sample`."""
        _refuse("used for regression")

    def to_meta(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values."""
        names = ("noise_share", "noise_density", "volume_estimated", "ranges")
        return super().to_meta() | {name: getattr(self, name) for name in names}

    @classmethod
    def _own_fields(cls, meta: dict[str, Any], arrays: dict[str, FloatArray]) -> dict[str, Any]:
        """What it has besides a `Fit`, from saved metadata."""
        share, estimated = float(meta["noise_share"]), meta["volume_estimated"]
        if not 0 <= share <= 1 or not isinstance(estimated, bool):
            raise ValueError(f"the share of noise is {share}, its volume estimated {estimated!r}")
        ranges = tuple(positive(value, "ranges") for value in meta["ranges"])
        if len(ranges) != len(meta["names"]):
            raise ValueError(f"there are {len(ranges)} ranges of {len(meta['names'])} columns")
        return {
            "ranges": ranges,
            "noise_share": share,
            "noise_density": positive(meta["noise_density"], "noise_density"),
            "volume_estimated": estimated,
        }

    def _mixed(self, x: Any) -> tuple[FloatArray, FloatArray]:
        """Log densities (n,) of rows under components and noise, and of each to be noise."""
        rows = self.mixture.rows(x)
        log_noise = self.noise.of_rows(rows)
        return mixed(self.mixture.log_density(rows), log_noise, self.noise_share)

    def _lines(self) -> list[tuple[str, str]]:
        how = "one over the rows' volume" if self.volume_estimated else "given"
        text = f"share {self.noise_share:.4g}, density {self.noise_density:.4g} ({how})"
        return [*super()._lines(), ("noise", text)]


def _refuse(what: str) -> NoReturn:
    raise NotImplementedError(
        f"a fit with noise cannot be {what}: use its mixture (fit.mixture), that of what is not "
        "noise, or leave noise out."
    )


def with_noise(found: Fit, data: Data, noise: Noise) -> NoisyFit:
    """The fit with its noise, and the entropy of all responsibilities."""
    p = found.mixture.parameters_about(data.center)
    _, share = NoisyRows(data, noise).log_densities(p)
    values = {field.name: getattr(found, field.name) for field in fields(Fit)}
    values["entropy"], values["log_map"] = _uncertainty(data, p, noise, share)
    assert noise.log_ranges is not None
    return NoisyFit(
        **values, noise_share=share, noise_density=float(np.exp(noise.log_density)),
        volume_estimated=noise.estimated, ranges=tuple(np.exp(noise.log_ranges).tolist()),
    )  # fmt: skip


def _uncertainty(data: Data, p: Parameters, noise: Noise, share: float) -> tuple[float, float]:
    """The entropy of the responsibilities, and the sum of the logarithms of the largest."""
    entropy, log_map = 0.0, 0.0
    for _, block in data.blocks(len(p.weights) + 1, _BLOCK):
        of_components, resp = evaluate(block, p, responsibilities=True)
        resp = with_noise_column(resp, mixed(of_components, noise.of_rows(block), share)[1])
        logs = np.log(np.where(resp > 0, resp, 1.0))
        weights = np.ones(block.n) if block.counted is None else block.counted
        entropy -= float(weights @ np.sum(resp * logs, axis=1))
        log_map += float(weights @ np.log(resp.max(axis=1)))
    return entropy, log_map
