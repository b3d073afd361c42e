"""Compiled code on disk: whole or not there, in the first place that takes it, and bounded."""

from __future__ import annotations

import errno
import os

import pytest

from bayesgmm.utils import code_store


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two places of a process that has tried nothing yet."""
    found = [tmp_path / "own", tmp_path / "users"]
    monkeypatch.setattr(code_store, "places", lambda: found)
    monkeypatch.setattr(code_store, "_refused", {})
    monkeypatch.setattr(code_store, "_warned", False)
    code_store._note_use.cache_clear()
    return found


def contents(version="v", name="f.nbc"):
    return [content.partition(b"\nbayesgmm")[0] for content in code_store.read(version, name)]


def test_what_is_written_is_read_in_its_version_only(places):
    code_store.write("v", "f.nbc", b"code")
    assert contents() == [b"code"] and contents("w") == []
    assert [path.name for path in (places[0] / "v").iterdir()] == ["f.nbc"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"k" + b[1:], lambda b: b""])
def test_a_damaged_file_is_not_read(places, damage):
    """Cut off, changed, empty: compiled again, and written again."""
    code_store.write("v", "f.nbc", b"code")
    path = places[0] / "v" / "f.nbc"
    path.write_bytes(damage(path.read_bytes()))
    assert contents() == []
    code_store.write("v", "f.nbc", b"code")
    assert contents() == [b"code"]


def test_the_next_place_is_taken_where_one_cannot_be_written_to(places):
    """And what lies in the one that cannot be is read all the same."""
    code_store.write("v", "f.nbc", b"code")
    places.reverse()
    places[0].write_text("a file, where a folder should be")
    code_store.write("v", "g.nbc", b"other")
    assert contents() == [b"code"] and contents(name="g.nbc") == [b"other"]
    assert code_store.problem() is None


def test_a_full_disk_is_said_once_and_leaves_nothing(places, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(code_store, "sealed", full)
    code_store.write("v", "f.nbc", b"code")
    assert contents() == []
    with pytest.warns(UserWarning, match="No space left on device.*NUMBA_CACHE_DIR") as told:
        code_store.warn_of_problem()
        code_store.warn_of_problem()
    assert len(told) == 1 and told[0].filename == __file__


def test_old_versions_go_and_those_in_use_stay(places):
    """Of ten versions, the first of them read from again and again, eight are left."""
    for number in range(10):
        folder = places[0] / f"v{number}"
        code_store.write(f"v{number}", "f.nbc", b"code")
        os.utime(folder, (number, number))
        code_store._note_use.cache_clear()  # as another process would
        assert contents("v0") == [b"code"]
    left = {path.name for path in places[0].iterdir()}
    assert left == {"v0"} | {f"v{number}" for number in range(3, 10)}


def test_places(monkeypatch, tmp_path):
    """NUMBA_CACHE_DIR alone; else the package's own folder and the user's, if there is a home."""
    from numba import config

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    assert code_store.places() == [tmp_path / "bayesgmm"] and code_store.writable()
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own, users = code_store.places()
    assert own.parent.name == "__pycache__" and users == tmp_path / "bayesgmm" / "compiled"
    monkeypatch.setenv("XDG_CACHE_HOME", "~nobody-of-that-name/cache")
    assert code_store.places() == [own]
