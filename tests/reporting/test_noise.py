"""What a report says of noise."""

from __future__ import annotations

import numpy as np

import bayesgmm
from bayesgmm.reporting.noise import NoiseReport
from tests.conftest import simulate


def rows(width):
    rng = np.random.default_rng(0)
    x, _ = simulate(rng, 150, 2, 2)
    return np.vstack([x, rng.uniform(-width, width, size=(30, 2))])


def test_words_for_noise(tmp_path):
    """Share, rows and density are the fit's; how many change with another density is counted."""
    x = rows(40)
    fit = bayesgmm.fit(x, 2, "EII", noise=True, random_seed=0)
    found = NoiseReport.of(fit.mixture.rows(x), fit)
    first, second = found.sentences()
    assert f"{np.sum(fit.predict(x) == -1)} of 180 rows" in first
    assert f"{fit.noise_share:.1%}" in first and "hardly rests" in second
    assert list(found.shown().index)[3] == "1 times" and found.shown().iloc[3, 3] == "0"
    assert NoiseReport.of(fit.mixture.rows(x), bayesgmm.fit(x, 2, "EII", random_seed=0)) is None
    close = rows(6)  # strays among the rest: what is noise is a matter of its density
    fit = bayesgmm.fit(close, 2, "EII", noise=True, random_seed=0)
    assert "rests on this density" in NoiseReport.of(fit.mixture.rows(close), fit).sentences()[1]
    path = bayesgmm.report(
        x, tmp_path / "r.md", n_components=[2], covariance_type=["EII"], n_init=4, noise=True,
        refine=False, progressbar=False,
    )  # fmt: skip
    text = path.read_text()
    assert "EII+noise" in text and "### Noise" in text and "--noise volume" in text
    called = int(np.sum(bayesgmm.fit(x, 2, "EII", noise=True, random_seed=0).predict(x) == -1))
    assert f"{called} ({called / 180:.0%}) are most probably noise" in text
    [row] = [line for line in text.splitlines() if line.startswith("| noise | ")]
    assert row.startswith(f"| noise | {called} | {called / 180:.1%} | ")
    assert "rows that are no noise" in text and "EII+noise, K = 2. Covariances" in text
    assert "noise=True" in text
