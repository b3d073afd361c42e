"""How many of K components hold rows, under the prior: an exact recursion over rows.

Rows fall into components as balls into Polya's urn: after n rows, of which k components hold some,
the next one falls into an empty component with probability (K - k) a / (n + K a), a the Dirichlet's
concentration. The distribution of k is carried from row to row (Greve, Gruen,
Fruehwirth-Schnatter & Malsiner-Walli 2022, J. Comput. Graph. Stat., 32, 591-609, have the same
numbers by another recursion).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..kernels.compilation import F2, FLOAT, INT, part


@part(nb.void(INT, INT, FLOAT, F2), from_python=True)
def carry_over_rows(n_rows, n_components, concentration, shares):  # type: ignore[no-untyped-def]
    """Write into shares[0] (2, K + 1) the probabilities that 0, ..., K components hold rows.

    shares[1] is scratch.
    """
    old, new = shares[0], shares[1]
    for k in range(n_components + 1):
        old[k] = 1.0 if k == 0 else 0.0
    for n in range(n_rows):
        unit = 1.0 / (n + n_components * concentration)
        new[0] = old[0] * n * unit
        for k in range(1, n_components + 1):
            stays = (n + k * concentration) * old[k]
            new[k] = (stays + (n_components - k + 1) * concentration * old[k - 1]) * unit
        for k in range(n_components + 1):
            old[k] = new[k]


def filled_probabilities(n_rows: int, n_components: int, concentration: float) -> np.ndarray:
    """Probabilities (K,) that 1, ..., K components of K hold some of so many rows."""
    shares = np.empty((2, n_components + 1))
    carry_over_rows(n_rows, n_components, concentration, shares)
    return shares[0, 1:]
