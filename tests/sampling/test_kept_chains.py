"""Checkpoints of posteriors: chains that have ended are read, and the draws are the same."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

import bayesgmm
from bayesgmm.em import checkpoint as module

# Overlap enough that "auto" goes on from NUTS to Gibbs sampling.
X = np.random.default_rng(2).normal(size=(90, 1)) + np.repeat([0.0, 2.2], 45)[:, None]
OPTIONS = {"draws": 60, "tune": 30, "chains": 3, "random_seed": 4, "progressbar": False, "cores": 1}
SAMPLERS = {"gibbs": {}, "nutpie": {}, "laplace": {"draws": 300}, "auto": {"draws": 160}}


def fit():
    return bayesgmm.fit(X, 2, "V", random_seed=1)


def draws(sampler, **kept):
    """The draws of a posterior, of which this test does not ask whether they are good."""
    posterior = bayesgmm.refine(X, fit(), sampler=sampler, **OPTIONS | SAMPLERS[sampler] | kept)
    return posterior.tree["posterior"]["mu"].to_numpy(), [str(s) for s in posterior.steps]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_a_stopped_posterior_is_gone_on_with(sampler, tmp_path, monkeypatch):
    """Stopped when the second chain is to be kept: the same draws, by way of the same runs."""
    expected = draws(sampler, checkpoint=tmp_path / "whole")
    if sampler in ("gibbs", "laplace"):
        np.testing.assert_array_equal(expected[0], draws(sampler)[0])
    path, put, times = tmp_path / "kept", module.Checkpoint.put, []

    def stopping(self, key, content):
        times.append(len(content))
        if len(times) == 2:
            raise MemoryError
        put(self, key, content)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(module.Checkpoint, "put", stopping)
        draws(sampler, checkpoint=path)
    size = path.stat().st_size
    found = draws(sampler, checkpoint=path)
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]
    assert path.stat().st_size > size > times[0] > 500
    made = (tmp_path / "whole").stat().st_size
    np.testing.assert_array_equal(draws(sampler, checkpoint=tmp_path / "whole")[0], expected[0])
    assert (tmp_path / "whole").stat().st_size == made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("sampler", ["gibbs", "nutpie"])
def test_a_killed_process_is_gone_on_with(sampler, tmp_path):
    """By another process, to the draws of one that was not killed."""
    path = tmp_path / "kept"
    code = f"""
import os, signal
from bayesgmm.em.checkpoint import Checkpoint
from tests.sampling.test_kept_chains import draws
put = Checkpoint.put
def killing(self, key, content):
    put(self, key, content)
    os.kill(os.getpid(), signal.SIGKILL)
Checkpoint.put = killing
draws({sampler!r}, checkpoint={str(path)!r})
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    size = path.stat().st_size
    found = draws(sampler, checkpoint=path)[0]
    np.testing.assert_array_equal(found, draws(sampler, checkpoint=tmp_path / "whole")[0])
    assert path.stat().st_size > size


FULL = """
import resource, signal, sys
from tests.sampling.test_kept_chains import draws
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    draws("gibbs", checkpoint=sys.argv[1])
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files here")
def test_a_full_disk_leaves_the_chains_before(tmp_path):
    """One error of the system that names the file; from what is in it the draws are the same."""
    whole, path = tmp_path / "whole", tmp_path / "kept"
    expected = draws("gibbs", checkpoint=whole)[0]
    limit = int(0.8 * whole.stat().st_size)
    command = [sys.executable, "-c", FULL, str(path), str(limit)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout.split()[1] == str(path), run.stderr
    kept = path.read_bytes()
    assert 0 < len(kept) < limit
    np.testing.assert_array_equal(draws("gibbs", checkpoint=path)[0], expected)
    assert path.read_bytes().startswith(kept)


@pytest.mark.filterwarnings("ignore")
def test_others_are_refused(tmp_path):
    """Another fit, prior, option or table, a damaged file: named, and the file stays as it is."""
    path = tmp_path / "kept"
    draws("gibbs", checkpoint=path)
    good = path.read_bytes()
    near = bayesgmm.fit(X, 2, "V", start=fit(), max_iter=1)
    prior = bayesgmm.Prior.from_data(X, concentration=3.0)
    given = {"sampler": "gibbs", "checkpoint": path, **OPTIONS}
    for name, data, start, other in (
        ("fit", X, near, {}), ("prior", X, fit(), {"prior": prior}),
        ("thin", X, fit(), {"thin": 3}),
        ("random_seed", X, fit(), {"random_seed": 5}), ("sampler", X, fit(), {"sampler": "nutpie"}),
        ("data", X + 1, bayesgmm.fit(X + 1, 2, "V", random_seed=1), {}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"another computation: {name} is"):
            bayesgmm.refine(data, start, **given | other)
    for other, words in (
        ({"sampler": "smc"}, "'smc' has no checkpoint"), ({"random_seed": None}, "whole number"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            bayesgmm.refine(X, fit(), **given | other)
    path.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
    with pytest.raises(ValueError, match="damaged at byte"):
        draws("gibbs", checkpoint=path)
    assert path.read_bytes()[:-5] == good[:-5]
