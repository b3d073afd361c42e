"""Rows on a GPU: one EM iteration, the share of the device's limits, a grid, a posterior.

`python -m benchmarks.device` on a machine with an NVIDIA GPU, CuPy, JAX and PyTorch. An EM
iteration costs the time of some iterations less that of fewer, over the difference: checks, the way
to the device and the final pass drop out. All start from the same mixture, in float64. Beside it
are our own pass in JAX on the same device, our pass on the machine's processor, scikit-learn's
GaussianMixture by its array API on PyTorch's CUDA tensors, and gmmx (JAX, its check for float32
turned off).

The limits are measured in the same run: bytes by a large copy on the device (read and written),
products by cuBLAS's product of two 8192 x 8192 float64 matrices, exponentials by a kernel that
makes nothing else. Counted are one reading of the rows; 4 F flop for a row and component, where
F = (d + 1)(d + 2)/2, of the products of features with parameters and with responsibilities; and an
exponential for each. Products and exponentials keep the same units busy (measured: tensor products
and plain multiplications together take the sum of their times), so the time of arithmetic is their
sum.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bayesgmm
from bayesgmm.data.data import Data
from bayesgmm.em.result import Fit
from bayesgmm.kernels.device import cuda
from bayesgmm.kernels.e_step import e_step
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.mixture.mixture import Mixture

from . import page

SIZES = [(10_000_000, 8, 16), (1_000_000, 64, 32), (10_000_000, 2, 5)]
GRID = (1_000_000, 8)
POSTERIOR = (10_000_000, 8, 8)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, flop and exponentials that the device makes in a second."""

    bytes: float
    flop: float
    exponentials: float

    def seconds(self, n: int, d: int, k: int) -> tuple[float, float, float]:
        """What reading the rows, products, and products with exponentials take at least."""
        products = 4.0 * n * k * (d + 1) * (d + 2) / 2 / self.flop
        return 8.0 * n * d / self.bytes, products, products + n * k / self.exponentials


def measured_limits() -> Limits:
    """The device's own, by CuPy."""
    import cupy

    a = cupy.random.rand(2**27)
    b = cupy.empty_like(a)
    copy = _on_device(lambda a=a, b=b: cupy.copyto(b, a))
    del a, b
    x = cupy.random.rand(8192, 8192)
    product = _on_device(lambda: cupy.dot(x, x))
    source = (Path(cuda.__file__).parent / "common.cuh").read_text("utf-8")
    source += """
    extern "C" __global__ void exponentials(double *out, int n) {
      double f[8];
      for (int i = 0; i < 8; i++) f[i] = threadIdx.x + i;
      for (int r = 0; r < n; r++)
    #pragma unroll
        for (int i = 0; i < 8; i++) f[i] = exp_negative(-0.5 * f[i]);
      double v = 0.0;
      for (int i = 0; i < 8; i++) v += f[i];
      out[blockIdx.x * blockDim.x + threadIdx.x] = v;
    }"""
    options = ("-std=c++17", "-DD=1", "-DROW=double", "-DCOPY=8")
    kernel = cupy.RawModule(code=source, options=options).get_function("exponentials")
    out = cupy.empty(1056 * 256)
    exponentials = _on_device(lambda: kernel((1056,), (256,), (out, np.int32(1000))))
    return Limits(2 * 2**30 / copy, 2 * 8192.0**3 / product, out.size * 8000 / exponentials)


def _on_device(work: Callable[[], Any], times: int = 9) -> float:
    """Seconds on the device, the median."""
    import cupy

    work()
    pairs = [(cupy.cuda.Event(), cupy.cuda.Event()) for _ in range(times)]
    for begin, end in pairs:
        begin.record()
        work()
        end.record()
    cupy.cuda.Device().synchronize()
    return float(np.median([cupy.cuda.get_elapsed_time(a, b) for a, b in pairs])) / 1e3


def _elapsed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def per_iteration(run: Callable[[int], int], few: int, many: int, rounds: int = 3) -> float:
    """Seconds of an iteration: of many less of few, the median of rounds; run tells how many."""
    run(few)
    run(many)
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        made = run(few)
        between = time.perf_counter()
        more = run(many)
        found.append((time.perf_counter() - 2 * between + begin) / (more - made))
    return float(np.median(found))


