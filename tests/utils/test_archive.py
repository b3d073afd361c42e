"""Saved files: whole or not there, read only if they are what was written."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import bayesgmm
from bayesgmm import Fit, Posterior, Selection
from bayesgmm.families import FAMILIES, get_family
from bayesgmm.families.membership import belongs
from bayesgmm.utils import archive

LOADERS = {"fit.npz": Fit, "grid.npz": Selection, "posterior.nc": Posterior}
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are POSIX's")
KINDS = pytest.mark.parametrize("name", LOADERS)


@pytest.fixture(scope="module")
def results():
    """A fit, a grid and a posterior of some rows."""
    x = bayesgmm.datasets.load_faithful()
    grid = bayesgmm.select(x, [1, 2], ["EEE", "VVI"], cv=3, random_seed=0, progressbar=False)
    fit = bayesgmm.fit(x, 2, "VVI", random_seed=0, prior=bayesgmm.Prior.from_data(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)  # few draws are enough here
        posterior = bayesgmm.refine(
            x, fit, sampler="gibbs", draws=50, chains=2, random_seed=0, progressbar=False
        )
    return {"fit.npz": fit, "grid.npz": grid, "posterior.nc": posterior}


@pytest.fixture
def saved(results, tmp_path):
    """The folder with the three saved."""
    for name, result in results.items():
        result.save(tmp_path / name)
    return tmp_path


def refused(name, path):
    """Loading raises the one clear error, which names the file."""
    with pytest.raises(ValueError, match="saved by this version of bayesgmm") as caught:
        LOADERS[name].load(path)
    assert str(path) in str(caught.value)


@KINDS
def test_flipped_bits_are_noticed(saved, name):
    """One bit anywhere, in 60 random places."""
    path, rng = saved / name, np.random.default_rng(1)
    whole = path.read_bytes()
    for at, bit in zip(rng.integers(0, len(whole), 60), rng.integers(0, 8, 60), strict=True):
        broken = bytearray(whole)
        broken[at] ^= 1 << bit
        path.write_bytes(broken)
        refused(name, path)


@KINDS
def test_files_cut_short_or_grown_are_noticed(saved, name):
    """At 60 random lengths, at none and with something behind."""
    path, rng = saved / name, np.random.default_rng(2)
    whole = path.read_bytes()
    for length in [0, *rng.integers(0, len(whole), 60), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(name, path)
    path.write_bytes(whole + b"\0")
    refused(name, path)


def test_other_programs_read_the_files(saved):
    """NumPy and xarray take them with their seal."""
    import xarray as xr

    with np.load(saved / "fit.npz") as file:
        assert file["means"].shape == (2, 2)
    with xr.open_datatree(saved / "posterior.nc", engine="h5netcdf") as tree:
        assert tree["posterior"]["pi"].shape == (2, 50, 2)


# ---- crafted files: a right checksum over wrong contents ----


def wrong_meta():
    """Changes of a fit's metadata that make it impossible."""
    for key, value in {
        "n": "abc", "family": "XYZ", "names": ["a", "a"], "status": "HAPPY", "loglik": None,
        "starts": [1, 2], "degenerate_component": 7, "weighted": "yes", "prior": {"mean": [1]},
        "named": 1, "rows": 0, "total": -1.0,
    }.items():  # fmt: skip
        yield pytest.param({key: value}, {}, id=key)
    yield pytest.param({"n": -3}, {}, id="negative n")
    yield pytest.param({"n": True}, {}, id="true n")
    yield pytest.param({"n": float("nan")}, {}, id="nan n")
    yield pytest.param({"family": "EII"}, {}, id="another family")
    yield pytest.param({"names": "eruptions"}, {}, id="names in one text")
    for name, array in {
        "weights": np.array([-0.5, 1.5]), "means": np.zeros((3, 2)), "history": np.array(["a"]),
        "covariances": -np.ones((2, 2, 2)), "scale": np.zeros(2), "moments": np.zeros((2, 2)),
        "projections": np.zeros(3),
    }.items():  # fmt: skip
        yield pytest.param({}, {name: array}, id=f"{name} array")
    yield pytest.param({}, {"covariances": np.ones(3)}, id="covariances shape")
    yield pytest.param({}, {"means": np.full((2, 2), "x", dtype=object)}, id="objects")


@pytest.mark.parametrize(("meta", "arrays"), list(wrong_meta()))
def test_crafted_fits_are_refused(results, tmp_path, meta, arrays):
    """Every value of a file is checked, whatever its checksum says."""
    fit = results["fit.npz"]
    kept, path = fit.to_arrays() | arrays, tmp_path / "fit.npz"
    with archive.sealed(path) as file:
        text = np.array(json.dumps({"format": "bayesgmm.Fit/4"} | fit.to_meta() | meta))
        np.savez(file, meta=text, **kept)
    refused("fit.npz", path)


def test_crafted_archives_are_refused(results, tmp_path):
    """Metadata that are no mapping, no JSON, missing, of another format; nested without end."""
    path, arrays = tmp_path / "fit.npz", results["fit.npz"].to_arrays()
    for text in ("[1]", "{", "[" * 100_000, '{"format": "bayesgmm.Fit/1"}', "3"):
        with archive.sealed(path) as file:
            np.savez(file, meta=np.array(text), **arrays)
        refused("fit.npz", path)
    with archive.sealed(path) as file:
        np.savez(file, **arrays)
    refused("fit.npz", path)
    with archive.sealed(path) as file:
        file.write(b"something else")
    refused("fit.npz", path)


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.update(criterion="best"),
        lambda meta: meta["fits"][0].__setitem__(1, "two"),
        lambda meta: meta["fits"][0].__setitem__(1, 9),
        lambda meta: meta["fits"][0].__setitem__(0, "XXX"),
        lambda meta: meta["fits"].pop(),
        lambda meta: meta["cv"][0].__setitem__(2, "high"),
        lambda meta: meta["failures"].append(["EEE"]),
    ],
)
def test_crafted_grids_are_refused(saved, change):
    """Cells that are none, or hold another fit."""
    path = saved / "grid.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    meta = json.loads(str(arrays.pop("meta")))
    change(meta)
    archive.write_arrays(path, meta.pop("format"), meta, arrays)
    refused("grid.npz", path)


