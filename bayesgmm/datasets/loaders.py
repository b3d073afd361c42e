"""Small real data sets that mixtures are usually tried on, each as a pandas DataFrame.

The values lie as CSV files beside this one; `PROVENANCE.md` there says where each came from and
under which licence. A frame's ``attrs["units"]`` maps each feature to its unit and
``attrs["source"]`` names the paper. Importing this module reads no file and does not load pandas.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

__all__ = [
    "load_acidity",
    "load_diabetes",
    "load_faithful",
    "load_galaxies",
    "load_iris",
    "load_penguins",
]


@dataclass(frozen=True)
class _Metadata:
    """What a CSV cannot say: the units of the features (other columns have none), the paper."""

    units: dict[str, str]
    source: str


_METADATA = {
    "acidity": _Metadata(
        units={"acidity": "log(ANC + 50)"},
        source="Crawford (1994), Journal of the American Statistical Association 89, 259-267",
    ),
    "diabetes": _Metadata(
        units={"fpg": "mg/100 mL", "glucose": "mg h/100 mL", "insulin": "uU h/mL"},
        source="Reaven & Miller (1979), Diabetologia 16, 17-24",
    ),
    "faithful": _Metadata(
        units={"eruptions": "min", "waiting": "min"},
        source="Azzalini & Bowman (1990), Applied Statistics 39, 357-365",
    ),
    "galaxies": _Metadata(
        units={"velocity_km_s": "km/s"},
        source="Postman, Huchra & Geller (1986), Astronomical Journal 92, 1238-1247; "
        "Roeder (1990), Journal of the American Statistical Association 85, 617-624",
    ),
    "iris": _Metadata(
        units=dict.fromkeys(("sepal_length", "sepal_width", "petal_length", "petal_width"), "cm"),
        source="Fisher (1936), Annals of Eugenics 7, 179-188; "
        "Anderson (1935), Bulletin of the American Iris Society 59, 2-5",
    ),
    "penguins": _Metadata(
        units={
            "bill_length_mm": "mm",
            "bill_depth_mm": "mm",
            "flipper_length_mm": "mm",
            "body_mass_g": "g",
        },
        source="Gorman, Williams & Fraser (2014), PLoS ONE 9(3), e90081",
    ),
}


def _load(name: str, features_only: bool) -> "pandas.DataFrame":
    """Read one data set; both dictionaries of its attrs are the caller's own."""
    import pandas

    metadata = _METADATA[name]
    with files(__package__).joinpath(f"{name}.csv").open(encoding="utf-8") as text:
        frame = pandas.read_csv(text)
    if features_only:
        frame = frame[list(metadata.units)]
    frame.attrs = {"units": dict(metadata.units), "source": metadata.source}
    return frame


def load_acidity(*, features_only: bool = False) -> "pandas.DataFrame":
    """Acidity of 155 lakes, on a log scale: two overlapping groups.

    ========  =============  ====================================================
    column    unit           meaning
    ========  =============  ====================================================
    acidity   log(ANC + 50)  ANC is the acid neutralising capacity of the water
    ========  =============  ====================================================

    Parameters
    ----------
    features_only
        Accepted as by every loader; this data set has no other column.

    Returns
    -------
    pandas.DataFrame
        155 rows, 1 column; no classes are known.

    References
    ----------
    Crawford (1994), "An application of the Laplace method to finite mixture distributions",
    Journal of the American Statistical Association 89, 259-267. Values from R's mclust 6.0.0.

    Examples
    --------
    >>> lakes = load_acidity()
    >>> lakes.shape
    (155, 1)
    >>> round(float(lakes["acidity"].median()), 2)
    4.73
    """
    return _load("acidity", features_only)


def load_diabetes(*, features_only: bool = False) -> "pandas.DataFrame":
    """Blood chemistry of 145 non-obese adults: a dense middle with two arms.

    =======  ============  ==========================================================
    column   unit          meaning
    =======  ============  ==========================================================
    fpg      mg/100 mL     fasting plasma glucose
    glucose  mg h/100 mL   area under plasma glucose, three-hour oral tolerance test
    insulin  uU h/mL       area under plasma insulin in the same test
    class                  Normal (76), Chemical (36), Overt (33) diabetes
    =======  ============  ==========================================================

    Parameters
    ----------
    features_only
        Leave out `class`.

    Returns
    -------
    pandas.DataFrame
        145 rows, 4 columns (3 features). `class` is the clinical diagnosis, as text.

    Notes
    -----
    This is the corrected file: mclust's `diabetes` names these columns glucose, insulin and sspg,
    and has 45 for 455 in row 104. Results published from it differ a little.

    References
    ----------
    Reaven & Miller (1979), "An attempt to define the nature of chemical diabetes using a
    multidimensional analysis", Diabetologia 16, 17-24. Values from R's mclust 6.0.0, corrected as
    in the vignette of mclust 6.1.3; equal to R's rrcov.

    Examples
    --------
    >>> patients = load_diabetes()
    >>> patients["class"].value_counts().to_dict()
    {'Normal': 76, 'Chemical': 36, 'Overt': 33}
    >>> patients.attrs["units"]["glucose"]
    'mg h/100 mL'
    """
    return _load("diabetes", features_only)


