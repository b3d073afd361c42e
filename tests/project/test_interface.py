"""What a user meets everywhere: how results show themselves, types, versions, nearest names."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import inspect
import json
import os
import platform
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.families import FAMILIES, get_family
from bayesgmm.posterior.evidence.evidence import Evidence
from bayesgmm.posterior.parameter_table import without_copies
from bayesgmm.reporting.versions import environment, versions
from bayesgmm.utils.display import Displayed
from tests.reporting.test_report import Page
from tests.synthetic import make_posterior

# Modules whose classes and functions users get objects of, besides the names of the package.
RESULTS = (
    "data.data", "em.standard_errors.result", "mixture.classification", "mixture.draws",
    "mixture.merging", "plots.accessors", "posterior.diagnostics.chain_modes",
    "posterior.diagnostics.diagnostics", "posterior.evidence.evidence",
    "posterior.summaries.mixture_draws", "posterior.summaries.partition",
    "selection.bootstrap_lrt",
)  # fmt: skip


@cache
def results():
    """One of everything that a user can get hold of."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=1)
    posterior = make_posterior(x, fit)
    evidence = Evidence(-1162.5, 0.7, "bridge", "the mean of waiting", {}, ("Raise draws.",))
    return {
        "fit": fit,
        "mixture": fit.mixture,
        "selection": bayesgmm.select(x, [1, 2], ["EEE"], n_init=1, progressbar=False),
        "comparison": bayesgmm.compare({"a": fit, "b": posterior}),
        "posterior": posterior,
        "prior": bayesgmm.Prior.from_data(x),
        "diagnostics": posterior.diagnostics,
        "chain modes": posterior.chain_modes,
        "relabelling": posterior.relabelling,
        "draws": posterior.draws,
        "marginal": posterior.marginal("waiting"),
        "partition": posterior.partition(random_seed=0),
        "evidence": evidence,
        "data": as_data(x),
        "scores": bayesgmm.DiscriminantAnalysis(covariance_type="VVV").cross_validate(
            x, x["waiting"] > 68, 3, random_seed=0
        ),
        "agreement": bayesgmm.agreement(fit.predict(x), x["waiting"] > 68),
        "merging": bayesgmm.merge(x, fit),
        "standard errors": bayesgmm.standard_errors(x, fit, method="information"),
        "test": bayesgmm.bootstrap_lrt(
            x, "EEE", max_components=2, n_boot=19, random_seed=1, progressbar=False
        ),
    }


