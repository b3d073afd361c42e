"""Bad and odd input, from tables of values by arguments: a right answer, or a clear error.

An error is clear if this library raises it itself (no message of another library), as a
ValueError or TypeError, and it names the argument and a cure. Right answers are compared with
those to the plain form of the same input.
"""

import re
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm import Gamma, GaussianMixture, Mixture, Prior
from bayesgmm.cli.app import app
from bayesgmm.data.data import as_data
from bayesgmm.data.files import read_table

PACKAGE = str(Path(bayesgmm.__file__).parent)
#: What a cure begins with.
CURE = re.compile(
    r"pass|choose|drop|rename|ask for|express|convert|name |correct|add a header|write|must be|"
    r"make it|separate|save it again|use|needs|are at least|must |the table has|leave|takes|"
    r"give |divide|multiply|compare "
)
#: Scraps of other libraries' and of Python's own messages.
FOREIGN = re.compile(
    r"has no attribute|could not convert|unsupported operand|not supported between|broadcast|"
    r"object is not|SeedSequence expects|Singular matrix|must be real number|out of bounds|"
    r"cannot be interpreted|Unable to allocate|not subscriptable|unhashable"
)


def clear(call, names=""):
    """The error, which must be clear and name one of these."""
    try:
        found = call()
    except (ValueError, TypeError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        assert last.filename.startswith(PACKAGE), f"{last.filename}: {error!r}"
        text = str(error)
        assert CURE.search(text) and not FOREIGN.search(text), repr(error)
        assert not names or re.search(names, text), f"{names!r} is not named in: {text}"
        return error
    pytest.fail(f"accepted, with {found!r}")


def rows():
    """Two groups of 30 rows in two columns."""
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(0, 1, (30, 2)), rng.normal([6, 3], 1, (30, 2))])


X = rows()
FRAME = pd.DataFrame(X, columns=["a", "b"])
SEED = {"random_seed": 1}
QUIET = {"progressbar": False}


@pytest.fixture(scope="module")
def fit():
    return bayesgmm.fit(FRAME, 2, n_init=1, **SEED)


# ---- numbers and names, by argument ----

NO_WHOLE = [2.5, "a", True, None, -1, 10**30, 1j, [2], np.nan]
NO_NUMBER = ["a", True, 1j, [1.0], np.nan, -1.0, np.inf]
NO_PROBABILITY = ["a", True, None, 0, 1, -0.5, np.nan, 1j]
NO_SEED = [-1, "a", 1.5, True, [1.5], np.random.RandomState(0), np.random.MT19937()]
NO_NAME = ["nonsense", 3, None, ["EEE"], b"bic", True]


def without(values, *left_out):
    """Values but for those that are good for this argument."""
    return [v for v in values if not any(v is other for other in left_out)]


def _fit(**options):
    return bayesgmm.fit(FRAME, options.pop("n_components", 1), **options)


def _select(**options):
    return bayesgmm.select(FRAME, options.pop("n_components", [1]), **options, **QUIET)


def _lrt(**options):
    return bayesgmm.bootstrap_lrt(FRAME, "EEE", **options, **QUIET)