def load_faithful(*, features_only: bool = False) -> "pandas.DataFrame":
    """Eruptions of the Old Faithful geyser, Yellowstone: short and long ones.

    =========  ====  ======================================
    column     unit  meaning
    =========  ====  ======================================
    eruptions  min   duration of the eruption
    waiting    min   waiting time to the next eruption
    =========  ====  ======================================

    Parameters
    ----------
    features_only
        Accepted as by every loader; this data set has no other column.

    Returns
    -------
    pandas.DataFrame
        272 rows, 2 columns; no classes are known.

    References
    ----------
    Azzalini & Bowman (1990), "A look at some data on the Old Faithful geyser", Applied Statistics
    39, 357-365. Values from R 4.2.2.

    Examples
    --------
    >>> load_faithful().head(2)
       eruptions  waiting
    0        3.6       79
    1        1.8       54
    """
    return _load("faithful", features_only)


def load_galaxies(*, features_only: bool = False) -> "pandas.DataFrame":
    """Velocities of 82 galaxies in the Corona Borealis region, in increasing order.

    =============  ====  =========================================
    column         unit  meaning
    =============  ====  =========================================
    velocity_km_s  km/s  velocity at which the galaxy moves away
    =============  ====  =========================================

    Parameters
    ----------
    features_only
        Accepted as by every loader; this data set has no other column.

    Returns
    -------
    pandas.DataFrame
        82 rows, 1 column; no classes are known.

    Notes
    -----
    The 78th value is 26960, as in Richardson & Green (1997); R's MASS has 26690, which its help
    calls an error. Much of the literature fits thousands of km/s: divide by 1000.

    References
    ----------
    Postman, Huchra & Geller (1986), "Probes of large-scale structure in the Corona Borealis
    region", Astronomical Journal 92, 1238-1247. Roeder (1990), "Density estimation with
    confidence sets exemplified by superclusters and voids in the galaxies", Journal of the
    American Statistical Association 85, 617-624. Values from R's MASS 7.3-58.2, corrected.

    Examples
    --------
    >>> velocity = load_galaxies()["velocity_km_s"]
    >>> int(velocity[77])
    26960
    """
    return _load("galaxies", features_only)


def load_iris(*, features_only: bool = False) -> "pandas.DataFrame":
    """Flowers of three species of iris: one apart, two that overlap.

    ============  ====  ==========================================
    column        unit  meaning
    ============  ====  ==========================================
    sepal_length  cm
    sepal_width   cm
    petal_length  cm
    petal_width   cm
    species             setosa, versicolor, virginica, 50 of each
    ============  ====  ==========================================

    Parameters
    ----------
    features_only
        Leave out `species`.

    Returns
    -------
    pandas.DataFrame
        150 rows, 5 columns (4 features). `species` is the class, as text.

    References
    ----------
    Fisher (1936), "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7,
    179-188. Anderson (1935), "The irises of the Gaspe Peninsula", Bulletin of the American Iris
    Society 59, 2-5. Values from R 4.2.2; scikit-learn's `load_iris` has the same.

    Examples
    --------
    >>> load_iris().shape, load_iris(features_only=True).shape
    ((150, 5), (150, 4))
    """
    return _load("iris", features_only)


def load_penguins(*, features_only: bool = False) -> "pandas.DataFrame":
    """Size of 333 penguins of three species on islands of the Palmer Archipelago, Antarctica.

    =================  ====  =========================================
    column             unit  meaning
    =================  ====  =========================================
    bill_length_mm     mm
    bill_depth_mm      mm
    flipper_length_mm  mm
    body_mass_g        g
    species                  Adelie (146), Chinstrap (68), Gentoo (119)
    island                   Biscoe, Dream, Torgersen
    sex                      female, male
    year                     2007, 2008, 2009
    =================  ====  =========================================

    Parameters
    ----------
    features_only
        Leave out `species`, `island`, `sex` and `year`.

    Returns
    -------
    pandas.DataFrame
        333 rows, 8 columns (4 features): the birds of which every column is known. `species` is
        the class, as text.

    References
    ----------
    Gorman, Williams & Fraser (2014), "Ecological sexual dimorphism and environmental variability
    within a community of Antarctic penguins (genus Pygoscelis)", PLoS ONE 9(3), e90081. Values
    from R's palmerpenguins 0.1.1, complete rows.

    Examples
    --------
    >>> load_penguins()["species"].value_counts().to_dict()
    {'Adelie': 146, 'Gentoo': 119, 'Chinstrap': 68}
    >>> list(load_penguins(features_only=True))
    ['bill_length_mm', 'bill_depth_mm', 'flipper_length_mm', 'body_mass_g']
    """
    return _load("penguins", features_only)
