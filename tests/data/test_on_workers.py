"""Rows on the workers of a Dask cluster: the bits of one machine, whoever is lost on the way."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.data.sources import part, workers
from bayesgmm.utils.errors import DataError, WorkersGoneError

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

N, ROWS = 3000, 400
ON_THREADS = {"processes": False, "dashboard_address": ":0"}
ON_PROCESSES = {"processes": True, "threads_per_worker": 1, "dashboard_address": ":0"}


def made(seed=0, n=N):
    """Rows of two groups that overlap, so that EM takes a while."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) + np.where(rng.random((n, 1)) < 0.4, 0.0, 1.8)


X = made()


def grid(data, **kept):
    """The paths of the cells of a small grid."""
    options = {"random_seed": 3, "n_init": 2, "progressbar": False} | kept
    return [f.history for f in bayesgmm.select(data, [1, 2], ["VVI"], **options).fits.values()]


def em(data, **kept):
    """The path of a fit."""
    return bayesgmm.fit(data, 2, "VVI", random_seed=3, n_init=2, **kept).history


def hessian(data):
    """Standard errors from the observed information."""
    fit = bayesgmm.fit(data, 2, "VVI", start=np.repeat([0, 1], N // 2), max_iter=30)
    errors = bayesgmm.standard_errors(data, fit, method="information")
    return errors.means.tolist(), errors.covariances.tolist()


WORK = {"em": em, "grid": grid, "hessian": hessian}


@pytest.fixture(scope="module")
def here():
    """The answers of one process, from the same chunks in its memory."""
    return {name: work(in_chunks(X, rows=ROWS)) for name, work in WORK.items()}


@pytest.mark.parametrize("n_workers", [1, 3])
def test_the_same_bits_on_any_number_of_workers(n_workers, here):
    """As from memory, also persisted, transformed, and with weights; columns are picked there."""
    weights = np.random.default_rng(0).uniform(0, 2, N)
    weighted = em(in_chunks(X, rows=ROWS), sample_weight=weights)
    with distributed.Client(n_workers=n_workers, threads_per_worker=2, **ON_THREADS):
        array = da.from_array(X, chunks=(ROWS, 1))
        assert em(array) == here["em"]
        assert hessian(array.persist() + 0) == here["hessian"]
        assert em(array, sample_weight=weights) == weighted
        data = in_chunks(da.concatenate([array, array[:, :1]], axis=1), columns=["x0", "x1"])
        assert em(data) == here["em"]
        rows = data.values
        np.testing.assert_array_equal(rows[[2999, 5, 401]], X[[2999, 5, 401]])
        np.testing.assert_array_equal(np.asarray(rows), X)
        assert bayesgmm.fit(data, 1).score_samples(data).shape == (N,)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[[7]], X[[7]])  # read here


def test_files_and_frames_on_workers(tmp_path, here, monkeypatch):
    """A file that all workers see; partitions without rows; chunks that do not fit in memory."""
    np.save(tmp_path / "rows.npy", X)
    frame = pd.DataFrame(X, columns=["a", "b"])
    parts = [frame[:ROWS], frame[:0], *(frame[i : i + ROWS] for i in range(ROWS, N, ROWS))]
    parts = dd.concat([dd.from_pandas(part, npartitions=1) for part in parts])
    with distributed.Client(n_workers=2, threads_per_worker=1, **ON_THREADS) as client:
        assert em(in_chunks(tmp_path / "rows.npy", rows=ROWS, client=client)) == here["em"]
        assert em(parts) == here["em"]
        monkeypatch.setattr(workers, "_SHARE", 1e-9)
        assert grid(da.from_array(X, chunks=ROWS)) == here["grid"]
        with pytest.raises(DataError, match=r"dask.array.from_array"):
            in_chunks([X, X], client=client)


def test_what_is_persisted_is_used_where_it_is():
    """Each worker has the chunks that it had; what all chunks need is computed once."""
    with distributed.Client(n_workers=2, threads_per_worker=1, **ON_THREADS) as client:
        there = da.from_array(X, chunks=(100, 2)).persist()
        distributed.wait(there)
        futures = distributed.futures_of(there)
        homes = {str(key): who[0] for key, who in client.who_has(futures).items()}
        source = in_chunks(there).values.source
        for share in source.cluster.shares:
            [[worker]] = client.who_has([share.part]).values()
            keys = [source.source.keys[number] for number in share.numbers]
            assert keys
            assert {homes[str(key)] for key in keys} == {worker}
        scaled = (there - there.mean(axis=0)) / there.std(axis=0)
        data = in_chunks(scaled)
        assert all(len(data.values.source.source.leading_to([c]).graph) < 9 for c in range(30))
        np.testing.assert_array_equal(np.asarray(data.values), scaled.compute())


def test_what_comes_home_is_small():
    """A pass over more chunks brings no more: their sums are added where they are."""
    sizes = []
    with distributed.Client(n_workers=2, threads_per_worker=1, **ON_THREADS):
        for rows in (1000, 10):
            data = in_chunks(da.from_array(X, chunks=rows))
            found = data.values.source.cluster.run(
                part.sums, data.values._notes(None, None), None, _ones, range(N // rows)
            )
            assert sum(node.sums[0][0] for nodes in found for node in nodes) == N
            sizes.append(sum(map(len, found)))
    assert sizes[0] <= 4
    assert sizes[1] <= 2 * 2 * 9  # two parts, each at most two nodes of every width


def _ones(chunk):
    return [np.array([float(len(chunk.values))])]


def test_errors_of_workers(tmp_path):
    """What is wrong with a chunk is said here, with its place."""
    x = X.copy()
    x[1234, 1] = np.nan
    path = tmp_path / "rows.npy"
    np.save(path, X)
    with distributed.Client(n_workers=2, threads_per_worker=1, **ON_THREADS) as client:
        with pytest.raises(DataError, match=r"in row 1234 \(block 3 of the Dask collection"):
            em(da.from_array(x, chunks=ROWS))
        frame = pd.DataFrame(X, columns=["a", "b"])
        text = dd.from_pandas(frame, npartitions=3).map_partitions(
            lambda part: part.assign(b="x") if 1500 in part.index else part, meta=frame[:0]
        )
        with pytest.raises(DataError, match=r"partition 1 .*'b' holds str values"):
            em(text)
        data = in_chunks(path, rows=ROWS, client=client)
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size - 8)
        with pytest.raises(DataError, match="has changed"):
            em(data)


@pytest.fixture(scope="module")
def cluster():
    """Two processes, which are begun anew when they are killed."""
    with distributed.LocalCluster(n_workers=2, **ON_PROCESSES) as found:
        yield found


@pytest.fixture
def at_sweep(monkeypatch):
    """Have something done at a sweep, when its tasks have been sent."""

    def arrange(number, act):
        seen, gather = iter(range(10_000)), workers.results

        def acting(client, futures, *homes):
            if next(seen) == number:
                act()
            return gather(client, futures, *homes)

        monkeypatch.setattr(workers, "results", acting)

    return arrange


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize(("what", "sweep"), [("em", 12), ("grid", 10), ("hessian", 37)])
def test_a_worker_is_killed(what, sweep, cluster, here, at_sweep):
    """Amid EM, a grid and a Hessian: others make what it had, to the same bits."""
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        pids, killed = list(client.run(os.getpid).values()), []

        def kill():
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

        at_sweep(sweep, kill)
        assert WORK[what](da.from_array(X, chunks=ROWS)) == here[what]
        assert killed


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("sweep", [0, 5])
def test_all_workers_are_killed_and_begun_anew(sweep, here, at_sweep):
    """None of those that had chunks is left: the others make them, also amid the first reading."""
    with (
        distributed.LocalCluster(n_workers=2, **ON_PROCESSES) as own,
        distributed.Client(own) as client,
    ):
        pids = list(client.run(os.getpid).values())
        at_sweep(sweep, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
        assert em(da.from_array(X, chunks=ROWS)) == here["em"]
        assert not set(pids) & set(client.run(os.getpid).values())


@pytest.mark.slow
def test_all_workers_are_gone(here, at_sweep, monkeypatch, tmp_path):
    """The error names the checkpoint, and with other workers the same call goes on."""
    monkeypatch.setattr(workers, "_PATIENCE", 1.0)
    path, array = tmp_path / "kept", da.from_array(X, chunks=ROWS)
    with (
        distributed.LocalCluster(n_workers=2, **ON_PROCESSES) as own,
        distributed.Client(own) as client,
    ):
        at_sweep(12, lambda: own.scale(0))
        with pytest.raises(WorkersGoneError, match=r"gone.* What was computed is in .*kept"):
            em(array, checkpoint=path)
        own.scale(1)
        client.wait_for_workers(1)
        assert em(array, checkpoint=path) == here["em"]


@pytest.mark.slow
def test_the_scheduler_is_gone(here, at_sweep, tmp_path):
    """The error says so, at once, and names the checkpoint."""
    path = tmp_path / "kept"
    with (
        distributed.LocalCluster(n_workers=2, **ON_PROCESSES) as own,
        distributed.Client(own, timeout=2),
    ):
        array = da.from_array(X, chunks=ROWS)
        at_sweep(12, lambda: own.loop.add_callback(own.scheduler.close))
        with pytest.raises(WorkersGoneError, match=r"scheduler .* is gone.* is in .*kept"):
            em(array, checkpoint=path)
    assert em(in_chunks(X, rows=ROWS), checkpoint=path) == here["em"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_the_client_is_killed(here, tmp_path):
    """Another process goes on from the checkpoint, with a cluster or without."""
    path = tmp_path / "kept"
    code = f"""
import os, signal
import dask.array as da, distributed
from bayesgmm.data.sources import workers
from tests.data.test_on_workers import ON_THREADS, ROWS, X, em
if __name__ == "__main__":
    seen, gather = iter(range(10_000)), workers.results
    def acting(client, futures, *homes):
        if next(seen) == 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return gather(client, futures, *homes)
    workers.results = acting
    with distributed.Client(n_workers=2, **ON_THREADS):
        em(da.from_array(X, chunks=ROWS), checkpoint={str(path)!r})
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    kept = path.stat().st_size
    assert em(in_chunks(X, rows=ROWS), checkpoint=path) == here["em"]
    assert path.stat().st_size > kept > 500


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files here")
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning")
def test_predictions_are_written_by_workers(cluster, tmp_path):
    """Zarr and Parquet, as predicted here; on a full disk what was written before stays whole."""
    import resource

    import zarr

    fit = bayesgmm.fit(X, 2, "VVI", random_seed=3)
    frame = pd.DataFrame(X, columns=["x0", "x1"])

    def limit(size):
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        there, parts = da.from_array(X, chunks=ROWS), dd.from_pandas(frame, npartitions=5)
        fit.predict(there).to_zarr(str(tmp_path / "labels.zarr"))
        fit.predict_proba(there).to_zarr(str(tmp_path / "shares.zarr"))
        parts.to_parquet(tmp_path / "given")
        given = dd.read_parquet(tmp_path / "given")  # of which Dask does not know the divisions
        labelled = given.map_partitions(lambda rows: rows.assign(component=fit.predict(rows)))
        labelled.to_parquet(tmp_path / "parts")
        for name in ("classes", "classes.zarr"):
            bayesgmm.classify(there, fit, out=tmp_path / name)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        client.run(limit, 1000)
        try:
            for name in ("classes", "classes.zarr"):
                with pytest.raises(OSError, match="File too large"):
                    bayesgmm.classify(there, fit, responsibilities=True, out=tmp_path / name)
            after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
            assert after == before
            with pytest.raises(OSError, match="File too large"):
                fit.predict_proba(there).to_zarr(str(tmp_path / "full.zarr"))
        finally:
            client.run(limit, None)
    np.testing.assert_array_equal(zarr.open(tmp_path / "labels.zarr")[:], fit.predict(X))
    np.testing.assert_array_equal(zarr.open(tmp_path / "shares.zarr")[:], fit.predict_proba(X))
    np.testing.assert_array_equal(
        zarr.open(tmp_path / "classes.zarr")["component"][:], fit.predict(X)
    )
    read = pd.read_parquet(tmp_path / "classes")
    np.testing.assert_allclose(read["uncertainty"], 1 - fit.predict_proba(X).max(axis=1))
    read = pd.read_parquet(tmp_path / "parts")
    pd.testing.assert_frame_equal(read[["x0", "x1"]], frame, check_names=False)
    np.testing.assert_array_equal(read["component"], fit.predict(X))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayesgmm.utils.errors.ConvergenceAdvice")  # few draws
def test_posteriors_on_a_cluster(cluster, monkeypatch):
    """NUTS and leave-one-out give the numbers of one process; no chunk comes to the client.

    Of 200 000 rows, those between components come home for NUTS, with sums of the others.
    """
    rng = np.random.default_rng(8)
    n, rows = 200_000, 10_000
    x = rng.normal(size=(n, 2)) + np.where(rng.random((n, 1)) < 0.4, 0.0, 6.0)
    fit = bayesgmm.fit(in_chunks(x, rows=rows), 2, "VVI", random_seed=3)
    options = {"chains": 2, "random_seed": 3, "progressbar": False}
    nuts = {"sampler": "nutpie", "draws": 60, "tune": 60} | options
    few = bayesgmm.fit(X, 2, "VVI", random_seed=3)
    laplace = {"sampler": "laplace", "draws": 50} | options
    expected = bayesgmm.refine(in_chunks(x, rows=rows), fit, **nuts)
    near = bayesgmm.refine(in_chunks(X, rows=ROWS), few, **laplace)
    home = []
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        gather = workers.results

        def counting(client, futures, *homes):
            found = gather(client, futures, *homes)
            home.append(max(len(pickle.dumps(answer)) for answer in found))
            return found

        there = in_chunks(da.from_array(x, chunks=rows))
        monkeypatch.setattr(workers, "results", counting)
        posterior = bayesgmm.refine(there, fit, **nuts)
        sampled = sorted(home)
        also = bayesgmm.refine(da.from_array(X, chunks=ROWS), few, **laplace)
        monkeypatch.setattr(workers.OnWorkers, "readers", None)
        loo = also.loo()
    np.testing.assert_array_equal(posterior.draws.means, expected.draws.means)
    np.testing.assert_allclose(posterior.draws.means.mean(axis=0), fit.means, atol=0.01)
    # The tree's sample of 10 000 rows, and what pruning leaves, are less than a tenth of the rows.
    assert sampled[-1] < x.nbytes / 10
    np.testing.assert_allclose(loo.elpd_i, near.loo().elpd_i, rtol=1e-9)
