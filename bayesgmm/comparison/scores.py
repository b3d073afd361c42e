"""Figures that need all models at once: differences to the best, weights, probabilities."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping
from functools import partial

import numpy as np

from ..posterior.components import ComponentsPosterior
from ..posterior.evidence.evidence import Evidence, Method
from ..posterior.posterior import Posterior
from ..utils.errors import ConvergenceAdvice
from .model_probabilities import probabilities_from
from .rows import EVIDENCE_DOUBT, FAILED, Row, named

# Probability of the interval for a model's probability, ArviZ's default.
_CI_PROB = 0.89

type Reasons = dict[str, dict[str, str]]


def add_differences(rows: Mapping[str, Row]) -> None:
    """Add each fit's BIC less the lowest one of a sound fit."""
    lowest = min((row["bic"] for row in rows.values() if _has_bic(row)), default=math.nan)
    for row in rows.values():
        if _has_bic(row):
            row["bic_diff"] = row["bic"] - lowest


def _has_bic(row: Row) -> bool:
    sound = not row["status"].startswith(FAILED)
    return sound and not math.isnan(row.get("bic", math.nan))


def add_loo(rows: Mapping[str, Row], posteriors: Mapping[str, Posterior]) -> None:
    """Add differences of elpd_loo with their errors, and stacking weights, by ArviZ."""
    if len(posteriors) < 2:
        return
    from arviz_stats import compare

    loos = {}
    for name, posterior in posteriors.items():
        with warnings.catch_warnings():  # given already with the row
            warnings.simplefilter("ignore", ConvergenceAdvice)
            loos[name] = copy.copy(posterior.loo())
    # ArviZ takes exponentials, which underflow for rows of many columns. Neither differences nor
    # weights change if each row's best log density is subtracted in all models.
    best = np.max([loo.elpd_i.to_numpy() for loo in loos.values()], axis=0)
    for loo in loos.values():
        loo.elpd_i = loo.elpd_i - best
        loo.elpd = float(loo.elpd_i.sum())
    table = compare(loos, method="stacking", round_to="none")
    for name in posteriors:
        rows[name]["elpd_diff"] = float(table.loc[name, "elpd_diff"])
        rows[name]["elpd_diff_se"] = float(table.loc[name, "dse"])
        rows[name]["weight"] = float(table.loc[name, "weight"])


def add_k_probabilities(
    rows: Mapping[str, Row], sampled: Mapping[str, ComponentsPosterior]
) -> None:
    """Add p(K | data) to models of a family of which K was sampled, once."""
    families = [posterior.fit.family.name for posterior in sampled.values()]
    for posterior in sampled.values():
        family, known = posterior.fit.family.name, posterior.table["K_posterior"]
        for row in rows.values() if families.count(family) == 1 else ():
            if row["family"] == family:
                row["k_probability"] = float(known.get(row["K"], 0.0))


def add_evidence(
    rows: Mapping[str, Row],
    posteriors: Mapping[str, Posterior],
    method: Method,
    random_seed: int | None,
) -> Reasons:
    """Add log evidences and the models' probabilities; return why some posteriors have none."""
    reasons: Reasons = {}
    known: dict[str, Evidence] = {}
    seeds = np.random.SeedSequence(random_seed).generate_state(len(posteriors) + 1)
    for (name, posterior), seed in zip(posteriors.items(), seeds, strict=False):
        try:
            evidence = named(name, partial(posterior.log_evidence, method, int(seed)))
        except (NotImplementedError, ValueError) as error:
            reasons[name] = {"log_evidence": str(error)}
            continue
        rows[name] |= {"log_evidence": evidence.value, "evidence_error": evidence.error}
        if evidence.problems:
            before = rows[name]["status"].rstrip(".")
            rows[name]["status"] = f"{before}; {EVIDENCE_DOUBT}{' '.join(evidence.problems)}"
        if math.isfinite(evidence.value):
            known[name] = evidence
    if len(known) < 2:
        return reasons
    prior = np.full(len(known), 1 / len(known))
    rng = np.random.default_rng(seeds[-1])
    columns = probabilities_from(list(known.values()), prior, _CI_PROB, rng)
    for name, *values in zip(known, *columns, strict=True):
        keys = ("probability", "probability_low", "probability_high")
        rows[name] |= {key: float(v) for key, v in zip(keys, values, strict=True)}
    return reasons