#: Function, argument, how messages call it, values: all are refused. {fit} is filled in.
BY_ARGUMENT = {
    "fit n_components": (_fit, "n_components", NO_WHOLE),
    "fit n_init": (_fit, "n_init", without(NO_WHOLE, None)),
    "fit max_iter": (_fit, "max_iter", NO_WHOLE),
    "fit tol": (_fit, "tol", [*NO_NUMBER, None]),
    "fit ridge": (_fit, "ridge", [*NO_NUMBER, None]),
    "fit max_ratio": (_fit, "max_ratio", [*NO_NUMBER, 0.5]),
    "fit random_seed": (_fit, "random_seed", NO_SEED),
    "fit covariance_type": (_fit, "covariance_type", NO_NAME),
    "fit start": (_fit, "start", ["nonsense", 3, None, object(), [1, 2]]),
    "fit prior": (_fit, "prior", ["x", 3, {}, [], Prior]),
    "fit columns": (_fit, "columns", [3, "c", ["c"], [], [True], [1.5]]),
    "select n_components": (
        _select,
        "n_components",
        [2.5, "a", True, None, -1, 10**30, [], [0], [10**9]],
    ),
    "select n_init": (_select, "n_init", without(NO_WHOLE, None)),
    "select max_iter": (_select, "max_iter", NO_WHOLE),
    "select tol": (_select, "tol", NO_NUMBER),
    "select random_seed": (_select, "random_seed", NO_SEED),
    "select covariance_type": (_select, "covariance_type", ["nonsense", 3, [3], [None], []]),
    "select criterion": (_select, "criterion", NO_NAME),
    "select start": (_select, "start", ["nonsense", 3, None]),
    "select cv": (_select, "cv", without(NO_WHOLE, None)),
    "select resume": (_select, "resume", ["grid.npz", 3, {}]),
    "select prior": (_select, "prior", ["x", 3, {}]),
    "bootstrap_lrt n_boot": (_lrt, "n_boot", NO_WHOLE),
    "bootstrap_lrt n_components": (_lrt, "n_components", without(NO_WHOLE, None)),
    "bootstrap_lrt max_components": (_lrt, "max_components", without(NO_WHOLE, None)),
    "bootstrap_lrt level": (_lrt, "level", NO_PROBABILITY),
    "bootstrap_lrt random_seed": (_lrt, "random_seed", NO_SEED),
}
OF_A_FIT = {
    "refine draws": (bayesgmm.refine, "draws", NO_WHOLE),
    "refine tune": (bayesgmm.refine, "tune", without(NO_WHOLE, None)),
    "refine chains": (bayesgmm.refine, "chains", NO_WHOLE),
    "refine cores": (bayesgmm.refine, "cores", [0, *without(NO_WHOLE, None)]),
    "refine n_modes": (bayesgmm.refine, "n_modes", NO_WHOLE),
    "refine thin": (bayesgmm.refine, "thin", without(NO_WHOLE, None)),
    "refine target_accept": (bayesgmm.refine, "target_accept", NO_PROBABILITY),
    "refine random_seed": (bayesgmm.refine, "random_seed", [*NO_SEED, np.random.default_rng(0)]),
    "refine sampler": (bayesgmm.refine, "sampler", NO_NAME),
    "refine relabel": (bayesgmm.refine, "relabel", NO_NAME),
    "refine prior": (bayesgmm.refine, "prior", ["x", 3, {}, []]),
    "build_model prior": (bayesgmm.build_model, "prior", ["x", 3, {}, []]),
    "standard_errors method": (bayesgmm.standard_errors, "method", NO_NAME),
    "standard_errors n_boot": (bayesgmm.standard_errors, "n_boot", NO_WHOLE),
    "standard_errors max_iter": (bayesgmm.standard_errors, "max_iter", NO_WHOLE),
    "standard_errors random_seed": (bayesgmm.standard_errors, "random_seed", NO_SEED),
}


def cases(table):
    """A case for every value."""
    return [
        pytest.param(function, argument, value, id=f"{name} {i} {type(value).__name__}")
        for name, (function, argument, values) in table.items()
        for i, value in enumerate(values)
    ]


@pytest.mark.parametrize(("function", "argument", "value"), cases(BY_ARGUMENT))
def test_arguments(function, argument, value):
    """Every value is refused, and the argument is named."""
    clear(lambda: function(**{argument: value}), argument[:6])


@pytest.mark.parametrize(("function", "argument", "value"), cases(OF_A_FIT))
def test_arguments_of_what_takes_a_fit(fit, function, argument, value):
    clear(lambda: function(FRAME, fit, **{argument: value}), argument[:6])


ESTIMATOR = {
    "n_components": NO_WHOLE,
    "max_iter": NO_WHOLE,
    "n_init": without(NO_WHOLE, None),
    "tol": NO_NUMBER,
    "reg_covar": NO_NUMBER,
    "covariance_type": without(NO_NAME, True),
    "init_params": NO_NAME,
    "weights_init": ["a", [0.5], [0.5, 0.6], [np.nan, 1], [1j, 0]],
    "means_init": ["a", [[0.0, 0.0]], [[np.inf, 0], [0, 0]], 3],
    "precisions_init": ["a", np.zeros((2, 2, 2)), np.eye(2), -np.ones((2, 2, 2))],
}