def problem(n: int, d: int, k: int) -> tuple[Any, Mixture]:
    """Rows of a mixture on the device (CuPy), and where EM starts."""
    import cupy

    rng, of_rows = np.random.default_rng(d), cupy.random.RandomState(k)
    means = 4.0 / np.sqrt(2 * d) * rng.normal(size=(k, d))  # four sd apart or so, in all columns
    x = of_rows.standard_normal((n, d)) + cupy.asarray(means)[of_rows.randint(0, k, n)]
    start = Mixture(
        np.full(k, 1 / k), means + 0.3 * rng.normal(size=(k, d)), np.array([np.eye(d)] * k)
    )
    return x, start


def _fitted(x: Any, start: Mixture, iterations: int) -> Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bayesgmm.fit(
            x, start.n_components, start=start, max_iter=iterations, tol=0.0, accelerate=False
        )


def _ours(x: Any, start: Mixture) -> Callable[[int], int]:
    return lambda iterations: _fitted(x, start, iterations).n_iter


def _scikit_learn(x: Any, start: Mixture) -> Callable[[int], int]:
    os.environ["SCIPY_ARRAY_API"] = "1"
    import sklearn
    import torch
    from sklearn.mixture import GaussianMixture

    def tensor(a: Any) -> Any:
        return torch.as_tensor(np.ascontiguousarray(a), device="cuda")

    rows = torch.from_dlpack(x)

    def run(iterations: int) -> int:
        with sklearn.config_context(array_api_dispatch=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = GaussianMixture(
                start.n_components, max_iter=iterations, tol=0.0, reg_covar=0.0,
                init_params="random_from_data", weights_init=tensor(start.weights),
                means_init=tensor(start.means),
                precisions_init=tensor(np.linalg.inv(start.covariances)),
            ).fit(rows)  # fmt: skip
            torch.cuda.synchronize()
            return int(model.n_iter_)

    return run


def _gmmx(x: Any, start: Mixture) -> Callable[[int], int]:
    import gmmx
    import jax
    import jax.numpy as jnp

    gmmx.gmm.check_shape = lambda array, expected: None  # it wants float32
    jax.config.update("jax_enable_x64", True)
    rows = jnp.from_dlpack(x)
    model = gmmx.GaussianMixtureModelJax.from_squeezed(
        means=jnp.asarray(start.means),
        covariances=jnp.asarray(start.covariances),
        weights=jnp.asarray(start.weights),
    )

    def run(iterations: int) -> int:
        fitter = gmmx.EMFitter(max_iter=iterations, tol=0.0, reg_covar=0.0)
        return int(fitter.fit(rows, model).n_iter)

    return run


def _try(make: Callable[..., Any], x: Any, start: Mixture, few: int, many: int) -> float:
    """Seconds of an iteration, or not a number where the other program cannot."""
    try:
        return per_iteration(make(x, start), few, many)
    except Exception as error:
        print(f"  {make.__name__}: {type(error).__name__}: {str(error)[:200]}", flush=True)
        return float("nan")


def _without_cuda(make: Callable[[int], int]) -> Callable[[int], int]:
    def run(iterations: int) -> int:
        covers, cuda.covers = cuda.covers, lambda *_, **__: False
        try:
            return make(iterations)
        finally:
            cuda.covers = covers

    return run


def iterations(limits: Limits, sizes: list[tuple[int, int, int]]) -> tuple[str, str]:
    """The tables of an iteration, and of its share of the limits."""
    import cupy

    rows, shares = [], []
    for n, d, k in sizes:
        x, start = problem(n, d, k)
        host = cupy.asnumpy(x)
        ours = per_iteration(_ours(x, start), 10, 60)
        by_jax = per_iteration(_without_cuda(_ours(x, start)), 2, 6, 1)
        processor = per_iteration(_ours(host, start), 2, 6, 1)
        learn = _try(_scikit_learn, x, start, 2, 6)
        gmmx = _try(_gmmx, x, start, 2, 6)
        a, b = _fitted(x, start, 3), _fitted(host, start, 3)
        part = slice(0, 100_000)
        resp = np.abs(a.predict_proba(x[part]) - b.predict_proba(host[part])).max()
        apart = abs(a.loglik / b.loglik - 1)
        there = bayesgmm.on_device(x)
        kernels = _kernel_seconds(there, start)
        reading, products, arithmetic = limits.seconds(n, d, k)
        found = {
            "n": n, "d": d, "k": k, "ours": ours, "kernels": kernels, "jax": by_jax,
            "processor": processor, "scikit-learn": learn, "gmmx": gmmx, "loglik": apart,
            "resp": float(resp), "reading": reading, "products": products, "arithmetic": arithmetic,
        }  # fmt: skip
        print(json.dumps(found), flush=True)
        size = [page.count(n), str(d), str(k)]
        rows.append([
            *size, *(page.milliseconds(v) for v in (ours, by_jax, processor, learn, gmmx)),
            f"{processor / ours:.0f}", f"{learn / ours:.0f}", f"{gmmx / ours:.0f}", f"{apart:.0e}",
            f"{resp:.0e}",
        ])  # fmt: skip
        floor = max(reading, arithmetic)
        shares.append([
            *size, *(page.milliseconds(v) for v in (reading, products, arithmetic, kernels, ours)),
            f"{max(reading, products) / kernels:.0%}", f"{floor / kernels:.0%}",
            f"{floor / ours:.0%}",
        ])  # fmt: skip
        del x, there
        cupy.get_default_memory_pool().free_all_blocks()
    first = page.table(
        "One EM iteration on the device",
        ["n", "d", "K", "bayesgmm, ms", "its pass in JAX, ms", "on the processor, ms",
         "scikit-learn on PyTorch, ms", "gmmx, ms", "ratio to the processor",
         "ratio to scikit-learn", "ratio to gmmx", "log-likelihoods differ by",
         "responsibilities differ by"],
        rows,
    )  # fmt: skip
    second = page.table(
        "Share of the limits",
        ["n", "d", "K", "reading, ms", "products, ms", "products and exponentials, ms",
         "kernels, ms", "iteration, ms", "products of kernels", "limit of kernels",
         "limit of iteration"],
        shares,
    )  # fmt: skip
    return first, second


def _kernel_seconds(data: Data, start: Mixture) -> float:
    """Seconds that a pass keeps the device busy."""
    parameters = Parameters(start.weights, start.means - data.center, start.covariances)
    encoded = e_step._Pass(data, parameters, None)._encoded()
    form = (cuda._Quadratic if encoded.quadratic else cuda._Centred)(data.values, encoded)
    form.added = lambda parts: np.zeros(parts[0].size)  # type: ignore[method-assign]
    return _on_device(lambda: form.sums(None))


def grid(n: int, d: int) -> str:
    """Seconds of 126 cells."""
    x, _ = problem(n, d, 5)
    seconds = _elapsed(lambda: bayesgmm.select(x, random_seed=0, progressbar=False))
    text = f"A grid of 126 cells (14 families, K = 1 to 9) on {page.count(n)} rows of {d} columns: "
    return f"{text}{page.seconds(seconds)} s.\n"


def posterior(n: int, d: int, k: int, draws: int = 400, tune: int = 300) -> str:
    """Seconds of a posterior by NUTS, the compiled density with its pass on the device."""
    import cupy

    rng, of_rows = np.random.default_rng(1), cupy.random.RandomState(0)
    x = of_rows.standard_normal((n, d))
    x += cupy.asarray(2.0 * rng.normal(size=(k, d)))[of_rows.randint(0, k, n)]
    fit = bayesgmm.fit(x, k, random_seed=0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        begin = time.perf_counter()
        found = bayesgmm.refine(x, fit, draws=draws, tune=tune, random_seed=0, progressbar=False)
        seconds = time.perf_counter() - begin
    table = found.summary()
    advice = "; ".join(str(w.message)[:120] for w in said) or "no warning"
    return (
        f"NUTS at {page.count(n)} rows, d = {d}, K = {k}, 4 x {draws} draws after {tune}: "
        f"{page.seconds(seconds)} s from the fit to the posterior; r-hat at most "
        f"{table['r_hat'].max():.3f}, bulk ESS at least {table['ess_bulk'].min():.0f}; {advice}.\n"
    )


def run(small: bool = False, write: bool = True) -> None:
    """Measure all and write the section of `docs/benchmarks.md`."""
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    limits = measured_limits()
    text = (
        f"{name}: {limits.bytes / 1e12:.2f} TB/s, {limits.flop / 1e12:.1f} TFlop/s in float64 by "
        f"cuBLAS, {limits.exponentials / 1e12:.2f} 10^12 exponentials a second."
    )
    print(text, flush=True)
    sizes = [(n // 100, d, k) for n, d, k in SIZES] if small else SIZES
    first, second = iterations(limits, sizes)
    scale = 100 if small else 1
    of_grid, of_posterior = grid(GRID[0] // scale, GRID[1]), ""
    print(of_grid, flush=True)
    try:
        of_posterior = posterior(POSTERIOR[0] // scale, *POSTERIOR[1:])
    except ImportError as error:
        of_posterior = f"No posterior: {error}\n"
    print(of_posterior, flush=True)
    if write:
        parts = ["## On a GPU", page.prose(__doc__), text, first, second, of_grid, of_posterior]
        page.write_section("device", "\n\n".join(parts))


if __name__ == "__main__":
    from .command import main

    main(run, __doc__)
