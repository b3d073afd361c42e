"""The data sets that ship with the package are whole, right and described."""

import subprocess
import sys
from importlib.resources import files

import pandas as pd
import pytest

from bayesgmm.datasets import loaders as datasets
from tests.places import SHARED

NAMES = sorted(name.removeprefix("load_") for name in datasets.__all__)
SHAPES = {
    "acidity": (155, 1),
    "diabetes": (145, 4),
    "faithful": (272, 2),
    "galaxies": (82, 1),
    "iris": (150, 5),
    "penguins": (333, 8),
}
N_FEATURES = {
    "acidity": 1,
    "diabetes": 3,
    "faithful": 2,
    "galaxies": 1,
    "iris": 4,
    "penguins": 4,
}
# The same files as other programs' reference numbers were computed from; not part of the package.
REFERENCE = SHARED / "data"


def load(name: str, *, features_only: bool = False) -> pd.DataFrame:
    return getattr(datasets, f"load_{name}")(features_only=features_only)


@pytest.mark.parametrize("name", NAMES)
def test_shape(name: str) -> None:
    assert load(name).shape == SHAPES[name]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_missing(name: str) -> None:
    assert not load(name).isna().any(axis=None)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_the_numeric_columns_with_a_unit(name: str) -> None:
    features = load(name, features_only=True)
    assert features.shape == (SHAPES[name][0], N_FEATURES[name])
    assert list(features) == list(features.attrs["units"])
    assert all(pd.api.types.is_numeric_dtype(kind) for kind in features.dtypes)
    pd.testing.assert_frame_equal(features, load(name)[list(features)])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("features_only", [False, True])
def test_units_and_source_are_stated(name: str, features_only: bool) -> None:
    attrs = load(name, features_only=features_only).attrs
    assert all(attrs["units"].values())
    assert attrs["source"]


@pytest.mark.parametrize("name", NAMES)
def test_a_caller_may_change_what_it_got(name: str) -> None:
    frame = load(name)
    untouched = frame.copy()
    frame.iloc[0, 0] = 0
    frame.attrs["units"].clear()
    pd.testing.assert_frame_equal(load(name), untouched)
    assert load(name).attrs["units"]


def test_galaxies_hold_the_corrected_value_in_km_per_second() -> None:
    galaxies = load("galaxies")
    assert galaxies["velocity_km_s"][77] == 26960
    assert galaxies["velocity_km_s"].is_monotonic_increasing
    assert galaxies.attrs["units"] == {"velocity_km_s": "km/s"}


def test_diabetes_holds_the_corrected_value() -> None:
    assert load("diabetes")["glucose"][103] == 455


@pytest.mark.parametrize(
    ("name", "column", "counts"),
    [
        ("iris", "species", {"setosa": 50, "versicolor": 50, "virginica": 50}),
        ("penguins", "species", {"Adelie": 146, "Chinstrap": 68, "Gentoo": 119}),
        ("diabetes", "class", {"Normal": 76, "Chemical": 36, "Overt": 33}),
    ],
)
def test_class_counts(name: str, column: str, counts: dict[str, int]) -> None:
    assert load(name)[column].value_counts().to_dict() == counts


def test_iris_equals_that_of_scikit_learn() -> None:
    from sklearn.datasets import load_iris

    assert (load("iris", features_only=True).to_numpy() == load_iris().data).all()


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference data beside this checkout")
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_reference_data(name: str) -> None:
    pd.testing.assert_frame_equal(load(name), pd.read_csv(REFERENCE / f"{name}.csv"))


def provenance_table() -> dict[str, list[str]]:
    """Return the rows of the table in PROVENANCE.md by file name."""
    text = files(datasets).joinpath("PROVENANCE.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if ".csv |" in line]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_every_file_has_a_loader_and_a_provenance() -> None:
    shipped = {path.name for path in files(datasets).iterdir() if path.name.endswith(".csv")}
    assert shipped == {f"{name}.csv" for name in NAMES} == set(provenance_table())


@pytest.mark.parametrize("name", NAMES)
def test_provenance_agrees_with_the_file(name: str) -> None:
    n_rows, n_columns, class_column, *facts = provenance_table()[f"{name}.csv"]
    frame = load(name)
    assert frame.shape == (int(n_rows), int(n_columns))
    assert class_column == "" or class_column in frame
    assert all(facts)


def test_importing_loads_no_pandas() -> None:
    code = "import sys, bayesgmm.datasets; sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
