"""What a run that was stopped says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import ConvergenceAdvice
from ...utils.warnings import warn
from .settings import Settings

TOO_EARLY = "stopped before a chain had a draw"


def largest_rectangle(made: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Which chains to keep, and how many draws of each, where they have made so many.

    Raises
    ------
    KeyboardInterrupt
        No chain has made one.
    """
    if not made.any():
        raise KeyboardInterrupt(TOO_EARLY)
    longest_first = np.argsort(-made, kind="stable")
    n_chains = int(np.argmax(made[longest_first] * np.arange(1, len(made) + 1))) + 1
    kept = np.sort(longest_first[:n_chains])
    return kept, int(made[kept].min())


def warn_if_stopped(chains: int, draws: int, settings: Settings) -> None:
    """Warn where there are fewer chains or draws than were asked for."""
    if (chains, draws) != (settings.chains, settings.draws):
        warn(
            f"sampling was interrupted: {draws} draws of {chains} chains are kept.",
            ConvergenceAdvice,
        )