@pytest.mark.parametrize(
    ("argument", "value"), [(name, v) for name, values in ESTIMATOR.items() for v in values]
)
def test_the_estimator(argument, value):
    options = {"n_components": 2, "n_init": 1, "random_state": 0} | {argument: value}
    clear(lambda: GaussianMixture(**options).fit(X))


# ---- whole numbers of any type count alike ----

WHOLE = [np.int8, np.uint8, np.int16, np.uint16, np.int64, np.uint64, np.array]


@pytest.mark.parametrize("kind", WHOLE)
def test_integers_of_any_type(kind):
    """The largest of an 8-bit type and its neighbours give what Python's own give."""
    for most in (127, 100):
        options = {"max_iter": most, "n_init": 3, "tol": 0.0}
        expected = bayesgmm.fit(X, 2, **options, **SEED)
        odd = {"max_iter": kind(most), "n_init": kind(3), "tol": np.float32(0)}
        found = bayesgmm.fit(X, kind(2), **odd, **SEED)
        assert found.history == expected.history
        model = GaussianMixture(kind(2), max_iter=kind(most), n_init=kind(3), random_state=0)
        assert model.fit(X).fit_.n_components == 2
    assert len(bayesgmm.select(X, [kind(1)], ["EEE"], **SEED, **QUIET).fits) == 1
    np.testing.assert_array_equal(expected.sample(kind(5), 3)[0], expected.sample(5, 3)[0])


def test_the_largest_of_a_type():
    """max_iter = 255 of 8 bits once wrote beyond the end of an array."""
    for most in (np.uint8(255), np.uint16(65535), np.int8(127)):
        fits = [bayesgmm.fit(X, 2, max_iter=m, n_init=1, **SEED) for m in (most, int(most))]
        assert fits[0].history == fits[1].history


# ---- tables ----

ONE = np.ones(60)
TABLES = {
    "None": None,
    "text": "table.csv",
    "number": 3,
    "dict": {"a": [1.0, 2.0]},
    "set": {1.0, 2.0},
    "generator": (i for i in range(5)),
    "module": np,
    "record array": FRAME.to_records(index=False),
    "dates": np.zeros((5, 2), dtype="M8[ns]"),
    "durations": np.arange(10).astype("m8[s]").reshape(5, 2),
    "date column": FRAME.assign(b=pd.Timestamp("2020-01-01")),
    "category of integers": FRAME.assign(b=pd.Categorical([1, 2] * 30)),
    "category of texts": FRAME.assign(b=pd.Categorical(["1", "2"] * 30)),
    "texts": [["1", "2"], ["3", "4"]],
    "text column": FRAME.assign(b="3"),
    "complex": X * 1j,
    "missing": np.where(X > 5, np.nan, X),
    "infinite": np.where(X > 5, np.inf, X),
    "masked": np.ma.masked_greater(X, 5),
    "None in a list": [[1.0, None], [2.0, 3.0]],
    "nullable": FRAME.astype("Float64").mask(FRAME > 5),
    "1e300": X * 1e300,
    "1e-200": X * 1e-200,
    "constant": np.c_[X[:, 0], ONE],
    "one row": X[:1],
    "no rows": X[:0],
    "no columns": X[:, :0],
    "ragged": [[1.0], [1.0, 2.0]],
    "three dimensions": X[None],
    "equal names": pd.DataFrame(X, columns=["a", "a"]),
    "objects": [[object(), 1.0], [2.0, 3.0]],
    "all rows equal": np.ones((5, 2)),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name):
    clear(lambda: bayesgmm.fit(TABLES[name], 1))


@pytest.mark.parametrize("name", [n for n in TABLES if n not in {"constant", "one row", "1e-200",
                                                                  "all rows equal"}])  # fmt: skip
def test_new_rows(fit, name):
    """The same for rows to predict; constant ones are allowed there."""
    clear(lambda: fit.predict(TABLES[name]))
    clear(lambda: bayesgmm.classify(TABLES[name], fit))


