"""Ten iterations by a program for many rows, in an installation of its own: see `others.py`."""

from __future__ import annotations

import sys
import time


def spark(path: str, k: int, iterations: int) -> tuple[float, float]:
    """Spark ML's Gaussian mixture, rows in memory; seconds, and mean log-likelihood."""
    from pyspark.ml.clustering import GaussianMixture
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[2]").config("spark.driver.memory", "6g")
    session = session.config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    table = session.read.parquet(path)
    rows = VectorAssembler(inputCols=table.columns, outputCol="features").transform(table)
    rows = rows.select("features").cache()
    n = rows.count()
    model = GaussianMixture(k=k, maxIter=iterations, tol=0.0, seed=1)
    GaussianMixture(k=k, maxIter=1, seed=1).fit(rows)  # compiles
    begin = time.perf_counter()
    found = model.fit(rows)
    seconds = time.perf_counter() - begin
    loglik = found.summary.logLikelihood / n
    session.stop()
    return seconds, loglik


def dask_ml(path: str, k: int, iterations: int) -> tuple[float, float]:
    """dask-ml's k-means, rows in memory; it has no likelihood."""
    import dask.dataframe as dd
    from dask_ml.cluster import KMeans

    rows = dd.read_parquet(path).to_dask_array(lengths=True).persist()
    model = KMeans(n_clusters=k, max_iter=iterations, tol=0.0, init="random", random_state=1)
    begin = time.perf_counter()
    model.fit(rows)
    return time.perf_counter() - begin, float("nan")


if __name__ == "__main__":
    name, path, k, iterations = sys.argv[1:]
    print(*{"spark": spark, "dask_ml": dask_ml}[name](path, int(k), int(iterations)))
