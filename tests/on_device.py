"""Passes and fits of rows on a device beside those of the same rows on the processor, by JAX.

`python -m tests.on_device cpu|gpu [few]` prints the worst differences as JSON. It is a process of
its own because JAX's threads do not go together with fork (tests/kernels/test_device.py starts it).
"""

from __future__ import annotations

import json
import sys

import numpy as np

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.kernels.device import cuda
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.kernels.e_step.e_step import evaluate, measured_statistics

FEW = [(1, 2), (3, 5), (8, 16), (13, 3)]
MANY = [
    *FEW,
    (2, 1),
    (2, 17),
    (4, 40),
    (5, 33),
    (8, 40),
    (16, 7),
    (24, 9),
    (33, 8),
    (64, 32),
    (70, 5),
]


def mixture_of(rng, data, n_components, diagonal, width):
    """A mixture about some of the rows, whose components are so wide in standard deviations."""
    d = data.d
    root = rng.normal(size=(n_components, d, d)) / np.sqrt(d) + np.eye(d)
    covariances = width**2 * root @ root.transpose(0, 2, 1) * np.outer(data.sd, data.sd)
    if diagonal:
        covariances = np.ascontiguousarray(np.einsum("kii->ki", covariances))
    means = np.asarray(data.values[np.arange(n_components) * 7], dtype=float) - data.center
    return Parameters(rng.dirichlet(np.full(n_components, 5.0)), means, covariances)


def relative(a, b):
    return float(np.max(np.abs(np.asarray(a) - b)) / max(np.max(np.abs(b)), 1e-300))


def passes(device, sizes, n=3001):
    """Worst relative differences of everything that a pass tells, over many kinds of passes."""
    worst = dict.fromkeys(
        ("loglik", "certainty", "counts", "means", "scatters", "density", "resp"), 0.0
    )
    rng = np.random.default_rng(1)
    for d, k in sizes:
        x = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 4, d) + 1e4 * rng.normal(size=d)
        for dtype, weighted in ((np.float64, False), (np.float64, True), (np.float32, False)):
            rows = np.asarray(x, dtype=dtype)
            host = as_data(rows, sample_weight=rng.random(n) + 0.1 if weighted else None)
            there = bayesgmm.on_device(host, device)
            if weighted:  # a stretch that begins anywhere
                host, there = host.part(3, n - 5), there.part(3, n - 5)
            for diagonal in (False, True):
                for width in (0.7, 3e-5):
                    p = mixture_of(rng, host, k, diagonal, width)
                    a, b = measured_statistics(there, p), measured_statistics(host, p)
                    (da, ra), (db, rb) = (
                        evaluate(z, p, responsibilities=True) for z in (there, host)
                    )
                    s, t = a.statistics, b.statistics
                    units = host.sd
                    spread = np.outer(units, units) if t.scatters.ndim == 3 else units**2
                    found = {
                        "loglik": relative(a.loglik, b.loglik),
                        "certainty": abs(a.log_certainty - b.log_certainty) / n,
                        "counts": relative(s.counts, t.counts),
                        "means": relative(s.means / units, t.means / units),
                        "scatters": relative(s.scatters / spread, t.scatters / spread),
                        "density": relative(da, db),
                        "resp": float(np.abs(ra - rb).max()),
                    }
                    # What a row's log density loses to rounding, its sums lose too.
                    for name, value in found.items():
                        worst[name] = max(worst[name], value)
    return worst


def fits(device):
    """Fits of all families, a grid, predictions and a posterior, beside the processor's."""
    x = bayesgmm.datasets.load_iris().select_dtypes("number")
    there = bayesgmm.on_device(x, device)
    out = {"families": 0.0}
    start = np.arange(150) // 50
    for family in bayesgmm.FAMILIES:
        if len(family) == 3:
            a, b = (bayesgmm.fit(z, 3, family, start=start) for z in (there, x))
            out["families"] = max(out["families"], relative(a.loglik, b.loglik))
    out["resp"] = float(np.abs(a.predict_proba(there) - b.predict_proba(x)).max())
    out["samples"] = relative(a.score_samples(there), b.score_samples(x))
    out["labels"] = int(np.sum(a.predict(there) != b.predict(x)))
    errors = [
        bayesgmm.standard_errors(fit, z, method="information") for fit, z in ((a, there), (b, x))
    ]
    out["errors"] = relative(errors[0].means, errors[1].means)
    grids = [
        bayesgmm.select(z, range(1, 3), ["EEE", "VVV", "VVI"], random_seed=0, progressbar=False)
        for z in (there, x)
    ]
    tables = [grid.table["bic"].to_numpy(dtype=float) for grid in grids]
    out["grid"] = relative(*tables)
    gm = bayesgmm.GaussianMixture(3, random_state=0).fit(there)
    out["estimator"] = relative(
        gm.lower_bound_, bayesgmm.GaussianMixture(3, random_state=0).fit(x).lower_bound_
    )
    return out


def main(device, few):
    cuda_here = device == "gpu"
    found = {"passes": passes(device, FEW if few else MANY), "fits": fits(device)}
    if cuda_here:
        capability = cuda._capability
        cuda._capability = lambda _: 0
        found["passes by JAX"] = passes(device, FEW)
        cuda._capability = capability
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], "few" in sys.argv)
