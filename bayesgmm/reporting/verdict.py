"""The report's answer in sentences, which its tables and figures can confirm."""

from __future__ import annotations

import numpy as np

from ..comparison.rows import SAMPLED_K
from ..comparison.verdict import questions, strength
from ..em.result import Fit
from ..families import Family
from ..families.letters import Letter
from ..mixture.draws import Draws, NoisyDraws
from ..mixture.merging import LITTLE_OVERLAP
from ..plots.checks import outside_interval
from ..posterior.posterior import Posterior
from ..selection.criteria import criterion_of
from .analysis import Analysis, model_of

# A row is called uncertain below this probability of its component.
_CERTAIN = 0.9
# Predictive standard deviations beyond which a statistic is no accident among some hundred.
_GROSS = 5.0
# Criteria of the report, where they disagree.
_CRITERIA = ("BIC", "the evidence", "LOO", "ICL")

_IN_CHUNKS = (
    "Neither log evidence nor leave-one-out was computed: of rows in chunks they take minutes of "
    "passes, and with so many rows minus half of BIC and of AIC say the same but for terms that do "
    'not grow with them (posterior.log_evidence("laplace"), posterior.loo()).'
)


def conclusion(analysis: Analysis) -> list[str]:
    """The sentences of the answer, most important first."""
    sentences = [*_interruptions(analysis), _choice(analysis), _groups(analysis)]
    sentences += _rivals(analysis)
    if analysis.posterior is not None:
        sentences += _posterior(analysis)
    sentences += _unused(analysis)
    failed = len(analysis.selection.failures)
    if failed:
        cells = failed + len(analysis.selection.top(10**6))
        sentences.append(
            f"{failed} of {cells} models of the grid have no estimate; the reasons are listed "
            "below the selection table."
        )
    return sentences


def _interruptions(analysis: Analysis) -> list[str]:
    """A sentence on what Ctrl-C interrupted, which comes first."""
    selection, posterior = analysis.selection, analysis.posterior
    if selection.interrupted:
        left_out = ", and no posterior was sampled" if analysis.request.refine else ""
        return [
            "Interrupted: the search over the grid was stopped before its end, so that better "
            f"mixtures may be missing{left_out}. What follows is true of the models that there "
            "are; make the report again for the answer."
        ]
    if posterior is not None and posterior.interrupted:
        d = posterior.diagnostics
        return [
            f"Interrupted: sampling was stopped, and the posterior has {d.chains} chains of "
            f"{d.draws} draws, fewer than the {analysis.request.chains} of "
            f"{analysis.request.draws} that were asked for."
        ]
    return []


def _unused(analysis: Analysis) -> list[str]:
    """What was asked for and could not be done."""
    said, names, request = [], analysis.request.component_names, analysis.request
    if names and analysis.fit.component_names != tuple(names):
        said.append(
            f"Names were given for {len(names)} components ({_listed(list(names))}); those of this "
            f"fit keep {'their names' if analysis.fit.component_names else 'their numbers'}."
        )
    if analysis.data.weights is not None and request.refine:
        said.append(
            "The rows have weights, which a posterior cannot have: the estimates are EM's alone."
        )
    return said


def _choice(analysis: Analysis) -> str:
    fit, criterion = analysis.fit, criterion_of(analysis.selection.criterion)
    if _numbers(analysis) == [1]:
        shape = "a single Gaussian, the only number of components tried"
    elif fit.n_components == 1:
        shape = f"a single Gaussian{_against_more(analysis)}"
    else:
        shape = f"a mixture of {fit.n_components} Gaussian components"
    return (
        f"By {criterion.label} the data are best described by {shape}, with covariances of family "
        f"{fit.model_name} ({describe(analysis)}), {fit.n_parameters} free parameters and "
        f"BIC {fit.bic:.1f}."
    )


def _against_more(analysis: Analysis) -> str:
    """What there is against more components than one; nothing where BIC is for them."""
    more = [f.bic for f in analysis.selection.sound.values() if f.n_components > 1]
    if not more:
        return ": no mixture of more components has an estimate"
    if min(more) < analysis.fit.bic:
        return ""
    return ": there is no evidence for more than one component"


def _numbers(analysis: Analysis) -> list[int]:
    """The numbers of components tried."""
    return sorted({k for _, k in [*analysis.selection.fits, *analysis.selection.failures]})


def describe(analysis: Analysis) -> str:
    """The family in words."""
    family, d = analysis.fit.family, analysis.fit.d
    if analysis.fit.n_components == 1:
        return _of_one(family, d)
    if d == 1:
        return "the same variance in all" if family.common else "each with its own variance"
    letters = {"volume": family.volume, "shape": family.shape, "direction": family.orientation}
    if family.spherical:
        kind, letters = "round clouds", {"size": family.volume}
    elif family.diagonal:
        kind = "ellipses along the columns' axes"
    else:
        kind = "ellipses of any direction"
    same = [name for name, letter in letters.items() if letter == Letter.EQUAL]
    own = [name for name, letter in letters.items() if letter == Letter.VARIABLE]
    if not own:
        return f"{kind}, the same for all"
    text = f"{kind}, each with its own {_listed(own)}"
    return f"{text}, with {_listed(same)} in common" if same else text


