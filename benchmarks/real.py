"""The real data sets, and the best log-likelihoods known for them, where that folder is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import bayesgmm

NAMES = ("faithful", "iris", "galaxies", "acidity", "diabetes", "penguins")
# Numbers computed by other programs; not part of the repository.
REFERENCE = Path(__file__).parent.parent.parent / "shared" / "reference" / "reference"
# Log-likelihoods that differ by no more than this are the same optimum.
SAME = 1e-3


def rows(name: str) -> np.ndarray:
    """The features of a data set (n, d)."""
    frame = getattr(bayesgmm.datasets, f"load_{name}")(features_only=True)
    return frame.to_numpy(dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one cell: the best log-likelihood anyone found, and mclust's optimum.

    start is the log-likelihood that EM reaches from mclust's own start at a tight tolerance: by
    mclust, or for VVE, whose M-step in mclust is not the likelihood's, by another exact EM.
    """

    family: str
    k: int
    best: float | None
    start: float | None


def known(name: str, most: int) -> list[Known]:
    """The cells of a data set with up to that many components."""
    cells = json.loads((REFERENCE / f"ref_{name}.json").read_text(encoding="utf-8"))["grid"]
    return [
        Known(
            cell["model"],
            cell["K"],
            cell.get("loglik_best_known"),
            cell.get("loglik_exact_em" if cell["model"] == "VVE" else "loglik_mclust_tight"),
        )
        for cell in cells
        if cell["K"] <= most
    ]
