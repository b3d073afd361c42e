"""Comparison of EM fits and posteriors in one table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..posterior.components import ComponentsPosterior
from ..posterior.evidence.evidence import METHODS, Method
from ..posterior.posterior import Posterior
from ..selection.selection import Selection
from ..utils.validation import check_choice, whole_seed
from .columns import COLUMNS
from .rows import (
    Model,
    Row,
    components_row,
    cross_validated,
    expanded,
    fit_row,
    posterior_row,
    refuse_different_data,
)
from .scores import add_differences, add_evidence, add_k_probabilities, add_loo
from .table import Comparison
from .verdict import row_verdicts, strength

__all__ = ["COLUMNS", "Comparison", "compare", "strength"]

# Why there is no leave-one-out of rows in chunks.
_IN_CHUNKS = (
    "leave-one-out of rows in chunks takes a pass over them for each draw: posterior.loo() makes "
    "these; with so many rows it says what AIC says"
)


def compare(
    models: Mapping[str, Model | Selection] | Selection,
    *,
    evidence: Method | None = None,
    random_seed: int | None = None,
) -> Comparison:
    """Compare fits, posteriors and grids of fits of the same data in one table.

    Parameters
    ----------
    models : mapping of name to Fit, Posterior, ComponentsPosterior, Selection or \
GaussianMixture; or a Selection
        What to compare. Of a Selection, every cell: its fits, best first, then those without an
        estimate. Of a ComponentsPosterior (`sample_components`) its most probable K, and p(K |
        data) beside all models of its family.
    evidence : "bridge", "laplace" or "importance", optional
        Compute the posteriors' log evidences this way, which takes time, and the models'
        probabilities (equal before the data; `model_probabilities` takes others).
    random_seed : int, optional
        Seed of the evidences.

    Returns
    -------
    Comparison
        A DataFrame with one row per model, in the order given, NaN where a criterion is not
        defined: information criteria belong to a maximum; elpd_loo, r-hat and ESS to draws.
        `.attrs["columns"]` says what every column means and which way is better,
        `.attrs["reasons"]` why a figure that was asked for is not there, the column "verdict" what
        the figures say of each model, and `.conclusion` what they say of all.

    Raises
    ------
    TypeError
        Something that is neither of these, or an estimator that is not fitted.
    ValueError
        Nothing to compare, models of different data, or an unknown method for the evidence.

    Warns
    -----
    ConvergenceAdvice
        A figure is to be read with care; the message names the model.

    See Also
    --------
    select : All covariance structures with every number of components.
    average : Posteriors of several models averaged.
    model_probabilities : Probabilities of models from their evidences.
    agreement : Components compared with known classes.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fits = {f"K={k}": bayesgmm.fit(X, k, random_seed=1) for k in (1, 2)}
    >>> table = bayesgmm.compare(fits)
    >>> table[["K", "n_parameters", "bic"]].round(2).values.tolist()
    [[1, 5, 2607.62], [2, 11, 2322.19]]
    >>> print(table.conclusion)
    BIC and ICL agree on K = 2 (VVV).
    """
    random_seed = whole_seed(random_seed)
    found, cells = expanded(models)
    refuse_different_data(found)
    posteriors = {name: m for name, m in found.items() if isinstance(m, Posterior)}
    sampled = {name: m for name, m in found.items() if isinstance(m, ComponentsPosterior)}
    if evidence is not None:
        _check_evidence(evidence, posteriors)
    cv = cross_validated(models)
    rows: dict[str, Row] = {}
    for name, model in found.items():
        if isinstance(model, Posterior):
            rows[name] = posterior_row(name, model)
        elif isinstance(model, ComponentsPosterior):
            rows[name] = components_row(model)
        else:
            rows[name] = fit_row(model, *([cv[id(model)]] if id(model) in cv else []))
    rows |= cells
    add_differences(rows)
    add_loo(rows, {name: p for name, p in posteriors.items() if p.rows is None})
    add_k_probabilities(rows, sampled)
    reasons = add_evidence(rows, posteriors, evidence, random_seed) if evidence else {}
    table = _framed(rows)
    table["verdict"] = row_verdicts(table)
    for name, posterior in posteriors.items():
        if posterior.rows is not None:
            reasons.setdefault(name, {})["elpd_loo"] = _IN_CHUNKS
    table.attrs["reasons"] = reasons
    return table


def _check_evidence(method: str, posteriors: Mapping[str, Posterior]) -> None:
    check_choice("evidence", method, METHODS)
    if not posteriors:
        raise ValueError("fits have no evidence: compare posteriors, as refine returns.")


def _framed(rows: Mapping[str, Row]) -> Comparison:
    """The rows as a table: whole numbers that may be missing, floats, and words."""
    table = Comparison([[row.get(c) for c in COLUMNS] for row in rows.values()])
    table.index = pd.Index(rows, name="model", dtype=object)
    table.columns = pd.Index(COLUMNS)
    for name, column in COLUMNS.items():
        kind = "Int64" if column.whole else "object" if column.digits is None else "float64"
        table[name] = table[name].astype(kind)
    table.attrs["columns"] = {name: column.described for name, column in COLUMNS.items()}
    return table
