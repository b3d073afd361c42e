"""What a run that was stopped says."""

from __future__ import annotations

import warnings
from pathlib import Path

from ..errors import ConvergenceAdvice
from .settings import Settings

TOO_EARLY = "stopped before a chain had a draw"


def warn_if_stopped(chains: int, draws: int, settings: Settings) -> None:
    """Warn where there are fewer chains or draws than were asked for."""
    if (chains, draws) != (settings.chains, settings.draws):
        package = str(Path(__file__).parent.parent)  # the caller's own line is the one to name
        warnings.warn(
            f"sampling was interrupted: {draws} draws of {chains} chains are kept.",
            ConvergenceAdvice,
            skip_file_prefixes=(package,),
        )