WEIGHTS = {
    "text": "a",
    "texts of numbers": ["1"] * 60,
    "complex": ONE * 1j,
    "dates": np.zeros(60, dtype="M8[ns]"),
    "date series": pd.Series([pd.Timestamp("2020-01-01")] * 60),
    "durations": np.ones(60, dtype="m8[s]"),
    "categories": pd.Series(pd.Categorical([1] * 60)),
    "masked": np.ma.masked_array(ONE, [True] + [False] * 59),
    "missing": np.r_[np.nan, ONE[1:]],
    "NA": pd.Series([None, *[1.0] * 59], dtype="Float64"),
    "None": [None] * 60,
    "negative": -ONE,
    "zero": 0 * ONE,
    "infinite": ONE * np.inf,
    "too few": ONE[1:],
    "column": ONE[:, None],
    "number": 3.0,
    "1e300": ONE * 1e300,
    "shares": ONE / 60,
    "1e-10": ONE * 1e-10,
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(fit, name):
    clear(lambda: bayesgmm.fit(FRAME, 1, sample_weight=WEIGHTS[name]), "weight")
    clear(lambda: bayesgmm.merge(FRAME, fit, sample_weight=WEIGHTS[name]), "weight")


@pytest.mark.parametrize("kind", ["int8", "uint64", "float32", "object", "Int64", "bool"])
def test_weights_of_other_types(kind):
    """Numbers of any type, and truth values as 1 and 0, count as what they are."""
    w = np.arange(60) % 2 if kind == "bool" else np.arange(60) % 3 + 1
    expected = bayesgmm.fit(X, 1, sample_weight=w.astype(float))
    found = bayesgmm.fit(X, 1, sample_weight=pd.Series(w).astype(kind))
    assert found.loglik == expected.loglik


COLUMNS = {
    "positions": (X, [1], X[:, 1:]),
    "negative": (X, [-1], X[:, 1:]),
    "made-up names": (X, ["x1"], X[:, 1:]),
    "mask": (FRAME, [False, True], X[:, 1:]),
    "array mask": (X, np.array([False, True]), X[:, 1:]),
    "integer names": (pd.DataFrame(X, columns=[5, 0]), [0], X[:, 1:]),
    "tuples": (
        pd.DataFrame(X, columns=pd.MultiIndex.from_tuples([("g", "a"), ("g", "b")])),
        [("g", "b")],
        X[:, 1:],
    ),
    "one name": (FRAME, "b", X[:, 1:]),
    "another order": (FRAME, ["b", "a"], X[:, ::-1]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(name):
    """Those asked for, however they are."""
    table, columns, expected = COLUMNS[name]
    np.testing.assert_array_equal(as_data(table, columns).values, expected)


# ---- kinds of things ----


def wrong_kinds():
    """Calls with the wrong kind of thing, by name; each takes a fit."""
    model = GaussianMixture(2, n_init=1, random_state=0)
    things = {"number": 5, "text": "x", "None": None, "list": [], "array": X, "estimator": model}
    for name, thing in things.items():
        yield f"refine {name}", lambda fit, t=thing: bayesgmm.refine(FRAME, t)
        yield f"build_model {name}", lambda fit, t=thing: bayesgmm.build_model(FRAME, t)
        yield f"standard_errors {name}", lambda fit, t=thing: bayesgmm.standard_errors(FRAME, t)
        yield f"merge {name}", lambda fit, t=thing: bayesgmm.merge(FRAME, t)
        yield f"classify {name}", lambda fit, t=thing: bayesgmm.classify(FRAME, t)
        yield f"compare {name}", lambda fit, t=thing: bayesgmm.compare(t)
        yield f"compare of {name}", lambda fit, t=thing: bayesgmm.compare({"a": t})
        yield f"model_probabilities {name}", lambda fit, t=thing: bayesgmm.model_probabilities(t)
    yield "refine mixture", lambda fit: bayesgmm.refine(FRAME, fit.mixture)
    yield "compare fits", lambda fit: bayesgmm.compare([fit, fit])
    yield "compare a fit", lambda fit: bayesgmm.compare(fit)
    yield "compare evidence", lambda fit: bayesgmm.compare({"a": fit}, evidence="nonsense")
    yield "compare no posterior", lambda fit: bayesgmm.compare({"a": fit}, evidence="bridge")
    yield "probabilities of fits", lambda fit: bayesgmm.model_probabilities({"a": fit})
    yield "start estimator", lambda fit: bayesgmm.fit(FRAME, 2, start=model)
    yield "start NaN", lambda fit: bayesgmm.fit(X, 2, start=np.r_[np.nan, np.arange(59) % 2])
    yield (
        "start masked",
        lambda fit: bayesgmm.fit(
            X, 2, start=np.ma.masked_array(np.arange(60) % 2, [True] + [False] * 59)
        ),
    )
    yield "start dates", lambda fit: bayesgmm.fit(X, 2, start=np.zeros((60, 2), dtype="M8[ns]"))
    yield "start of other K", lambda fit: bayesgmm.fit(FRAME, 3, start=fit)
    yield "clusters True", lambda fit: bayesgmm.merge(FRAME, fit).clusters(True)
    yield "clusters 9", lambda fit: bayesgmm.merge(FRAME, fit).clusters(9)
    yield "sample text", lambda fit: fit.sample("a")
    yield "sample 2.5", lambda fit: fit.sample(2.5)
    yield "sample 1e15", lambda fit: fit.sample(10**15)
    yield "sample seed", lambda fit: fit.sample(2, "a")
    yield "marginal 1.7", lambda fit: fit.mixture.marginal([1.7])
    yield "marginal None", lambda fit: fit.mixture.marginal(None)
    yield "marginal mask of one", lambda fit: fit.mixture.marginal([True])
    yield "marginal none", lambda fit: fit.mixture.marginal([False, False])
    yield "conditional number", lambda fit: fit.mixture.conditional(3)
    yield "conditional text", lambda fit: fit.mixture.conditional({"a": "x"})
    yield "conditional True", lambda fit: fit.mixture.conditional({"a": True})
    yield "conditional NaN", lambda fit: fit.mixture.conditional({"a": np.nan})
    yield "save None", lambda fit: fit.save(None)
    yield "save 5", lambda fit: fit.save(5)
    yield "load 5", lambda fit: bayesgmm.Fit.load(5)
    yield "report path", lambda fit: bayesgmm.report(FRAME, 5)
    yield "report ending", lambda fit: bayesgmm.report(FRAME, "report.txt")
    yield "report seed", lambda fit: bayesgmm.report(FRAME, random_seed="a")
    yield "report K", lambda fit: bayesgmm.report(FRAME, n_components=2.5)
    yield "report family", lambda fit: bayesgmm.report(FRAME, covariance_type=3)
    yield "agreement numbers", lambda fit: bayesgmm.agreement(3, 4)
    yield "agreement NaN", lambda fit: bayesgmm.agreement([1, np.nan], [1, 2])
    yield "agreement lengths", lambda fit: bayesgmm.agreement([1, 2], [1])
    yield "agreement masked", lambda fit: bayesgmm.agreement(np.ma.masked_equal([1, 2], 2), [1, 2])


WRONG_KINDS = dict(wrong_kinds())


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_wrong_kinds(fit, name):
    clear(lambda: WRONG_KINDS[name](fit))


def test_a_mask_and_a_row_are_understood(fit):
    """What pandas' users write: a mask of columns, and a row for the values given."""
    mixture = fit.mixture
    assert mixture.marginal(FRAME.columns == "b").names == ("b",)
    row = pd.Series({"a": 1.0})
    np.testing.assert_array_equal(
        mixture.conditional(row).means, mixture.conditional({"a": 1.0}).means
    )


# ---- mixtures and priors ----

I2 = np.eye(2)
MIXTURES = {
    "weights text": (["a", "b"], np.zeros((2, 2)), [I2, I2]),
    "weights complex": ([0.5, 0.5j], np.zeros((2, 2)), [I2, I2]),
    "weights sum": ([0.5, 0.6], np.zeros((2, 2)), [I2, I2]),
    "weights negative": ([-0.5, 1.5], np.zeros((2, 2)), [I2, I2]),
    "means dates": ([1.0], np.zeros((1, 2), dtype="M8[ns]"), [I2]),
    "means shape": ([0.5, 0.5], np.zeros(2), [I2, I2]),
    "covariance or variances": ([0.5, 0.5], np.zeros((2, 2)), [[2.0, 0.5], [0.5, 1.0]]),
    "covariances shape": ([1.0], np.zeros((1, 2)), I2[0]),
    "masked": ([1.0], np.ma.masked_array(np.zeros((1, 2)), [[True, False]]), [I2]),
}
PRIORS = {
    "mean text": dict(mean="a", mean_covariance=1, dof=5, scale=1),
    "mean NaN": dict(mean=np.nan, mean_covariance=1, dof=5, scale=1),
    "mean_covariance text": dict(mean=0, mean_covariance="a", dof=5, scale=1),
    "mean_covariance negative": dict(mean=0, mean_covariance=-1, dof=5, scale=1),
    "dof text": dict(mean=0, mean_covariance=1, dof="5", scale=1),
    "dof True": dict(mean=[0, 0], mean_covariance=[1, 1], dof=True, scale=[1, 1]),
    "dof small": dict(mean=[0, 0], mean_covariance=[1, 1], dof=1, scale=[1, 1]),
    "scale text": dict(mean=0, mean_covariance=1, dof=5, scale="a"),
    "scale complex": dict(mean=0, mean_covariance=1, dof=5, scale=1j),
    "concentration text": dict(mean=0, mean_covariance=1, dof=5, scale=1, concentration="a"),
    "concentration 0": dict(mean=0, mean_covariance=1, dof=5, scale=1, concentration=0),
    "mean_strength True": dict(mean=0, mean_covariance=None, dof=5, scale=1, mean_strength=True),
    "both": dict(mean=0, mean_covariance=1, dof=5, scale=1, mean_strength=1),
    "names": dict(mean=0, mean_covariance=1, dof=5, scale=1, names=["a", "b"]),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures(name):
    clear(lambda: Mixture(*MIXTURES[name]))


@pytest.mark.parametrize("name", PRIORS)
def test_priors(name):
    error = clear(lambda: Prior(**PRIORS[name]))
    assert "prior" in str(error)


def test_more_of_priors():
    prior = Prior.from_data(FRAME)
    for bad in without(NO_WHOLE, None):
        clear(lambda bad=bad: prior.sample(bad), "n_components")
        clear(lambda bad=bad: prior.sample(2, draws=bad), "draws")
        clear(lambda bad=bad: prior.predictive(bad, 2, draws=2), "n_rows")
        clear(
            lambda bad=bad: Prior.from_data(FRAME, conjugate=True, n_components=bad)
            if bad != 10**30 else prior.sample(bad),
            "n_components",
        )  # fmt: skip
    for bad in NO_SEED:
        clear(lambda bad=bad: prior.sample(2, random_seed=bad), "random_seed")
    for bad in (("a", 1), (1, "a"), (0, 1), (1, -1), (True, 1), (1, 1j)):
        clear(lambda bad=bad: Gamma(*bad), "Gamma")


# ---- the command line ----

TEXT = FRAME.round(3).to_csv(index=False)
BODY = TEXT.split("\n", 1)[1]
CONTINENTAL = TEXT.replace(",", ";").replace(".", ",")
FILES = {
    "no header": ("a.csv", TEXT.split("\n", 1)[1]),
    "equal names": ("a.csv", TEXT.replace("a,b", "a,a", 1)),
    "continental": ("a.csv", CONTINENTAL),
    "decimal commas": ("a.csv", "a\n" + "\n".join(f"{v:.3f}".replace(".", ",") for v in X[:, 0])),
    "header too short": ("a.csv", TEXT.replace("a,b", "a", 1)),
    "last commas": ("a.csv", TEXT.replace("\n", ",\n")),
    "fields beyond the header": ("a.csv", "a,b\n" + BODY.replace("\n", ",1\n")),
    "row numbers": ("a.csv", FRAME.to_csv()),
    "gz that is not": ("a.csv.gz", TEXT),
    "bz2 that is not": ("a.csv.bz2", TEXT),
    "xz that is not": ("a.csv.xz", TEXT),
    "zip that is not": ("a.csv.zip", TEXT),
    "empty": ("a.csv", ""),
    "header alone": ("a.csv", "a,b\n"),
    "binary": ("a.csv", "\x00\xff\x00"),
    "parquet that is not": ("a.parquet", TEXT),
    "ending": ("a.xlsx", TEXT),
    "text": ("a.csv", "a,b\n1,x\n2,y\n3,z\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, monkeypatch, name):
    """Exit code 1, no number printed, and a message that names the file or the column."""
    file, text = FILES[name]
    (tmp_path / file).write_bytes(text.encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["fit", file, "-k", "1"])
    assert result.exit_code == 1 and not result.stdout, result.stdout + result.stderr
    assert CURE.search(result.stderr) or "is not a" in result.stderr, result.stderr
    assert "a.csv" in result.stderr or "column" in result.stderr or file in result.stderr
    assert "Traceback" not in result.stderr and not FOREIGN.search(result.stderr)


def test_empty_fields_after_the_last_column_are_none(tmp_path):
    """What follows the last comma of every row is nothing: the columns are those named."""
    (tmp_path / "a.csv").write_text("a,b\n" + BODY.replace("\n", ",\n"))
    np.testing.assert_array_equal(read_table(tmp_path / "a.csv"), FRAME.round(3))


def test_damaged_compressed_files(tmp_path):
    """Cut short: no table of the first rows."""
    FRAME.to_csv(tmp_path / "a.csv.gz", index=False)
    whole = (tmp_path / "a.csv.gz").read_bytes()
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "a.csv.gz"), "-k", "1"])
    assert result.exit_code == 1 and "damaged" in result.stderr and not result.stdout


def test_the_command_line_spares_what_it_reads(tmp_path, monkeypatch):
    """--out of the data file is refused, and --resume of other data; nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(TEXT)
    Path("b.csv").write_text((FRAME + 1).to_csv(index=False))
    run = CliRunner().invoke
    for command in (
        ["fit", "a.csv", "-k", "1"],
        ["select", "a.csv", "-k", "1"],
        ["report", "a.csv"],
    ):
        result = run(app, [*command, "--out", "./a.csv"])
        assert result.exit_code == 2 and "file to read" in result.stderr.replace("\n", " ")
    assert Path("a.csv").read_text() == TEXT
    grid = ["select", "-k", "1", "--families", "EEE", "--quiet"]
    assert run(app, [*grid, "a.csv", "--out", "grid.npz"]).exit_code == 0
    assert run(app, [*grid, "a.csv", "--resume", "grid.npz", "--out", "grid.npz"]).exit_code == 0
    for arguments in (["b.csv"], ["a.csv", "--columns", "a"]):
        result = run(app, [*grid, *arguments, "--resume", "grid.npz"])
        assert result.exit_code == 1 and "not the same data" in result.stderr
    for bad in ("1:2000000000", "0", "a", "3:1", "1.5", "1e3", "9999999999999999999999"):
        result = run(app, ["select", "a.csv", "-k", bad, "--quiet"])
        assert result.exit_code in (1, 2) and "Traceback" not in result.stderr
    assert run(app, ["fit", "a.csv", "-k", "1000000"]).exit_code == 1


def test_names_with_spaces_come_back(tmp_path, monkeypatch, fit):
    """A fit of a column named " b" is refined from the same file."""
    monkeypatch.chdir(tmp_path)
    FRAME.rename(columns={"b": " b"}).to_csv("a.csv", index=False)
    run = CliRunner().invoke
    assert run(app, ["fit", "a.csv", "-k", "1", "--out", "one.npz"]).exit_code == 0
    arguments = ["a.csv", "one.npz", "--sampler", "laplace", "--draws", "50", "--quiet"]
    result = run(app, ["refine", *arguments])
    assert result.exit_code == 0, result.stderr
