"""What is said besides results: nearest names, values beside limits, and how far one is."""

from __future__ import annotations

import re
import sys
import threading
import time

import numpy as np
import pytest

import bayesgmm
from bayesgmm.utils.display import beyond
from bayesgmm.utils.progress import stages, track, waiting
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


def test_what_takes_long_says_so_where_nothing_can_move(monkeypatch, capsys):
    """In a file or a pipe: lines with what is done and since when; none if not asked for."""
    monkeypatch.setattr("bayesgmm.utils.progress._BEAT", 0.02)
    for _ in track([1, 2, 3], "Counting", True):
        time.sleep(0.1)
    with stages(True) as begin:
        begin("First")
        time.sleep(0.1)
        begin("Second")
        time.sleep(0.1)
    with waiting("Waiting", True):
        time.sleep(0.1)
    said = capsys.readouterr().err
    assert re.search(r"Counting: 0 of 3, 0 s\n(.*\n)*Counting: 2 of 3, 0 s\n", said)
    assert re.search(r"First\n(First, 0 s\n)+Second\n(Second, 0 s\n)+(Waiting, 0 s\n)+$", said)
    for _ in track([1], "Counting", False):
        time.sleep(0.1)
    assert not capsys.readouterr().err
    assert not [t for t in threading.enumerate() if t.name == "bayesgmm progress"]


@pytest.mark.parametrize(
    ("value", "limit", "digits", "said"),
    [
        (0.5004, 0.5, 1, "0.5004"), (0.54, 0.5, 1, "0.54"), (0.61, 0.5, 1, "0.6"),
        (399.7, 400, 0, "399.7"), (398.6, 400, 0, "399"), (1.0100001, 1.01, 3, "1.0100001"),
        (0.5, 0.5, 1, "0.500000000000"), (np.inf, 0.5, 2, "inf"), (np.nan, 0.5, 2, "nan"),
    ],
)  # fmt: skip
def test_a_value_beyond_a_limit_is_told_from_it(value, limit, digits, said):
    """Advice never says that 0.5 is not at most 0.5."""
    assert beyond(value, limit, digits) == said
