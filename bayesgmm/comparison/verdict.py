"""Verdicts on the models of a comparison, in sentences that the reader can check."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..em.noisy_fit import SUFFIX
from ..families import simplest_name
from .columns import COLUMNS
from .rows import CONVERGED, EVIDENCE_DOUBT, FAILED

if TYPE_CHECKING:
    import pandas as pd

# Kass & Raftery (1995), J. Am. Stat. Assoc. 90, 773-795: BIC differences as evidence.
_STRENGTHS = ((2.0, "hardly any"), (6.0, "positive"), (10.0, "strong"), (math.inf, "very strong"))
# Criteria that choose a model, in the order they are named.
_CHOICES = {
    "bic": "BIC",
    "elpd_loo": "LOO",
    "probability": "the evidence",
    "k_probability": "p(K)",
    "icl": "ICL",
    "cv_loglik": "cross-validation",
}
# Relative differences of criteria that are rounding.
_ROUNDING = 1e-9
# What each of them asks, where they disagree.
_ASKS = {
    "BIC": "BIC asks which model the data support, without a prior",
    "the evidence": "the evidence asks which model the data support, with its prior",
    "p(K)": "p(K) asks how many components there are, with a prior of K",
    "LOO": "LOO asks which model predicts new rows best, indifferent to components that do no harm",
    "cross-validation": "cross-validation asks which fit predicts rows left out best",
    "ICL": "ICL asks for components that do not overlap",
}


def questions(labels: Iterable[str]) -> str:
    """What the criteria with these names ask, in one sentence."""
    asked = set(labels)
    return _sentence(text for label, text in _ASKS.items() if label in asked)


def _sentence(clauses: Iterable[str]) -> str:
    """One sentence of clauses, the first of which may begin with a name as it is."""
    text = "; ".join(clauses)
    return f"{text if text.startswith('p(K)') else text[0].upper() + text[1:]}."


def strength(difference: float) -> str:
    """Kass & Raftery's word for the evidence in a difference of BIC."""
    return next(word for limit, word in _STRENGTHS if difference <= limit)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a fit is compared with.

    The best fit by each criterion, the fits that are of one model with that of the lowest BIC, and
    the lowest BIC of other models (NaN without any).
    """

    lowest: dict[str, Any]
    n_fits: int
    same_model: tuple[Any, ...]
    second_bic: float

    @classmethod
    def of(cls, table: pd.DataFrame) -> _Standing:
        lowest = {c.upper(): best_of(table, c) for c in ("bic", "icl", "aic")}
        fits = _sound(table)
        fits = fits[fits["bic"].notna()]
        models = [_model(row) for _, row in fits.iterrows()]
        first = models[fits.index.get_loc(lowest["BIC"])] if len(fits) > 1 else None
        same = [model == first for model in models]
        second = fits["bic"][[not one for one in same]].min()
        return cls(lowest, len(fits), tuple(fits.index[same]), second)


def _model(row: pd.Series) -> tuple[Any, ...]:
    """What a model is told by: that of another noise has another likelihood."""
    name, k, loglik = row["family"], int(row["K"]), row["loglik"]
    noise = f"{loglik:.6g}" if name.endswith(SUFFIX) else ""
    return simplest_name(name, k), k, row["n_parameters"], noise


def row_verdicts(table: pd.DataFrame) -> list[str]:
    """A sentence or more for every row."""
    standing = _Standing.of(table)
    return [_row_verdict(name, row, standing) for name, row in table.iterrows()]


def _row_verdict(name: Any, row: pd.Series, standing: _Standing) -> str:
    if row["status"].startswith(FAILED):
        return "No estimate: not to be compared."
    if not math.isnan(row["bic"]):
        sentences = _fit_verdict(name, row, standing)
    elif math.isnan(row["elpd_loo"]):
        sentences = _components_verdict(row)
    else:
        sentences = _posterior_verdict(row)
    return " ".join(sentences)


def _fit_verdict(name: Any, row: pd.Series, standing: _Standing) -> list[str]:
    if standing.n_fits == 1:
        return ["The only fit: its criteria have nothing to be compared with."]
    lowest = [label for label, best in standing.lowest.items() if best == name]
    sentences = [f"Lowest {_listed(lowest)}."] if lowest else []
    gap = row["bic_diff"]
    if "BIC" in lowest:
        ahead = standing.second_bic - row["bic"]
        sentences.append(
            "There is no other model to compare it with."
            if math.isnan(ahead)
            else f"BIC {ahead:.1f} below the next: {strength(ahead)} evidence for it."
        )
    elif name in standing.same_model:
        sentences.append(_same_model(standing.lowest["BIC"], gap))
    else:
        sentences.append(f"BIC {gap:.1f} above the lowest: {strength(gap)} evidence against it.")
    if row["status"] != CONVERGED:
        sentences.append(f"EM has not converged ({row['status']}).")
    return sentences


def _same_model(other: Any, gap: float) -> str:
    """That a fit is of the model of the lowest BIC, which the gap then says nothing against."""
    lower = f"{gap / 2:.1f}"  # of as many parameters
    at = "" if float(lower) == 0 else f", at a log-likelihood lower by {lower}"
    return f"The model of {str(other)!r}{at}."


def _components_verdict(row: pd.Series) -> list[str]:
    most = f"K = {row['K']} is the most probable, with p(K | data) = {row['k_probability']:.2f}."
    return [most, *_care(row)]


def _care(row: pd.Series) -> list[str]:
    sound = row["status"].startswith(CONVERGED)
    return [] if sound else ["To be read with care: the notes name a problem of its chains."]


def _posterior_verdict(row: pd.Series) -> list[str]:
    sentences = _care(row)
    if math.isnan(row["elpd_diff"]):
        sentences.append("The only posterior: LOO has nothing to compare it with.")
    elif row["elpd_diff"] == 0:
        sentences.append(f"Highest elpd_loo, stacking weight {row['weight']:.2f}.")
    else:
        sentences.append(
            f"elpd_loo {-row['elpd_diff']:.1f} below the highest, "
            f"{_standard_errors(row)}; stacking weight {row['weight']:.2f}."
        )
    if row["pareto_k_bad"] > 0:
        rows = "1 row has" if row["pareto_k_bad"] == 1 else f"{row['pareto_k_bad']} rows have"
        sentences.append(f"{rows} a Pareto k above the limit: elpd_loo may be wrong.")
    if not math.isnan(row["probability"]):
        doubt = ", which may be wrong: see the notes" if EVIDENCE_DOUBT in row["status"] else ""
        sentences.append(f"Probability {row['probability']:.3f} by the evidences{doubt}.")
    return sentences


def _standard_errors(row: pd.Series) -> str:
    """How large a difference of elpd_loo is, in words."""
    if _within(row):
        return "within one standard error"
    return f"{-row['elpd_diff'] / row['elpd_diff_se']:.1f} standard errors"


def _within(row: pd.Series) -> bool:
    return bool(-row["elpd_diff"] <= row["elpd_diff_se"])


def conclusion(table: pd.DataFrame) -> str:
    """Which K the criteria choose, what is close to it, and what could not be compared."""
    sentences = [*_choice(table), *_close(table), *_scope(table), *_troubles(table)]
    return " ".join(sentences)


def _choice(table: pd.DataFrame) -> list[str]:
    """Criteria with two or more models to choose from, grouped by the K they choose.

    Where they choose different models, of one K or of several, what each of them asks.
    """
    chosen: dict[int, list[tuple[str, str]]] = {}
    for column, label in _CHOICES.items():
        if (best := best_of(table, column)) is not None:
            row = table.loc[best]
            chosen.setdefault(int(row["K"]), []).append((label, row["family"]))
    if not chosen:
        return ["No criterion has two models to choose from."]
    clauses = [_clause(k, by) for k, by in chosen.items()]
    asked = [label for by in chosen.values() for label, _ in by]
    models = {(k, family) for k, by in chosen.items() for _, family in by}
    return [_sentence(clauses), *([questions(asked)] if len(models) > 1 else [])]


def _clause(k: int, by: list[tuple[str, str]]) -> str:
    labels = _listed([label for label, _ in by])
    families = dict.fromkeys(family for _, family in by)
    verb = "agree on" if len(by) > 1 else "prefers"
    if len(families) == 1:
        return f"{labels} {verb} K = {k} ({next(iter(families))})"
    of = ", ".join(f"{family} by {label}" for label, family in by)
    return f"{labels} {verb} K = {k} ({of})"


def _close(table: pd.DataFrame) -> list[str]:
    """Posteriors that LOO cannot distinguish from its best."""
    rivals = table[table["elpd_diff"] < 0]
    if rivals.empty:
        return []
    near = rivals[[_within(row) for _, row in rivals.iterrows()]]
    if near.empty:
        which = "The other posterior is" if len(rivals) == 1 else "All other posteriors are"
        return [f"{which} more than one standard error behind by LOO."]
    names = _listed([_unique_name(name, table) for name in near.index])
    return [f"{names} {'is' if len(near) == 1 else 'are'} within one standard error by LOO."]


def _unique_name(name: Any, table: pd.DataFrame) -> str:
    """A posterior by its K, by family and K, or by name: the first that is unique."""
    there = table[table["elpd_loo"].notna()]
    row = there.loc[name]
    same = there[there["K"] == row["K"]]
    if len(same) == 1:
        return f"K = {row['K']}"
    if (same["family"] == row["family"]).sum() == 1:
        return f"{row['family']} with K = {row['K']}"
    return repr(name)


def _scope(table: pd.DataFrame) -> list[str]:
    """Where the posteriors are of fewer K than the fits."""
    sound = _sound(table)
    fitted = set(sound.loc[sound["bic"].notna(), "K"])
    sampled = sorted(set(table.loc[table["elpd_loo"].notna(), "K"]))
    if len(sampled) < 1 or not fitted - set(sampled):
        return []
    return [f"Posteriors are of K = {_listed([str(k) for k in sampled])} only."]


def _troubles(table: pd.DataFrame) -> list[str]:
    sentences = []
    posteriors = table[table["elpd_loo"].notna()]
    doubtful = [
        repr(name) for name, status in posteriors["status"].items()
        if not status.startswith(CONVERGED)
    ]  # fmt: skip
    if doubtful:
        sentences.append(f"The chains of {_listed(doubtful)} have problems: see the notes.")
    off = posteriors[posteriors["pareto_k_bad"] > 0]
    if len(off):
        names = _listed([repr(name) for name in off.index])
        sentences.append(
            f"LOO may be far off for {names}: a Pareto k of {off['pareto_k_max'].max():.2f} is "
            "above the limit."
        )
    if bad := len(table) - len(_sound(table)):
        have = "has" if bad == 1 else "have"
        sentences.append(f"{bad} of {len(table)} models {have} no estimate: the notes say why.")
    return sentences


def _sound(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["status"].str.startswith(FAILED)]


def best_of(table: pd.DataFrame, column: str) -> Any:
    """The row that a criterion chooses among two or more; None where there is no choice."""
    values = _sound(table)[column].dropna()
    if len(values) < 2:
        return None
    if column == "k_probability" and table.loc[values.index, "family"].nunique() > 1:
        return None  # given the family: those of two families do not compare
    best = values.min() if COLUMNS[column].better == "lower" else values.max()
    ties = (values - best).abs() <= _ROUNDING * max(1.0, abs(best))
    return values.index[ties][0]  # of those that differ by rounding, the first


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
