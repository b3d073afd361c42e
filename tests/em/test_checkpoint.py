"""Checkpoints: what was stopped goes on to the same bits, and nothing else is gone on with."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys

import numpy as np
import pytest

import bayesgmm
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.em import checkpoint as module

N, ROWS = 3000, 700


def made(seed=0):
    """Rows of two groups that overlap, so that EM takes a while."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, 2)) + np.where(rng.random((N, 1)) < 0.4, 0.0, 1.8)


class Counted:
    """Blocks that count how often they are read, and kill the process at one of these times."""

    def __init__(self, kill_at=-1):
        self.times, self.kill_at = 0, kill_at

    def __iter__(self):
        self.times += 1
        if self.times == self.kill_at:
            import os

            os.kill(os.getpid(), signal.SIGKILL)
        x = made()
        return iter([x[start : start + ROWS] for start in range(0, N, ROWS)])


WORK = {
    "fit": lambda x, **kept: bayesgmm.fit(x, 2, "VVI", random_seed=3, n_init=4, **kept).history,
    "select": lambda x, **kept: [
        fit.history
        for fit in bayesgmm.select(
            x, [1, 2, 3], ["VVI", "EII"], random_seed=3, n_init=4, progressbar=False, **kept
        ).fits.values()
    ],
}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("what", ["fit", pytest.param("select", marks=pytest.mark.slow)])
def test_a_killed_process_is_gone_on_with(what, tmp_path):
    """By another process, to the same bits, without the passes that were made."""
    whole, path = Counted(), tmp_path / "kept"
    expected = WORK[what](whole)
    half = whole.times // 2
    code = f"""
from tests.em.test_checkpoint import WORK, Counted
WORK[{what!r}](Counted({half}), checkpoint={str(path)!r})
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    begun = len(module._BEGIN)
    with open(path, "ab") as file:  # the last record was not written whole
        file.write(path.read_bytes()[begun : begun + 60])
    rest = Counted()
    assert WORK[what](rest, checkpoint=path) == expected
    # Besides EM's passes the data are counted, checked, sampled and told from others.
    assert rest.times < whole.times - half + 15
    again = Counted()
    assert WORK[what](again, checkpoint=path) == expected
    assert again.times < 15 < half


def test_rows_in_memory_too(tmp_path):
    """Passes over an array with many rows are kept; a call without a file gives the same bits."""
    x = np.vstack([made(seed) for seed in range(20)])
    path = tmp_path / "kept"
    expected = bayesgmm.fit(x, 2, random_seed=0, n_init=2)
    kept = bayesgmm.fit(x, 2, random_seed=0, n_init=2, checkpoint=path)
    size = path.stat().st_size
    assert size > 1000
    again = bayesgmm.fit(x, 2, random_seed=0, n_init=2, checkpoint=path)
    assert expected.history == kept.history == again.history
    assert path.stat().st_size == size


OTHERS = {
    "n_components": {"n_components": 3},
    "family": {"covariance_type": "EEE"},
    "tol": {"tol": 1e-6},
    "random_seed": {"random_seed": 1},
    "data": {"X": made(1)},
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_others_are_refused(name, tmp_path):
    """Another option or other data are named, and the file stays as it is."""
    given = {"X": made(), "n_components": 2, "random_seed": 0, "checkpoint": tmp_path / "kept"}
    bayesgmm.fit(**given)
    before = (tmp_path / "kept").read_bytes()
    with pytest.raises(ValueError, match=f"another computation: {name} is"):
        bayesgmm.fit(**given | OTHERS[name])
    assert (tmp_path / "kept").read_bytes() == before


def test_other_classes_are_refused_in_few_words(tmp_path):
    """A list of classes as long as the rows is not printed."""
    x = made()
    known = ["a", "b", *[None] * (len(x) - 2)]
    given = {"X": x, "n_components": 2, "random_seed": 0, "checkpoint": tmp_path / "kept"}
    fit = bayesgmm.fit(**given, labels=known)
    assert bayesgmm.fit(**given, labels=known).history == fit.history
    with pytest.raises(ValueError, match="another computation: labels is") as error:
        bayesgmm.fit(**given, labels=["b", "a", *known[2:]])
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def test_files_that_are_none(tmp_path, monkeypatch):
    """A damaged file, another file, another version, a file in use: refused, and left alone."""
    path, data = tmp_path / "kept", in_chunks(made(), rows=ROWS)
    given = {"n_components": 2, "covariance_type": "EII", "random_seed": 0, "checkpoint": path}
    bayesgmm.fit(data, **given)
    good = path.read_bytes()
    path.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
    with pytest.raises(ValueError, match="damaged at byte"):
        bayesgmm.fit(data, **given)
    path.write_bytes(good[:30])
    with pytest.raises(ValueError, match="ends before its first record"):
        bayesgmm.fit(data, **given)
    path.write_bytes(b"a,b\n1,2\n" * 100)
    with pytest.raises(ValueError, match="is not a checkpoint"):
        bayesgmm.fit(data, **given)
    assert path.read_bytes() == b"a,b\n1,2\n" * 100
    path.write_bytes(good)
    with monkeypatch.context() as patch:
        patch.setattr(module, "__version__", "0.0")
        with pytest.raises(ValueError, match="bayesgmm is .* there, '0.0' here"):
            bayesgmm.fit(data, **given)
    with pytest.raises(ValueError, match="random_seed"):
        bayesgmm.fit(data, 2, checkpoint=path)
    if sys.platform != "win32":
        with module.Checkpoint(tmp_path / "mine", {}), pytest.raises(OSError, match="in use"):
            module.Checkpoint(tmp_path / "mine", {})


def test_a_full_disk(tmp_path, monkeypatch):
    """What was kept before stays whole, and the error names the file."""
    data, path, written = in_chunks(made(), rows=ROWS), tmp_path / "kept", []
    opened = module._opened

    class Full:
        def __init__(self, file):
            self._file = file

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, content):
            written.append(content)
            if len(written) > full_from:
                self._file.write(content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return self._file.write(content)

    for full_from in (0, 6):  # at the first record nothing is left, which is begun with again
        written.clear()
        with monkeypatch.context() as patch:
            patch.setattr(module, "_opened", lambda path: Full(opened(path)))
            with pytest.raises(OSError, match="No space left on device: .*kept"):
                bayesgmm.fit(data, 2, "VVI", random_seed=0, checkpoint=path)
        assert path.read_bytes() == b"".join(written[:full_from])
    fit = bayesgmm.fit(data, 2, "VVI", random_seed=0, checkpoint=path)
    assert fit.history == bayesgmm.fit(data, 2, "VVI", random_seed=0).history


@pytest.fixture
def written(tmp_path):
    """A checkpoint's path, what it is of, and its answers of several lengths."""
    path, identity = tmp_path / "kept", {"what": "a test", "of": [1, 2]}
    answers = {module.key_of(str(size)): bytes(range(size)) + bytes(40) for size in (9, 200, 1, 64)}
    with module.Checkpoint(path, identity) as kept:
        for key, content in answers.items():
            kept.put(key, content)
    return path, identity, answers


