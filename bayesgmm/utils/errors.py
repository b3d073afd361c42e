"""The package's errors and warnings, each a class of its own that callers can catch."""

from __future__ import annotations


class DegenerateComponentError(ValueError):
    """A component's covariance is singular in the data's own scale (see `component`)."""

    def __init__(self, component: int, message: str | None = None) -> None:
        super().__init__(message or f"the covariance of component {component} is singular")
        self.component = component


class DataError(ValueError):
    """The data handed in cannot be used; the message says which column or value and the cure."""


class WorkersGoneError(RuntimeError):
    """The machines that computed are gone; what a checkpoint has kept can be gone on with."""


class DegenerateFitWarning(UserWarning):
    """EM ran into a singular covariance; the fit holds the last valid parameters."""


class DataWarning(UserWarning):
    """Columns with few, rounded or sentinel values, onto which a Gaussian can shrink."""


class ConvergenceAdvice(UserWarning):
    """A result is usable with care: EM stopped early, or the draws have not converged."""


class CostAdvice(UserWarning):
    """A computation will take long; the message says why, and what takes less."""


class InterruptionAdvice(ConvergenceAdvice):
    """Ctrl-C stopped a computation: the result is partial, and says so (`interrupted`)."""
