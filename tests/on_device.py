"""Passes and fits of rows on a device beside those of the same rows on the processor, by JAX.

`python -m tests.on_device cpu|gpu [few]` prints the worst differences, a line of JSON for each job.
It is a process of its own because JAX's threads do not go together with fork
(tests/kernels/test_device.py starts it).
"""

from __future__ import annotations

import json
import pickle
import sys

import numpy as np

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.data.same_data import difference
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.kernels.device import cuda
from bayesgmm.kernels.device.rows import DeviceRows
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.kernels.e_step.e_step import evaluate, measured_statistics
from bayesgmm.sampling.problem import PosteriorProblem

FEW = [(1, 2), (3, 5), (8, 16), (13, 3)]
MANY = [*FEW, (2, 17), (5, 33), (8, 40), (16, 7), (33, 8), (64, 32), (70, 5)]


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
        bayesgmm.standard_errors(z, fit, method="information") for fit, z in ((a, there), (b, x))
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


def densities(device):
    """Log posterior densities and gradients of rows there, beside those of rows here."""
    x = bayesgmm.datasets.load_faithful()
    data, there = as_data(x), bayesgmm.on_device(x, device)
    worst = {"value": 0.0, "gradient": 0.0}
    rng = np.random.default_rng(2)
    for family in ("VVV", "EEI", "VEV"):
        fit = bayesgmm.fit(x, 2, family, random_seed=0)
        problems = [PosteriorProblem.of(z, fit) for z in (there, data)]
        a, b = (LogPosterior(p.data, p.parametrisation, p.prior) for p in problems)
        for _ in range(5):
            point = 0.3 * rng.standard_normal(a.size)
            (value, gradient), (other, slope) = a(point), b(point)
            worst["value"] = max(worst["value"], relative(value, other))
            worst["gradient"] = max(worst["gradient"], relative(gradient, slope))
    return worst


def rows(device):
    """What the rows of a table are like there, and what is refused, in words."""
    x = np.random.default_rng(0).normal(size=(100, 3))
    there = bayesgmm.on_device(x, device)
    values, found = there.values, {}
    found["same"] = bool(
        np.array_equal(values, x)
        and np.array_equal(values[10:20][2:4], x[12:14])
        and np.array_equal(values[np.arange(0, 100, 7)], x[::7])
        and np.array_equal(values[x[:, 0] > 0], x[x[:, 0] > 0])
        and np.array_equal(values[:, [2, 0]], x[:, [2, 0]])
        and np.array_equal(there.part(5, 9).values, x[5:9])
        and there.distinct_rows(50) == 50
        and bayesgmm.on_device(there) is there
        and np.array_equal(pickle.loads(pickle.dumps(values[3:9])), x[3:9])
        and "100 x 3" in repr(values)
    )
    found["summary"] = relative(
        [there.center, there.sd, there.low, there.high],
        [x.mean(axis=0), x.std(axis=0), x.min(axis=0), x.max(axis=0)],
    )
    found["fingerprints"] = difference(there.fingerprint, as_data(x).fingerprint, "a", "b")
    found["moved"] = difference(there.fingerprint, as_data(x[::-1].copy()).fingerprint, "a", "b")
    bad = {
        "missing": np.where(x > 2, np.nan, x),
        "infinite": np.where(x > 2, np.inf, x),
        "constant": np.ones_like(x),
        "one row": x[:1],
        "no row": x[:0],
    }
    for name, table in bad.items():
        found[name] = refusal(lambda table=table: bayesgmm.fit(rows_of(table, device), 2))
    found["marginalize"] = refusal(
        lambda: bayesgmm.fit(rows_of(bad["missing"], device), 2, missing="marginalize")
    )
    found["moved with missing"] = refusal(lambda: bayesgmm.on_device(bad["missing"], device))
    found["no device"] = refusal(lambda: bayesgmm.on_device(x, "abacus"))
    found["columns"] = refusal(
        lambda: bayesgmm.fit(there, 2, random_seed=0).predict(values[:, [0, 1]])
    )
    found["weights"] = refusal(lambda: bayesgmm.fit(there, 2, sample_weight=np.ones(99)))
    return found


def rows_of(table, device):
    """Rows that nobody has looked at, as a GPU's arrays come."""
    import jax

    with jax.enable_x64(True):
        return DeviceRows(jax.device_put(table, jax.devices(device)[0]))


def refusal(work):
    try:
        work()
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


JOBS = {"fits": fits, "densities": densities, "rows": rows}


def main(device, few):
    """Print what each job finds as it is done, a line of JSON for each."""
    print(json.dumps({"passes": passes(device, FEW if few else MANY)}), flush=True)
    for name, job in JOBS.items():
        print(json.dumps({name: job(device)}), flush=True)
    if device == "gpu":
        cuda.covers = lambda *_, **__: False
        print(json.dumps({"passes by JAX": passes(device, FEW)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], "few" in sys.argv)