def test_no_byte_can_change_unseen(written):
    """Wherever a byte is another one the file is refused, not taken for one that was cut off."""
    path, identity, _ = written
    good = path.read_bytes()
    for at in range(len(good)):
        for bit in (1, 128):
            bad = good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :]
            path.write_bytes(bad)
            with pytest.raises(ValueError, match=r"damaged|not a checkpoint"):
                module.Checkpoint(path, identity)
            assert path.read_bytes() == bad


def test_cut_off_anywhere(written):
    """What is whole is read, and nothing of the rest is left behind what is added."""
    path, identity, answers = written
    good, more = path.read_bytes(), module.key_of("more")
    kept_at = []
    for size in range(1, len(good)):
        path.write_bytes(good[:size])
        try:
            kept = module.Checkpoint(path, identity)
        except ValueError as error:
            assert "damaged" in str(error) or "not a checkpoint" in str(error)
            assert not kept_at  # only as long as not even the first record is there
            continue
        with kept:
            there = {key: kept.get(key) for key in answers}
            kept.put(more, b"short")
        kept_at.append(sum(content is not None for content in there.values()))
        assert all(content in (None, answers[key]) for key, content in there.items())
        with module.Checkpoint(path, identity) as again:
            assert {key: again.get(key) for key in answers} == there
            assert again.get(more) == b"short"
    assert kept_at == sorted(kept_at) and set(kept_at) == {0, 1, 2, 3}
