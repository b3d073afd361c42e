"""Work on chunks by threads, also by work that has chunks of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

NESTED = """
from bayesgmm.utils.threads import for_each_chunk

n = {threads}
done = [[0] * 5 for _ in range(7)]

def work(c):
    def inner(i):
        done[c][i] += 1
    for_each_chunk(inner, 5, n)

for _ in range(20):
    for_each_chunk(work, 7, n)
assert done == [[20] * 5] * 7, done
"""
CLASSES = """
import sys
import numpy as np, pandas as pd
import bayesgmm

x = np.random.default_rng(0).normal(size=(4 * 60_000, 4)) + [0, 1, 2, 3]
fit = bayesgmm.fit(x[:2000], 3, "VVV", random_seed=0)
for chunks in (2, 3, 4):
    data = bayesgmm.in_chunks(np.split(x[: chunks * 60_000], chunks))
    bayesgmm.classify(data, fit, responsibilities=True, out=sys.argv[1])
    read = pd.read_parquet(sys.argv[1])
    expected = fit.predict_proba(x[: chunks * 60_000])
    np.testing.assert_array_equal(read[["r_0", "r_1", "r_2"]], expected)
"""


def ends(code, *arguments):
    """Run it in a process of its own: threads that wait for one another would never end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_work_that_has_chunks(threads):
    """All threads of a pool can have such work, and none of them waits for another."""
    ends(NESTED.format(threads=threads))


def test_classes_of_large_chunks(tmp_path):
    """Chunks whose responsibilities are themselves made by threads are written, few or many."""
    pytest.importorskip("pyarrow")
    ends(CLASSES, tmp_path / "classes")
