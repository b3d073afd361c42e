"""Docstrings by numpydoc's own rules: no public function without its parameters and returns."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

import bayesgmm

#: PR01 parameters missing, PR02 unknown ones, RT01 no returns, SS01 no summary, SS02 a summary that
#: does not begin with a capital letter. Their order (PR03) is that of their meaning.
RULES = {"PR01", "PR02", "RT01", "SS01", "SS02"}
#: Classes whose constructors and methods are called, and documented, by pandas, matplotlib, PyMC.
FOREIGN = {
    "bayesgmm.comparison.table.Comparison",
    "bayesgmm.plots.canvas.Figure",
    "bayesgmm.sampling.pymc.covariance_priors",
    "bayesgmm.sampling.pymc.likelihood",
}
#: Methods that scikit-learn's estimators have, with its meaning and its page.
SKLEARN = {
    "aic", "bic", "fit", "fit_predict", "predict", "predict_proba", "sample", "score",
    "score_samples",
}  # fmt: skip
#: A method that only passes on its arguments says to what.
PASSES_ON = re.compile(r"`plots\.plot_\w+`|as `(Mixture|Posterior)\.\w+`|`Mixture\.\w+` of")


def public_places():
    """Every public function and class, with the public methods that it has of ours."""
    for module_name in ("bayesgmm", "bayesgmm.plots", "bayesgmm.pymc"):
        module = importlib.import_module(module_name)
        for name in module.__all__:
            found = getattr(module, name)
            home = getattr(found, "__module__", "")
            if not callable(found) or not home.startswith("bayesgmm"):
                continue
            yield f"{home}.{found.__qualname__}"
            for part in found.__mro__ if inspect.isclass(found) else ():
                if part.__module__.startswith("bayesgmm"):
                    yield from (
                        f"{part.__module__}.{part.__qualname__}.{key}"
                        for key, value in vars(part).items()
                        if not key.startswith("_")
                        and (inspect.isfunction(value) or isinstance(value, classmethod))
                    )


def excused(place, doc):
    """Whether a place is scikit-learn's, or says where its arguments are explained."""
    if PASSES_ON.search(doc) or (".estimators." in place and place.rpartition(".")[2] in SKLEARN):
        return True
    return place.endswith("Plots") or "\nAttributes\n" in doc  # made by the library, not by users


@pytest.mark.slow
def test_public_functions_document_their_arguments_and_results():
    """By numpydoc's validation; those whose arguments are explained elsewhere say where."""
    pytest.importorskip("numpydoc")
    from numpydoc.validate import validate

    foreign = tuple(FOREIGN)
    places = sorted(place for place in set(public_places()) if not place.startswith(foreign))
    assert len(places) > 150
    found = {}
    for place in places:
        result = validate(place)
        if result["docstring"] and excused(place, result["docstring"]):
            continue
        wrong = [message for code, message in result["errors"] if code in RULES]
        if wrong:
            found[place] = wrong
    assert not found, "\n".join(f"{place}: {wrong}" for place, wrong in found.items())


def test_see_also_names_what_there_is():
    """The functions that people begin with say what stands beside them, by its public name."""
    with_section = set()
    for name in bayesgmm.__all__:
        doc = inspect.getdoc(getattr(bayesgmm, name)) or ""
        section = re.search(r"\nSee Also\n-+\n(.*?)(?:\n\n|\Z)", doc, re.DOTALL)
        if section and getattr(bayesgmm, name).__module__.startswith("bayesgmm"):
            with_section.add(name)
            for line in section[1].splitlines():
                others = line.partition(" : ")[0].split(", ")
                assert set(others) <= set(bayesgmm.__all__) - {name}, (name, line)
    assert {"fit", "select", "refine", "compare", "report", "GaussianMixture"} <= with_section
    assert len(with_section) >= 25