def _of_one(family: Family, d: int) -> str:
    """The family of a single component, in words."""
    if d == 1:
        return "its variance"
    if family.spherical:
        return "a round cloud"
    return (
        "an ellipse along the columns' axes" if family.diagonal else "an ellipse of any direction"
    )


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _groups(analysis: Analysis) -> str:
    """Sizes of the components, and how certain the rows' components are."""
    fit, total = analysis.fit, analysis.data.total
    if fit.n_components == 1 and not analysis.noise_share:
        return "All rows belong to the one component."
    found = [f"{size:.10g} ({size / total:.0%})" for size in analysis.certainty.sizes]
    sizes, sure = _listed(found[: fit.n_components]), 1.0 - analysis.certainty.uncertain
    have = "has" if fit.n_components == 1 else "have"
    noise = f", and {found[-1]} are most probably noise" if analysis.noise_share else ""
    return (
        f"{_all_components(fit)} {have} {sizes} of the {total:.10g} rows{noise}; {sure:.0%} of the "
        f"rows are classified with probability above {_CERTAIN:.0%}, and "
        f"{analysis.certainty.expected_error:.1%} are expected to be in another component than "
        f"the one given{_clusters(analysis)}."
    )


def _all_components(fit: Fit) -> str:
    """The components, which a sentence begins with."""
    if fit.n_components == 1:
        return "The one component"
    if fit.component_names:
        return f"The components {_listed(list(fit.component_names))}"
    return f"Components 0 to {fit.n_components - 1}"


def _clusters(analysis: Analysis) -> str:
    """Which components overlap so much that they may be one cluster, if any do."""
    merging = analysis.merging
    if merging is None or merging.n_components < 3 or merging.overlap < LITTLE_OVERLAP:
        return ""
    number = merging.suggest()
    joined = [part for part in merging.clusters(number) if len(part) > 1]
    if not joined:
        return ""
    parts = _listed(
        [_listed([str(merging.mixture.components[k]) for k in part]) for part in joined]
    )
    text = f". Components {parts} overlap most"
    if merging.n_components > 3:  # three leave the elbow no other place
        text += f": merged by entropy, the components make {number} clusters"
    return text


def _rivals(analysis: Analysis) -> list[str]:
    top = analysis.selection.top(10**6)
    best = analysis.fit
    others = [fit for fit in top if model_of(fit) != model_of(best)]
    out = []
    if others:
        out.append(f"The next best model is {_named(others[0])}, {_behind(others[0], best)}.")
    other_k = next((f for f in others if f.n_components != best.n_components), None)
    if other_k is not None and other_k is not others[0]:
        out.append(
            f"For another number of components the best is {_named(other_k)}, "
            f"{_behind(other_k, best)}."
        )
    ks = _numbers(analysis)
    if len(ks) > 1 and best.n_components == ks[-1]:
        out.append(f"K = {ks[-1]} is the largest number tried: try more components.")
    by_icl = analysis.selection.top(1, "icl")[0]
    if model_of(by_icl) != model_of(best):
        out.append(
            f"ICL, which favours well separated components, prefers {_named(by_icl)}"
            + (
                ": some of the components overlap."
                if by_icl.n_components < best.n_components
                else "."
            )
        )
    return out


def _named(fit: Fit) -> str:
    return f"{fit.model_name} with K = {fit.n_components}"


def _behind(fit: Fit, best: Fit) -> str:
    """How far a fit's BIC is from that of the best, which may be the best by another criterion."""
    gap = fit.bic - best.bic
    if gap < 0:
        return f"whose BIC is {-gap:.1f} lower"
    return f"whose BIC is {gap:.1f} higher: {strength(gap)} evidence for the choice"


def _posterior(analysis: Analysis) -> list[str]:
    """What the posterior adds, in words of the question; its diagnostics have their section."""
    posterior = analysis.posterior
    assert posterior is not None
    out = []
    if posterior.fit.n_components > 1:
        level = analysis.request.ci_prob
        tails = ((1 - level) / 2, (1 + level) / 2)
        low, high = np.quantile(posterior.draws.shares, tails, axis=0)
        ranges = ", ".join(f"{a:.2f} to {b:.2f}" for a, b in zip(low, high, strict=True))
        given = "the model's priors" if analysis.own_model else "the prior below"
        out.append(
            f"Given {given}, the components' shares{_and_noise(posterior.draws)} are within "
            f"{ranges} ({level:.0%} intervals)."
        )
    out += _of_the_prior(posterior)
    if len(analysis.posteriors) > 1:
        out.append(_comparison(analysis))
    out += _sampled_k(analysis)
    if analysis.checks is not None:
        out.append(checks(analysis))
    if posterior.diagnostics.problems:
        out.append(
            "Interpret the posterior with caution: its sampling failed a check, which Diagnostics "
            "names."
        )
    return out