def no_group(tree):
    """Without the rows."""
    del tree["observed_data"]


def negative(tree):
    """A draw whose proportions are negative."""
    tree["posterior"]["pi"][0, 0] = [-0.5, 1.5]


def unknown(tree):
    """A draw that is not a number."""
    tree["posterior"]["mu"][0, 0, 0, 0] = np.nan


def few(tree):
    """Draws of one component alone."""
    tree["posterior"] = tree["posterior"].isel(component=[0])


def foreign(tree):
    """A fit of another family."""
    tree.attrs["fit"] = json.dumps(json.loads(tree.attrs["fit"]) | {"family": "EII"})


def no_prior(tree):
    """A prior that is none."""
    tree.attrs["prior"] = "null"


@pytest.mark.parametrize("change", [no_group, negative, unknown, few, foreign, no_prior])
def test_crafted_posteriors_are_refused(results, tmp_path, change):
    """A tree that `refine` cannot have made, with a right checksum."""
    tree, path = results["posterior.nc"].tree.copy(deep=True), tmp_path / "posterior.nc"
    change(tree)
    with archive.sealed(path) as file:
        file.write(tree.to_netcdf(engine="h5netcdf"))
    refused("posterior.nc", path)


@pytest.mark.parametrize("d", [2, 3])
def test_a_family_knows_its_covariances(d):
    """Those that an M-step gives belong to it and to the families that contain it, to no other."""
    rng = np.random.default_rng(d)
    units = np.diag([1.0, 3.0, 0.5][:d])
    for name in FAMILIES:
        family = get_family(name, d)
        scale = np.eye(d) if family.spherical else units
        roots = scale @ rng.normal(size=(3, d, 2 * d))
        scatters = roots @ np.swapaxes(roots, 1, 2)
        if family.diagonal:
            scatters = np.diagonal(scatters, axis1=1, axis2=2)
        found = family.estimate(np.array([5.0, 20.0, 60.0]), scatters)
        found = found if found.ndim == 3 else found[:, :, None] * np.eye(d)
        for other in FAMILIES:
            assert belongs(get_family(other, d), found) == get_family(other, d).contains(family)


# ---- writing ----


@KINDS
def test_a_full_disk_leaves_the_old_file(saved, name, results, monkeypatch):
    """Whichever write it is that fails, and whether the disk or its cache is full."""
    path = saved / name
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    for place in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(archive.os, place, fail)
            with pytest.raises(OSError, match="No space left") as caught:
                results[name].save(path)
            assert caught.value.filename == str(path)
        assert path.read_bytes() == before
    assert {p.name for p in saved.iterdir()} == set(LOADERS)


LIMITED = """
import resource, signal, sys
from bayesgmm import Fit, Posterior, Selection
kind, path, *limits = sys.argv[1:]
result = {"Fit": Fit, "Posterior": Posterior, "Selection": Selection}[kind].load(path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    try:
        result.save(path)
    except OSError as error:
        print(error.errno)
"""


@POSIX
@KINDS
def test_a_file_that_cannot_grow_leaves_the_old_one(saved, name):
    """The operating system refuses to write on: no crash, one error, the old file."""
    path = saved / name
    before = path.read_bytes()
    limits = [str(int(share * len(before))) for share in (0.0, 0.1, 0.6, 0.99)]
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, LOADERS[name].__name__, path, *limits],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [str(errno.EFBIG)] * len(limits)
    assert path.read_bytes() == before
    assert {p.name for p in saved.iterdir()} == set(LOADERS)


KILLED = """
import os, random, signal, sys, time
from bayesgmm import Fit, Posterior, Selection
kind, path = sys.argv[1:]
cls = {"Fit": Fit, "Posterior": Posterior, "Selection": Selection}[kind]
result = cls.load(path)
start = time.perf_counter()
result.save(path)
took = time.perf_counter() - start
for moment in range(20):
    child = os.fork()
    if child == 0:
        while True:
            result.save(path)
    time.sleep(took * (1 + moment / 10))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(repr(cls.load(path)) == repr(result))
"""


@POSIX
@KINDS
def test_a_killed_process_leaves_a_whole_file(saved, name):
    """Killed at twenty moments of a row of saves: what is there is readable, and the same."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED, LOADERS[name].__name__, saved / name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.split() == ["True"] * 20
    left = {p.name for p in saved.iterdir()} - set(LOADERS)
    assert all(p.startswith(".bayesgmm-") for p in left)


def test_atomic_keeps_rights_and_links(tmp_path):
    """A link stays a link, a mode stays a mode, a protected file stays what it is."""
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    with archive.atomic(link) as partial:
        partial.write_text("new")
        assert real.read_text() == "old"
    assert link.is_symlink() and real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640
    with archive.atomic(os.devnull) as partial:
        assert partial == Path(os.devnull)
    with (
        pytest.raises(OSError, match="nowhere") as caught,
        archive.atomic(tmp_path / "nowhere" / "file.txt"),
    ):
        pass
    assert caught.value.filename == str(tmp_path / "nowhere" / "file.txt")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_atomic_respects_protection(tmp_path):
    """A file that may not be written to is not replaced."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(0o440)
    with pytest.raises(PermissionError, match=r"file\.txt"), archive.atomic(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "old"
