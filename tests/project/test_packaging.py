"""What is kept under version control, and what of it is shipped: in the wheel, in the sdist."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

import bayesgmm
from tests.places import ROOT

#: The files that are not text, and the bytes that each may have.
BINARIES = {
    "docs/figures/components.png": 100_000,
    "docs/figures/faithful.png": 200_000,
    "docs/figures/growth.png": 200_000,
}
#: Beside the package, the tests and what hatchling adds: the project's own files of the sdist.
ROOT_FILES = {
    "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "README.md", "hatch_build.py",
    "pyproject.toml",
}  # fmt: skip


def kept():
    """Files that git has or would take, as far as they are there."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: git cannot say which files it keeps")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in names.split("\0") if name and (ROOT / name).exists()}


def is_text(content):
    """Whether bytes are text in UTF-8."""
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def test_binaries_stay_out():
    """A wheel, a compiled file or a picture swells every clone for ever."""
    found = {name for name in kept() if not is_text((ROOT / name).read_bytes())}
    assert found <= set(BINARIES), f"not text: {sorted(found - set(BINARIES))}"
    for name in found:
        assert (ROOT / name).stat().st_size <= BINARIES[name], f"{name} has grown"


def pip_wheel(source, folder):
    """The files of the wheel that pip makes of a folder or an sdist: name to content."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, source]
    subprocess.run(command, check=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return pip_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.tar.gz")
    return path


def test_wheel_is_the_package_and_nothing_else(wheel):
    """Code, data sets, templates, the mark of a typed package, the licence."""
    info = f"bayesgmm-{bayesgmm.__version__}.dist-info"
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    package = {name for name in kept() if name.startswith("bayesgmm/")}
    assert set(wheel) == package | {f"{info}/{name}" for name in about}
    assert {PurePosixPath(name).suffix for name in package} >= {".csv", ".html", ".md", ".txt"}
    assert "bayesgmm/py.typed" in package
    assert wheel[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_sdist_is_what_pyproject_says(sdist):
    """The package, its tests and the project's files: no site, no notebooks, no benchmarks."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {name for name in kept() if name.startswith(("bayesgmm/", "tests/"))}
    assert names == sources | ROOT_FILES | {".gitignore", "PKG-INFO"}


def test_wheel_of_the_sdist_is_that_of_the_checkout(wheel, sdist, tmp_path):
    """Who builds from the sdist installs the same."""
    assert pip_wheel(sdist, tmp_path) == wheel


def described(wheel):
    """The long description of the wheel."""
    (metadata,) = (text for name, text in wheel.items() if name.endswith("/METADATA"))
    return metadata.decode().partition("\n\n")[2]


def test_page_of_the_package_has_no_dead_link(wheel):
    """Every link leads to a file that is in the repository; one picture; no raw mathematics."""
    page = described(wheel)
    assert page.startswith("# bayesgmm") and "$" not in page
    links = re.findall(r"(!?)\[[^]]*\]\(([^)\s]+)\)", page)
    assert sum(bool(picture) for picture, _ in links) == 1
    there = re.compile(
        r"https://(?:raw\.githubusercontent|github)\.com/OWNER/bayesgmm/(?:blob/)?main/([^#]*)"
    )
    for _, link in links:
        found = there.match(link)
        assert found is not None, f"{link} leads nowhere from a package index"
        assert (ROOT / found[1]).is_file(), link
    assert len(links) > 20


@pytest.mark.slow
def test_twine_accepts_both(sdist, tmp_path):
    """What a package index looks at before it takes an upload."""
    pytest.importorskip("twine")
    pip_wheel(ROOT, tmp_path)
    command = [sys.executable, "-m", "twine", "check", "--strict", sdist, *tmp_path.glob("*.whl")]
    subprocess.run(command, check=True)


def test_changelog_citation_and_version_agree():
    """The newest dated section is what is cited, and the version is that one or a later one."""
    log = (ROOT / "CHANGELOG.md").read_text()
    version, date = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", log, re.MULTILINE)[
        0
    ]
    cited = (ROOT / "CITATION.cff").read_text()
    assert f'version: "{version}"' in cited and f'date-released: "{date}"' in cited
    number, _, development = bayesgmm.__version__.partition(".dev")
    released, current = (tuple(map(int, v.split("."))) for v in (version, number))
    assert current > released if development else current == released