def _of_the_prior(posterior: Posterior) -> list[str]:
    """Where the prior says what components are like, and not the rows."""
    said = posterior.prior_influence.sentences
    begun = {"few rows": "", "prior": "The prior "}
    texts = [f"{begun[name]}{text}." for name, text in said.items()]
    return [text[0].upper() + text[1:] for text in texts]


def _and_noise(draws: Draws) -> str:
    return ", and then that of the noise," if isinstance(draws, NoisyDraws) else ""


def _comparison(analysis: Analysis) -> str:
    """What the posteriors' comparison says of K, and what a disagreement means."""
    table = analysis.comparison
    parts = table[table["elpd_loo"].notna()]
    text = ""
    if (shares := parts["probability"].dropna()).size > 1:
        of_k = shares.groupby(parts["K"]).sum()
        said = _listed([f"K = {k} has {share:.0%}" for k, share in of_k.items()])
        unknown = _listed([str(name) for name in parts.index[parts["probability"].isna()]])
        but = f"; that of {unknown} is not known" if unknown else ""
        text = (
            f"Of the models whose evidence is known, equally probable before the data, {said} by "
            f"the evidence{but}. "
        )
    chosen = {(int(analysis.fit.n_components), analysis.fit.model_name)}
    best = parts["elpd_loo"].idxmax()
    by = [best] + ([shares.idxmax()] if shares.size > 1 else [])
    chosen |= {(int(parts.loc[name, "K"]), parts.loc[name, "family"]) for name in by}
    loo = f"Leave-one-out prefers K = {parts.loc[best, 'K']} ({parts.loc[best, 'family']})"
    near = parts[(parts["elpd_diff"] < 0) & (-parts["elpd_diff"] <= parts["elpd_diff_se"])]
    if len(near):
        loo += ", and does not distinguish it from the others within a standard error"
    return f"{text}{loo}." + (f" {questions(_CRITERIA)}" if len(chosen) > 1 else "")


def _sampled_k(analysis: Analysis) -> list[str]:
    """The most probable number of components, where it was sampled too."""
    table = analysis.comparison
    rows = table[table["method"] == SAMPLED_K]
    return [
        f"Where the number of components of {row['family']} was sampled as well, {row['verdict']}"
        for _, row in rows.iterrows()
    ]


def checks(analysis: Analysis) -> str:
    """How many statistics of the rows lie outside their predictive intervals, and how far."""
    table = analysis.checks
    if table is None:
        return "There is no predictive check: rows of noise of a given density cannot be drawn."
    outside, level = outside_interval(table), analysis.request.ci_prob
    count, total = int(np.sum(outside)), len(table)
    text = (
        f"Of {total} statistics of the rows {count} {'lies' if count == 1 else 'lie'} outside the "
        f"predictive interval of {level:.0%}, where chance alone would put up to about "
        f"{(1 - level) * total:.0f}"
    )
    if not count:
        return f"{text}: new data from the model look like these."
    away = np.abs(table["observed"] - table["mean"]) / table["sd"].replace(0.0, 1.0)
    name, of = away[outside].idxmax()
    which = f"{of} {name}" if name == "log density" else f"{name} of {of}"
    far = float(away[outside].max())
    if far > _GROSS:
        influence = analysis.posterior and analysis.posterior.prior_influence
        cause = " The cause may be the prior." if influence and influence.widens else ""
        return (
            f"The model misses a feature of the data: the {which} lies {far:.1f} predictive "
            f"standard deviations away, far beyond chance.{cause} {text}."
        )
    return f"{text}; farthest is the {which}, {far:.1f} predictive standard deviations away."


def sampling(analysis: Analysis) -> str:
    """How well the chains agree, in numbers, and which runs led to them."""
    assert analysis.posterior is not None
    posterior, d = analysis.posterior, analysis.posterior.diagnostics
    runs = "; ".join(map(str, posterior.steps))
    unfinished = bool(posterior.steps) and bool(posterior.steps[-1].missed)
    return (
        f"Largest r-hat {max(d.rhat, d.rhat_invariant):.3f}, at least "
        f"{min(d.ess_bulk, d.ess_tail):.0f} effective draws; "
        f"{', '.join(map(str, d.checks.values()))}; "
        f"{posterior.relabelled_draws} draws were relabelled."
        + (f" Runs: {runs}." if runs else "")
        + (" They end short of the target: raise max_time or draws." if unfinished else "")
    )


def evidence(analysis: Analysis) -> list[str]:
    """What is known of the log evidences, and why some are not known."""
    if not analysis.posteriors:
        return ["The log evidence is not known: no posterior was sampled."]
    if any(posterior.rows is not None for posterior in analysis.posteriors.values()):
        return [_IN_CHUNKS]
    table = analysis.comparison
    known = table["log_evidence"].dropna()
    said = []
    if len(known):
        said.append(
            "The log evidence (log marginal likelihood) is that of the model under the prior "
            "below, by bridge sampling; the difference of two is the log Bayes factor."
        )
    reasons = table.attrs["reasons"]
    return said + [
        f"{name}: the log evidence is not known: {why['log_evidence']}"
        for name, why in reasons.items()
        if "log_evidence" in why
    ]
