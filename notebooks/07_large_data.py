# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Large data
#
# A million rows are nothing special: the same functions, nothing to switch on. This notebook
# shows what it costs, and the few things to know.

# %%
import time

import numpy as np
import pandas as pd

import bayesgmm

truth = bayesgmm.Mixture(
    weights=[0.4, 0.3, 0.2, 0.1],
    means=[[0, 0, 0, 0], [4, 0, 0, 0], [0, 4, 2, 0], [3, 3, 3, 3]],
    covariances=[np.eye(4), np.eye(4), 0.5 * np.eye(4), np.diag([0.3, 1, 2, 0.5])],
    names=("a", "b", "c", "d"),
)
rows, component = truth.sample(1_000_000, random_seed=1)
X = pd.DataFrame(rows, columns=truth.names)
print(f"{X.shape}, {rows.nbytes / 2**20:.0f} MiB")


def timed(function):
    """Return what the function returns, and the seconds that it took."""
    started = time.perf_counter()
    result = function()
    return result, time.perf_counter() - started


# %% [markdown]
# ## A fit
#
# The starts are looked for on a part of the rows, and only the best go on with all of them. (The
# first call compiles what is not yet in the cache; the second line is the cost.)

# %%
bayesgmm.fit(X.head(200_000), 4, random_seed=1)
fit, seconds = timed(lambda: bayesgmm.fit(X, 4, random_seed=1))
print(f"{seconds:.1f} s, {fit.n_iter} iterations in the last run")
fit

# %% [markdown]
# You should see the weights 0.4, 0.3, 0.2 and 0.1 again, in some order. How well are they known?

# %%
errors, seconds = timed(lambda: bayesgmm.standard_errors(X, fit, method="information"))
print(f"{seconds:.1f} s for the curvature in {fit.n_parameters} coordinates")
errors.to_frame().query("parameter == 'pi'").round(5)

# %% [markdown]
# ## Time grows with the rows, and no faster
#
# Ten EM iterations from one start (`tol=0` keeps EM from stopping):

# %%
start = fit.mixture


def ten_iterations(n):
    """Fit the first n rows by ten plain EM iterations."""
    return bayesgmm.fit(X.iloc[:n], 4, start=start, max_iter=10, tol=0, accelerate=False)


for n in (10_000, 100_000, 1_000_000):
    seconds = min(timed(lambda n=n: ten_iterations(n))[1] for _ in range(3))
    print(f"{n:>9} rows: {1000 * seconds:7.1f} ms")

# %% [markdown]
# For few rows the fixed costs of a call show: checking the data, and the criteria at the end.
# There is no n x K array on the way, and no copy of the rows.
#
# ## The same bits on any number of threads
#
# A pass uses all cores. The sums are made in the same order however many there are.

# %%
import os

results = {}
for threads in ("1", "2"):
    os.environ["BAYESGMM_NUM_THREADS"] = threads
    results[threads] = ten_iterations(1_000_000)
del os.environ["BAYESGMM_NUM_THREADS"]
print(results["1"].loglik == results["2"].loglik)

# %% [markdown]
# ## float32 rows
#
# Half the memory, read as they are; sums are made in float64. (The first such call of an
# installation compiles.)

# %%
small = X.astype("float32")
bayesgmm.fit(small.head(200_000), 4, start=start)
single, seconds = timed(lambda: bayesgmm.fit(small, 4, start=start))
print(f"{small.to_numpy().nbytes / 2**20:.0f} MiB, {seconds:.1f} s")
print(f"largest difference of a mean: {np.abs(single.means - fit.means).max():.1e}")

# %% [markdown]
# ## Which K, which family?
#
# `select` searches on a part too, and every cell's best goes on with all rows. Two hundred
# thousand are enough for this question:

# %%
part = X.sample(200_000, random_state=1)
selection, seconds = timed(
    lambda: bayesgmm.select(
        part, range(2, 6), ["EEE", "VVI", "VVV"], random_seed=1, progressbar=False
    )
)
print(f"{len(selection.fits)} cells in {seconds:.1f} s")
selection

# %% [markdown]
# The truth, four components along the axes (VVI), is found: VVV contains it, and pays for
# parameters that it does not need.
#
# ## Binned rows
#
# Measurements are often rounded, and many rows equal. Then each different row once, with its
# number as a weight, is the same data:

# %%
rounded = X[["a", "b"]].round(1)
counted = rounded.value_counts().reset_index(name="times")
whole, slow = timed(lambda: bayesgmm.fit(rounded, 3, "VVI", start="hc"))
binned, fast = timed(
    lambda: bayesgmm.fit(counted[["a", "b"]], 3, "VVI", sample_weight=counted["times"], start=whole)
)
print(f"{len(counted)} different rows; {1000 * slow:.0f} ms and {1000 * fast:.1f} ms")
print(f"log-likelihood {whole.loglik:.3f} and {binned.loglik:.3f}")

# %% [markdown]
# ## More rows than fit in memory
#
# A path takes the place of an array: of a `.npy` file, a Parquet file or a folder of them. Its
# chunks (here row groups of 50 000 rows) are read in every pass, while others are summed.

# %%
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp()) / "rows"
folder.mkdir()
for i in range(2):
    half = part.iloc[100_000 * i : 100_000 * (i + 1)]
    half.to_parquet(folder / f"{i}.parquet", row_group_size=50_000, index=False)
on_disk, seconds = timed(lambda: bayesgmm.fit(folder, 4, random_seed=1))
print(f"{seconds:.1f} s, {bayesgmm.in_chunks(folder).values}")

# %% [markdown]
# ## The same on a Dask cluster
#
# With a client the workers read the files and keep their chunks; sums of the size of K come
# home. The fit is the same to the last bit, on any number of workers. Here the cluster is in
# this process; yours is `Client("tcp://scheduler:8786")`.

# %%
from distributed import Client

with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0") as client:
    there = bayesgmm.in_chunks(folder, client=client)
    on_workers, seconds = timed(lambda: bayesgmm.fit(there, 4, random_seed=1))
    print(f"{seconds:.1f} s; the same bits: {on_workers.history == on_disk.history}")
    import dask.dataframe as dd

    frame = dd.read_parquet(folder)
    labelled = frame.map_partitions(lambda rows: rows.assign(component=on_workers.predict(rows)))
    labelled.to_parquet(folder.parent / "labelled")
print(
    pd.read_parquet(folder.parent / "labelled")["component"].value_counts(normalize=True).round(2)
)

# %% [markdown]
# The last lines had the workers write every row's component beside its columns: nothing of the
# size of the data comes to the client. `bayesgmm report rows/` makes a report from the folder.
#
# ## And the posterior?
#
# With so many rows the posterior is narrow and nearly normal. The normal density at its mode is
# then a good approximation, and `sampler="laplace"` draws from it, weighs every draw by how far
# the posterior differs there, and says by Pareto k whether that can be trusted (at most 0.7). Each
# draw costs a pass over the rows; no chain has to be waited for. On the two hundred thousand:

# %%
of_part = bayesgmm.fit(part, 4, start=fit)
posterior, seconds = timed(
    lambda: bayesgmm.refine(
        part, of_part, sampler="laplace", draws=250, random_seed=1, progressbar=False
    )
)
pareto_k = posterior.tree["sample_stats"]["pareto_k"].max().item()
print(f"{seconds:.1f} s, Pareto k {pareto_k:.2f}")
posterior.summary(var_names=["pi"])[["mean", "sd"]].round(5)

# %% [markdown]
# The standard deviations are those of the standard errors above times the root of five, the part
# being a fifth. NUTS takes as many rows as you have, too, but makes several passes for a draw.
