"""A posterior by NUTS and by Gibbs sampling, which have to agree."""

from __future__ import annotations

import warnings

import numpy as np

import bayesgmm
from bayesgmm.utils.errors import ConvergenceAdvice


def agreeing(x, fit):
    """Summaries by either; means within 4.5 errors, evidences by two methods within 4."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        a, b = (
            bayesgmm.refine(x, fit, sampler=name, random_seed=1, progressbar=False)
            for name in ("nutpie", "gibbs")
        )
    one, other = a.summary(), b.summary()
    error = np.hypot(one["mcse_mean"], other["mcse_mean"])
    assert (np.abs(one["mean"] - other["mean"]) <= 4.5 * error).all()
    bridge, importance = (b.log_evidence(m, random_seed=1) for m in ("bridge", "importance"))
    assert abs(bridge.value - importance.value) < 4 * np.hypot(bridge.error, importance.error)
    assert bridge.error < 0.05
    return one, other
