"""Rows of a comparison: the figures of one fit, one posterior, or one cell without an estimate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..data.same_data import Fingerprint, refuse_other_data
from ..em.labelled_fit import LabelledFit
from ..em.result import Fit
from ..mixture.of_results import estimate_of
from ..posterior.components import ComponentsPosterior
from ..posterior.posterior import Posterior
from ..selection.selection import CellName, Selection
from ..utils.errors import ConvergenceAdvice
from ..utils.warnings import warn

type Row = dict[str, Any]
type Model = Fit | Posterior | ComponentsPosterior

# How a status begins where there is no estimate, where nothing is wrong, and where an evidence has
# problems.
FAILED = "no estimate"
CONVERGED = "converged"
EVIDENCE_DOUBT = "evidence: "
#: The method of a posterior of the number of components.
SAMPLED_K = "posterior (telescoping)"


def expanded(
    models: Mapping[str, Model | Selection] | Selection,
) -> tuple[dict[str, Model], dict[str, Row]]:
    """Models by name, grids cell by cell; and the rows of the cells without an estimate."""
    if isinstance(models, Selection):
        models = {"": models}
    if not isinstance(models, Mapping):
        raise TypeError(
            f"models is a {type(models).__name__}: pass a mapping of names to fits, posteriors and "
            "grids, such as {'two': fit, 'three': other}, or one Selection."
        )
    found: dict[str, Model] = {}
    cells: dict[str, Row] = {}
    for name, model in models.items():
        if isinstance(model, Selection):
            before = f"{name}: " if name else ""
            failed = _failed(model)
            found |= {before + n: fit for n, fit in _sound(model).items()}
            cells |= {before + n: row for n, row in failed.items()}
        elif isinstance(one := estimate_of(model), Fit | Posterior | ComponentsPosterior):
            found[name] = one
        else:
            raise TypeError(
                f"{name!r} is a {type(model).__name__}: compare() takes Fit, Posterior, "
                "ComponentsPosterior, Selection and fitted GaussianMixture objects."
            )
    refuse_different_labels(found)
    if not found and not cells:
        raise ValueError("nothing to compare: pass {name: fit or posterior, ...}.")
    return found, cells


def refuse_different_labels(models: Mapping[str, Model]) -> None:
    """Refuse to compare models of rows with labels with those of other labels, or of none.

    Their likelihoods have the labels in them.

    Raises
    ------
    NotImplementedError
        The two, by name.
    """
    labels = {name: _labels_of(model) for name, model in models.items()}
    (first, known), *others = labels.items() if labels else [("", None)]
    for name, other in others:
        if known != other:
            raise NotImplementedError(
                f"{first!r} and {name!r} are not of the same labels, which their likelihoods have "
                "in them: compare models of the same labels, or of none."
            )


def _labels_of(model: Model) -> bytes | None:
    """Which rows have the same label, and how many components each of them can belong to.

    What the classes are called, and which component stands for which, may differ.
    """
    fit = model if isinstance(model, Fit) else model.fit
    if not isinstance(fit, LabelledFit):
        return None
    of_rows, known = fit.labels.of_rows, fit.labels.informative
    first = np.unique(of_rows, return_index=True, return_inverse=True)
    same, sizes = first[1][first[2]], fit.labels.sets.sum(axis=1)[of_rows]
    return np.where(known, [same + 1, sizes], 0).tobytes()


def _name(cell: CellName) -> str:
    return f"{cell[0]}, K = {cell[1]}"


def _sound(selection: Selection) -> dict[str, Fit]:
    return {_name(cell): fit for cell, fit in selection.ranked.items()}


def _failed(selection: Selection) -> dict[str, Row]:
    return {
        _name((family, k)): {
            "method": "EM", "family": family, "K": k, "status": f"{FAILED}: {reason}"
        }
        for (family, k), reason in selection.failures.items()
    }  # fmt: skip


def cross_validated(
    models: Mapping[str, Model | Selection] | Selection,
) -> dict[int, tuple[float, float]]:
    """Cross-validated log-likelihoods of the grids' fits, by the fits' identity."""
    grids = [models] if isinstance(models, Selection) else models.values()
    return {
        id(grid.fits[cell]): value
        for grid in grids
        if isinstance(grid, Selection)
        for cell, value in grid.cv.items()
        if cell in grid.fits
    }


def fit_row(fit: Fit, cv: tuple[float, float] = (math.nan, math.nan)) -> Row:
    """Information criteria of a fit."""
    return {
        "method": "EM, MAP" if fit.prior is not None else "EM, ML",
        "family": fit.model_name,
        "K": fit.n_components,
        "n_parameters": fit.n_parameters,
        "loglik": fit.loglik,
        "aic": fit.aic,
        "bic": fit.bic,
        "icl": fit.icl,
        "entropy": fit.entropy,
        "cv_loglik": cv[0],
        "cv_se": cv[1],
        "status": fit.status.value if fit.status.sound else f"{FAILED}: {fit.advice}",
    }


def posterior_row(name: str, posterior: Posterior) -> Row:
    """Predictive density and convergence of a posterior."""
    fit, diagnostics = posterior.fit, posterior.diagnostics
    return {
        "method": f"posterior ({posterior.sampler})",
        "family": fit.model_name,
        "K": fit.n_components,
        "n_parameters": fit.n_parameters,
        **({} if posterior.rows is not None else _of_all_rows(name, posterior)),
        "r_hat": max(diagnostics.rhat, diagnostics.rhat_invariant),
        "ess_bulk": diagnostics.ess_bulk,
        "ess_tail": diagnostics.ess_tail,
        "divergences": _or_nan(diagnostics.divergences),
        "treedepth_hits": _or_nan(diagnostics.max_treedepth_hits),
        "label_moves": posterior.relabelled_draws,
        "status": " ".join(diagnostics.problems) or CONVERGED,
    }


def _of_all_rows(name: str, posterior: Posterior) -> Row:
    """What every draw needs a pass over the rows for."""
    loo = named(name, posterior.loo)
    khat = loo.pareto_k.to_numpy()
    return {
        "loglik": posterior.mean_loglik,
        "elpd_loo": loo.elpd,
        "elpd_se": loo.se,
        "elpd_mcse": loo["mcse"],
        "p_loo": loo.p,
        "pareto_k_max": float(khat.max()),
        "pareto_k_bad": int(np.sum(khat > loo.good_k)),
    }


def components_row(posterior: ComponentsPosterior) -> Row:
    """The most probable K, and convergence, of a posterior of the number of components."""
    probabilities, diagnostics = posterior.table["K_posterior"], posterior.diagnostics
    return {
        "method": SAMPLED_K,
        "family": posterior.fit.family.name,
        "K": int(probabilities.idxmax()),
        "loglik": float(posterior.tree["posterior"]["loglik"].mean()),
        "k_probability": float(probabilities.max()),
        "r_hat": diagnostics.rhat,
        "ess_bulk": min(q.ess_bulk for q in diagnostics.quantities),
        "ess_tail": min(q.ess_tail for q in diagnostics.quantities),
        "status": " ".join(diagnostics.problems) or CONVERGED,
    }


def _or_nan(number: int | None) -> float:
    """The number, or NaN where the sampler does not have it."""
    return float("nan") if number is None else number


def named[T](name: str, work: Callable[[], T]) -> T:
    """The result of `work()`, whose advice is given with the model's name, at the caller's line."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = work()
    for warning in found:
        text = str(warning.message)
        if issubclass(warning.category, ConvergenceAdvice):
            text = f"{name!r}: {text}"
        warn(text, warning.category)
    return result


def refuse_different_data(models: Mapping[str, Model]) -> None:
    """Refuse models of different data; posteriors also if their rows differ in order.

    Criteria compare models of the same rows and columns only, elpd_loo row by row.

    Raises
    ------
    DataError
        Two of them are of different data: what differs.
    """
    _refuse_others(models, ordered=False)
    _refuse_others({n: m for n, m in models.items() if isinstance(m, Posterior)}, ordered=True)


def _refuse_others(models: Mapping[str, Model], ordered: bool) -> None:
    kept = {name: _fingerprint_of(model) for name, model in models.items()}
    names, cure = list(kept), "criteria compare models of the same data only: use one table."
    for name in names[1:]:
        refuse_other_data(
            kept[names[0]], kept[name], cure, f"the table of {names[0]!r}",
            f"that of {name!r}", ordered,
        )  # fmt: skip


def _fingerprint_of(model: Model) -> Fingerprint:
    """The fingerprint of a model's data."""
    return model.fingerprint if isinstance(model, Fit) else model.data.fingerprint
