"""What is said besides results: the did_you_mean name, and how far a computation is."""

from __future__ import annotations

import sys

import pytest

import bayesgmm
from bayesgmm.utils.progress import track
from bayesgmm.utils.validation import did_you_mean


def test_nearest_name():
    """One letter off, another case, and nothing near."""
    names = ["eruptions", "waiting", "Bill length"]
    assert did_you_mean("waitng", names) == " (did you mean 'waiting'?)"
    assert did_you_mean("WAITING", names) == " (did you mean 'waiting'?)"
    assert did_you_mean("bill_length", names) == " (did you mean 'Bill length'?)"
    assert did_you_mean("mass", names) == did_you_mean("x", []) == ""
    with pytest.raises(bayesgmm.DataError, match="did you mean 'waiting'"):
        bayesgmm.fit(bayesgmm.datasets.load_faithful(), 1, columns=["waitin"])


def test_progress_in_a_notebook_without_widgets(monkeypatch, capsys):
    """Rich would warn that ipywidgets is missing, which is an error here: a plain line instead."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("bayesgmm.utils.progress.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert list(track([1, 2], "Counting", True)) == [1, 2]
    assert "Counting" in capsys.readouterr().err
