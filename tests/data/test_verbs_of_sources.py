"""Everything that takes data takes every source, as it is, with the answers of rows in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayesgmm

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
dataset = pytest.importorskip("pyarrow.dataset")
zarr = pytest.importorskip("zarr")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
xr = pytest.importorskip("xarray")

N, PART = 400, 100
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2)) + np.where(RNG.random((N, 1)) < 0.4, 0.0, 5.0)
FRAME = pd.DataFrame(X, columns=["a", "b"])


class Blocks:
    """Gives the same blocks whenever it is iterated over."""

    def __iter__(self):
        return (FRAME[i : i + PART] for i in range(0, N, PART))


def npy(folder):
    np.save(folder / "x.npy", X)
    return folder / "x.npy"


def zarr_array(folder):
    found = zarr.create_array(folder / "x.zarr", shape=X.shape, chunks=(PART, 2), dtype="f8")
    found[:] = X
    return found


def parquet_file(folder):
    parquet.write_table(pa.Table.from_pandas(FRAME), folder / "x.parquet", row_group_size=PART)
    return folder / "x.parquet"


def parquet_folder(folder):
    (folder / "parts").mkdir()
    for number in range(2):
        part = FRAME[number * N // 2 :][: N // 2]
        part.to_parquet(folder / "parts" / f"{number}.parquet")
    return str(folder / "parts")


SOURCES = {
    "npy": npy,
    "memory map": lambda folder: np.load(npy(folder), mmap_mode="r"),
    "zarr": zarr_array,
    "parquet file": parquet_file,
    "parquet folder": parquet_folder,
    "dataset": lambda folder: dataset.dataset(parquet_folder(folder)),
    "dask array": lambda folder: da.from_array(X, chunks=(PART, 2)),
    "dask frame": lambda folder: dd.from_pandas(FRAME, npartitions=3),
    "xarray over dask": lambda folder: xr.Dataset(
        {name: ("row", FRAME[name]) for name in FRAME}
    ).chunk(row=PART),
    "iterable": lambda folder: Blocks(),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayesgmm.utils.errors.ConvergenceAdvice")  # few draws
@pytest.mark.parametrize("kind", list(SOURCES))
def test_every_verb(kind, tmp_path, monkeypatch):
    """Fits, grids, standard errors, posteriors, predictions, estimators, tests, classes."""
    monkeypatch.setattr("bayesgmm.data.sources.sources._LARGE", 100)  # so that maps are files
    source = SOURCES[kind](tmp_path)
    fit = bayesgmm.fit(source, 2, "VVI", random_seed=0)
    rows = FRAME if fit.mixture.named else X
    whole = bayesgmm.fit(rows, 2, "VVI", random_seed=0)
    assert fit.loglik == pytest.approx(whole.loglik, rel=1e-10)
    quiet = {"random_seed": 0, "progressbar": False}
    grids = [bayesgmm.select(x, [1, 2], ["VVI"], **quiet) for x in (source, rows)]
    assert grids[0].best.loglik == pytest.approx(grids[1].best.loglik, rel=1e-10)
    for method in ("information", "sandwich"):
        errors = [bayesgmm.standard_errors(x, whole, method=method).means for x in (source, rows)]
        np.testing.assert_allclose(*errors, rtol=1e-6)
    for sampler in ("laplace", "nutpie", "gibbs"):
        how = {"draws": 50, "tune": 50, "chains": 2, "sampler": sampler} | quiet
        posterior = bayesgmm.refine(source, fit, **how)
        assert np.isfinite(posterior.loo().elpd)
    for name in ("predict", "predict_proba", "score_samples"):
        answers = [np.asarray(getattr(whole, name)(x)) for x in (source, rows)]
        np.testing.assert_allclose(*answers, rtol=1e-9, atol=1e-12)
    model = bayesgmm.GaussianMixture(2, covariance_type="VVI", random_state=0).fit(source)
    np.testing.assert_array_equal(np.asarray(model.predict(source)), whole.predict(rows))
    assert model.score(source) == pytest.approx(whole.loglik / N, rel=1e-10)
    how = {"n_components": 1, "n_boot": 9} | quiet
    [one], [other] = (bayesgmm.bootstrap_lrt(x, "VVI", **how).tests for x in (source, rows))
    assert one.statistic == pytest.approx(other.statistic, rel=1e-8)
    assert one.p_value == other.p_value
    bayesgmm.classify(source, whole, out=tmp_path / "classes")
    found = pd.read_parquet(tmp_path / "classes")["component"]
    np.testing.assert_array_equal(found, whole.predict(rows))
    np.testing.assert_array_equal(bayesgmm.classify(source, whole)["component"], found)
