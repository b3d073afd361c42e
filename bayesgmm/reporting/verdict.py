"""The report's answer in sentences, which its tables and figures can confirm."""

from __future__ import annotations

import numpy as np

from ..comparison.verdict import strength
from ..families.letters import Letter
from ..plots.checks import outside_interval
from .analysis import Analysis

# A row is called uncertain below this probability of its component.
_CERTAIN = 0.9


def conclusion(analysis: Analysis) -> list[str]:
    """The sentences of the answer, most important first."""
    sentences = [*_interruptions(analysis), _choice(analysis)]
    sentences += [*_rivals(analysis), _groups(analysis)]
    if analysis.posterior is not None:
        sentences += _posterior(analysis)
    failed = len(analysis.selection.failures)
    if failed:
        cells = failed + len(analysis.selection.top(10**6))
        sentences.append(
            f"{failed} of {cells} cells of the grid have no estimate; the reasons are listed "
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
            f"mixtures may be missing{left_out}. What follows is true of the cells that there are; "
            "make the report again for the answer."
        ]
    if posterior is not None and posterior.interrupted:
        d = posterior.diagnostics
        return [
            f"Interrupted: sampling was stopped, and the posterior has {d.chains} chains of "
            f"{d.draws} draws, fewer than the {analysis.request.chains} of "
            f"{analysis.request.draws} that were asked for."
        ]
    return []


def _choice(analysis: Analysis) -> str:
    fit = analysis.fit
    if _numbers(analysis) == [1]:
        shape = "a single Gaussian, the only number of components tried"
    elif fit.n_components == 1:
        shape = "a single Gaussian: nothing in these data asks for more than one group"
    else:
        shape = f"a mixture of {fit.n_components} Gaussian components"
    return (
        f"By BIC the data are best described by {shape}, with covariances of family "
        f"{fit.family.name} ({describe(analysis)}), {fit.n_parameters} free parameters and "
        f"BIC {fit.bic:.1f}."
    )


def _numbers(analysis: Analysis) -> list[int]:
    """The numbers of components tried."""
    return sorted({k for _, k in [*analysis.selection.fits, *analysis.selection.failures]})


def describe(analysis: Analysis) -> str:
    """The family in words."""
    family, d = analysis.fit.family, analysis.fit.d
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


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _rivals(analysis: Analysis) -> list[str]:
    top = analysis.selection.top(10**6)
    best = analysis.fit
    out = []
    if len(top) > 1:
        second = top[1]
        gap = second.bic - best.bic
        out.append(
            f"The next best cell is {second.family.name} with K = {second.n_components}, "
            f"{gap:.1f} behind: {strength(gap)} evidence for the choice."
        )
    other_k = next((f for f in top if f.n_components != best.n_components), None)
    if other_k is not None and other_k is not top[1]:
        gap = other_k.bic - best.bic
        out.append(
            f"For another number of components the best is {other_k.family.name} with "
            f"K = {other_k.n_components}, {gap:.1f} behind ({strength(gap)} evidence)."
        )
    ks = _numbers(analysis)
    if len(ks) > 1 and best.n_components == ks[-1]:
        out.append(
            f"K = {ks[-1]} is the largest number tried: try more components before settling."
        )
    by_icl = min(top, key=lambda f: f.icl)
    if by_icl is not best:
        out.append(
            f"ICL, which counts only well separated groups, prefers {by_icl.family.name} with "
            f"K = {by_icl.n_components}: some of the components overlap."
            if by_icl.n_components < best.n_components
            else f"ICL prefers {by_icl.family.name} with K = {by_icl.n_components}."
        )
    return out


def _groups(analysis: Analysis) -> str:
    fit = analysis.fit
    if fit.n_components == 1:
        return "All rows belong to the one component."
    sure = 1.0 - uncertain_share(analysis)
    shares = ", ".join(f"{w:.0%}" for w in fit.weights)
    return (
        f"The components hold {shares} of the rows; {sure:.0%} of the rows belong to theirs with "
        f"probability above {_CERTAIN:.0%}."
    )


def uncertain_share(analysis: Analysis) -> float:
    """Share of rows whose most probable component has probability at most 90 %."""
    data, uncertain = analysis.data, 0
    for start in range(0, data.n, 65_536):
        resp = analysis.fit.predict_proba(np.asarray(data.values[start : start + 65_536]))
        uncertain += int(np.sum(resp.max(axis=1) <= _CERTAIN))
    return uncertain / data.n


def _posterior(analysis: Analysis) -> list[str]:
    posterior = analysis.posterior
    assert posterior is not None
    d = posterior.diagnostics
    if d.problems:
        return ["Treat the posterior with care. " + " ".join(d.problems)]
    tails = (0.055, 0.945)
    out = []
    if posterior.fit.n_components > 1:
        low, high = np.quantile(posterior.draws.weights, tails, axis=0)
        ranges = ", ".join(f"{a:.2f} to {b:.2f}" for a, b in zip(low, high, strict=True))
        out.append(f"Under the prior below, the proportions lie (89 % intervals) in {ranges}.")
    out.append(
        f"The chains agree (largest r-hat {max(d.rhat, d.rhat_invariant):.3f}, at least "
        f"{min(d.ess_bulk, d.ess_tail):.0f} effective draws; "
        f"{', '.join(map(str, d.checks.values()))}; "
        f"{posterior.relabelled_draws} draws had to be relabelled)."
    )
    loo = posterior.loo()
    bad = int(np.sum(loo.pareto_k.to_numpy() > loo.good_k))
    trust = "all Pareto k are fine" if not bad else f"{bad} rows have a Pareto k above the limit"
    out.append(
        f"Expected log predictive density by leave-one-out: {loo.elpd:.1f} "
        f"(standard error {loo.se:.1f}, Monte Carlo error {loo['mcse']:.2f}; {trust})."
    )
    out.append(checks(analysis))
    return out


def checks(analysis: Analysis) -> str:
    """How many statistics of the rows lie outside their predictive intervals, and the farthest."""
    table = analysis.checks
    assert table is not None
    outside = outside_interval(table)
    count, total = int(np.sum(outside)), len(table)
    text = (
        f"Of {total} statistics of the rows {count} {'lies' if count == 1 else 'lie'} outside the "
        "predictive interval of 89 %, "
        f"where chance alone would put up to about {0.11 * total:.0f}"
    )
    if not count:
        return f"{text}: new data from the model look like these."
    away = np.abs(table["observed"] - table["mean"]) / table["sd"].replace(0.0, 1.0)
    name, of = away[outside].idxmax()
    which = f"{of} {name}" if name == "log density" else f"{name} of {of}"
    return f"{text}; farthest is the {which}."


def evidence(analysis: Analysis) -> str:
    """The log evidence of the sampled model, or why it is unknown."""
    found = analysis.evidence
    if isinstance(found, str):
        return f"The log evidence is not known: {found}"
    fit = analysis.fit
    error = "" if np.isnan(found.error) else f" (standard error {found.error:.2g})"
    text = (
        f"The log evidence (log marginal likelihood) of {fit.family.name} with "
        f"K = {fit.n_components} under the prior below is {found.value:.2f}{error}, by bridge "
        "sampling. It compares with that of another model of the same data: the difference is the "
        "log Bayes factor."
    )
    return " ".join([text, *found.problems])
