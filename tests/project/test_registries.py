"""Samplers, criteria and ways to settle labels: what the types name is what there is."""

from __future__ import annotations

import inspect
from typing import get_args

import pytest
from typer.testing import CliRunner

from bayesgmm.cli import app as cli
from bayesgmm.em.starts.starts import STARTS
from bayesgmm.posterior.evidence import evidence
from bayesgmm.posterior.labels import relabel as labels
from bayesgmm.posterior.labels.methods import Method
from bayesgmm.sampling.registry import (
    SAMPLERS,
    DensitySamplerName,
    ModelSamplerName,
    Sampler,
    SamplerName,
    names_where,
    sampler_named,
)
from bayesgmm.selection.criteria import CRITERIA


def test_types_name_what_is_registered():
    """A name that a type checker accepts is one that runs, and the other way round."""
    assert list(get_args(SamplerName)) == list(SAMPLERS)
    assert list(get_args(DensitySamplerName)) == names_where(lambda s: s.of_density)
    assert list(get_args(ModelSamplerName)) == names_where(lambda s: s.of_model)
    assert get_args(Method) == tuple(labels.METHODS)
    assert get_args(evidence.Method) == tuple(evidence.METHODS)
    assert all(name == sampler.name for name, sampler in SAMPLERS.items())


@pytest.mark.parametrize(
    ("command", "option", "names"),
    [
        ("refine", "sampler", SAMPLERS),
        ("refine", "relabel", labels.METHODS),
        ("compare", "evidence", evidence.METHODS),
        ("select", "criterion", CRITERIA),
        ("fit", "start", STARTS),
    ],
)
def test_the_command_line_offers_what_is_registered(tmp_path, command, option, names):
    """Its choices, in the same order."""
    file = tmp_path / "x.csv"
    file.write_text("x\n1\n2\n")
    rest = {"fit": [file, "-k", "1"], "refine": [file, file]}.get(command, [file])
    result = CliRunner().invoke(cli.app, [command, *map(str, rest), f"--{option}", "none"])
    assert result.exit_code == 2
    words = " ".join(result.output.replace("│", " ").split())
    assert f"'none' is not one of {', '.join(map(repr, names))}." in words


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_every_sampler_has_engines_of_its_kind(sampler):
    """What they load takes (density, mode, settings) or (model, start, settings), and says so."""
    engines = {
        ("density", "mode", "settings"): sampler.of_density,
        ("model", "start", "settings"): sampler.of_model,
    }
    assert any(engines.values()) != sampler.chooses
    for expected, load in engines.items():
        if load is not None:
            engine = load()
            assert tuple(inspect.signature(engine).parameters) == expected
            assert engine.__doc__
    if sampler.with_pruning or sampler.has_sweeps:  # of the density's engines only
        assert sampler.of_density is not None


def test_what_is_missing_is_named():
    """The library and the cure."""
    with pytest.raises(
        ModuleNotFoundError, match=r"'smc' requires.*no_such_library.*bayesgmm\[jax\]"
    ):
        Sampler("smc", libraries=("sys", "no_such_library")).check_installed()


def test_an_unknown_name_lists_those_there_are():
    """Of the kind that is asked for."""
    meant = "sampler is 'nuts' .did you mean 'nutpie'..: choose among 'auto', 'nutpie', 'gibbs', "
    with pytest.raises(ValueError, match=meant):
        sampler_named("nuts")
    with pytest.raises(ValueError, match="sampler is 'gibbs': choose among 'nutpie', 'pymc', "):
        sampler_named("gibbs", lambda s: s.of_model)