NAMES = (
    "fit", "mixture", "selection", "comparison", "posterior", "prior", "diagnostics",
    "chain modes", "relabelling", "draws", "marginal", "partition", "evidence", "data",
    "agreement", "merging", "standard errors", "test", "scores",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_results_show_themselves(name):
    """Text that fits on a screen, without raw arrays; HTML that is whole and says the same."""
    result = results()[name]
    text, html = repr(result), result._repr_html_()
    assert len(text.splitlines()) <= 40
    for raw in ("array([", "nan", "<NA>", " object at "):
        assert raw not in text
    page = Page(html)
    assert page.open == []
    seen = "".join("".join(page.text).split())
    title = text.splitlines()[0]
    assert "".join(title.split()) in seen
    if isinstance(result, Displayed):
        for fact, words in result._lines():
            assert f"  {fact}: {words}" in text
            assert "".join(words.split()) in seen


def test_a_mixture_shows_its_components():
    """Every proportion, mean, sd and correlation, from the arrays."""
    fit = results()["fit"]
    text = repr(fit.mixture)
    for number in [*fit.weights, *fit.means.ravel(), *np.sqrt(fit.covariances[:, [0, 1], [0, 1]])
                   .ravel()]:  # fmt: skip
        assert f"{number:.4g}" in text
    correlation = fit.covariances[0, 0, 1] / np.sqrt(np.prod(np.diag(fit.covariances[0])))
    assert f"{correlation:.4g}" in text


def test_diagnostics_say_what_is_good():
    """Every figure beside its limit, and the problems in words."""
    d = results()["diagnostics"]
    text = repr(d)
    assert f"{d.rhat:.3f} ({d.rhat_variable})" in text and "1.01 is good" in text
    assert f"at least {d.ess_bulk:.0f} bulk" in text and "at least 400 is good" in text
    assert all(problem in text for problem in d.problems)


@pytest.mark.parametrize("family", ["EII", "VVI", "EEE", "VVV"])
def test_a_posterior_shows_no_number_twice(family):
    """Off-diagonal elements once, common covariances once, zeros of the family not at all."""
    x = bayesgmm.datasets.load_iris(features_only=True).iloc[:, :3]
    fit = bayesgmm.fit(x, 2, family, n_init=2, random_seed=0)
    posterior = make_posterior(x, fit)
    table = without_copies(posterior.summary(), fit)
    elements = {"EII": 3, "VVI": 2 * 3, "EEE": 6, "VVV": 2 * 6}[family]
    assert sum(i.startswith("Sigma") for i in table.index) == elements
    assert len(table) == elements + 2 + 2 * 3
    assert ("Sigma[all" in repr(posterior)) == (family[0] == "E")


def test_families_show_their_letters():
    """FAMILIES prints as names and words."""
    assert repr(FAMILIES["VEI"]) == (
        "<Family VEI: volumes variable, shapes equal, orientations identity>"
    )
    assert repr(get_family("E", 1)) == "<Family E: variances equal>"


# ---- versions ----


def test_versions_are_those_installed(capsys):
    """As the packages' own metadata, and printed whole."""
    bayesgmm.show_versions()
    printed = capsys.readouterr().out
    found = dict(line.split(maxsplit=1) for line in printed.splitlines() if "cache" not in line)
    assert found["bayesgmm"] == bayesgmm.__version__
    assert found["Python"] == platform.python_version()
    for name in ("numpy", "pymc", "arviz", "nutpie", "numba", "pyarrow"):
        assert found[name] == importlib.metadata.version(name)
    assert versions().items() <= found.items()
    assert {"scipy", "pandas", "xarray", "pytensor", "matplotlib"} <= set(versions())


def test_environment_says_where_caches_lie(tmp_path):
    """Numba's own cache directory, PyTensor's, and the threads asked for."""
    here = environment()
    assert os.path.isdir(os.path.dirname(here["EM's cache"]))
    code = """
import json
from bayesgmm.reporting.versions import environment
print(json.dumps(environment()))
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {
            "BAYESGMM_NUM_THREADS": "3",
            "NUMBA_CACHE_DIR": str(tmp_path / "numba"),
            "PYTENSOR_FLAGS": f"base_compiledir={tmp_path / 'pytensor'}",
        },
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(result.stdout)
    assert found["threads"].startswith("3 of ")
    assert found["EM's cache"].startswith(str(tmp_path / "numba"))
    assert found["PyMC's cache"].startswith(str(tmp_path / "pytensor"))


# ---- types ----


def public_functions():
    """Functions of the package's names, methods and properties of its classes and results."""
    objects = {name: getattr(bayesgmm, name) for name in bayesgmm.__all__}
    for module in RESULTS:
        home = importlib.import_module(f"bayesgmm.{module}")
        objects |= {
            f"{module}.{name}": value
            for name, value in vars(home).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == home.__name__
        }
    for name, value in objects.items():
        if inspect.isclass(value):
            for attribute, member in inspect.getmembers_static(value):
                function = getattr(member, "fget", None) or getattr(member, "func", None) or member
                function = getattr(function, "__func__", function)
                ours = getattr(function, "__module__", "") or ""
                if not attribute.startswith("_") and inspect.isfunction(function) and (
                    ours.startswith("bayesgmm")
                ):  # fmt: skip
                    yield f"{name}.{attribute}", function
        elif inspect.isfunction(value):
            yield name, value


def test_the_public_interface_is_typed():
    """Every parameter and every result has a type."""
    seen = 0
    for name, function in public_functions():
        signature = inspect.signature(function)
        for parameter in signature.parameters.values():
            if parameter.name not in ("self", "cls"):
                assert parameter.annotation is not parameter.empty, f"{name}: {parameter}"
        assert signature.return_annotation is not signature.empty, name
        seen += 1
    assert seen > 100


def test_the_marker_of_types_ships():
    """py.typed lies in the package, which type checkers look for."""
    assert importlib.resources.files("bayesgmm").joinpath("py.typed").is_file()
