"""The mixture of a result: of a fit, and of what stands for one."""

from __future__ import annotations

from typing import Any, Protocol

from .apart import refuse_apart
from .mixture import Mixture
from .noise import Noise


class HasMixture(Protocol):
    """A result that has a mixture, as a `Fit` does."""

    @property
    def mixture(self) -> Mixture:
        """The estimates as a distribution."""


def estimate_of(value: Any) -> Any:
    """The fit that an estimator or a grid stands for; anything else as it is.

    Both have it as `__fit__`, a method without arguments.
    """
    stands_for = getattr(type(value), "__fit__", None)
    return value if stands_for is None else stands_for(value)


def mixture_of(fit: Any, *, beside_noise: bool = False) -> Mixture:
    """The mixture of a fit, or of what stands for one; a mixture itself.

    beside_noise: the caller knows what to do with noise, which is not in the mixture.

    Raises
    ------
    TypeError
        Something else.
    NotImplementedError
        A fit with noise, unless `beside_noise`.
    """
    found = estimate_of(fit)
    if hasattr(found, "noise_share") and not beside_noise:  # its mixture would see no noise
        refuse_apart(found)
    mixture = getattr(found, "mixture", fit)
    if not isinstance(mixture, Mixture):
        raise TypeError(
            f"fit is a {type(fit).__name__}: pass a Fit, a Mixture, a Selection or a "
            "GaussianMixture."
        )
    return mixture


def noise_of(found: Any) -> tuple[Noise | None, float]:
    """What is beside the mixture of a fit, and its share: None and 0 without noise."""
    return getattr(found, "noise", None), float(getattr(found, "noise_share", 0.0))
