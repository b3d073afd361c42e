"""One table for whatever is compared: EM fits and PyMC posteriors, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .posterior import Posterior
from .result import Fit
from .selection import Selection

if TYPE_CHECKING:
    import pandas as pd

#: What each column of `compare` means, and which way is better.
COLUMNS = {
    "method": "EM: ML (maximum likelihood) or MAP; or the sampler of a posterior",
    "family": "covariance family",
    "K": "number of components",
    "n_parameters": "free parameters of the family",
    "loglik": "log-likelihood: at the estimates of a fit, posterior mean for a posterior",
    "aic": "-2 loglik + 2 n_parameters of a fit; lower is better",
    "bic": "-2 loglik + n_parameters log n of a fit; lower is better (mclust reports -BIC)",
    "icl": "bic - 2 sum_i log max_k r_ik of a fit; lower is better",
    "entropy": "-sum_ik r_ik log r_ik of a fit: 0 when every row's component is certain",
    "elpd_loo": "expected log predictive density by PSIS-LOO of a posterior; higher is better",
    "elpd_se": "standard error of elpd_loo",
    "p_loo": "effective number of parameters by PSIS-LOO",
    "pareto_k_max": "largest Pareto k of PSIS-LOO; elpd_loo is unreliable above pareto_k_limit",
    "pareto_k_bad": "rows whose Pareto k is above the limit",
    "r_hat": "largest r-hat of relabelled and label-invariant quantities; at most 1.01 is good",
    "ess_bulk": "smallest bulk effective sample size; at least 100 per chain is good",
    "ess_tail": "smallest tail effective sample size; at least 100 per chain is good",
    "divergences": "divergent transitions; 0 is good",
    "label_moves": "draws relabelled to match the EM fit",
    "status": "how EM ended, or what is wrong with the chains",
}
_COUNTS = ("K", "n_parameters", "pareto_k_bad", "divergences", "label_moves")


def compare(models: Mapping[str, Fit | Posterior] | Selection) -> pd.DataFrame:
    """Compare fits and posteriors of the same data in one table.

    Parameters
    ----------
    models : mapping of name to Fit or Posterior, or a Selection
        What to compare; of a Selection, its cells that have an estimate.

    Returns
    -------
    DataFrame
        One row per model, in the order given, NaN where a criterion is not defined: information
        criteria belong to a maximum, elpd_loo, r-hat and ESS to draws.
        `.attrs["columns"]` says what every column means and which way is better.

    Raises
    ------
    TypeError
        Something that is neither a Fit nor a Posterior.
    ValueError
        Nothing to compare, or models of different data.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fits = {f"K={k}": bayesgmm.fit(X, k, random_seed=1) for k in (1, 2)}
    >>> bayesgmm.compare(fits)[["K", "n_parameters", "bic"]].round(2).values.tolist()
    [[1, 5, 2607.62], [2, 11, 2322.19]]
    """
    import pandas as pd

    if isinstance(models, Selection):
        models = {f"{f.family.name}, K = {f.n_components}": f for f in models.top(len(models.fits))}
    if not models:
        raise ValueError("nothing to compare: pass {name: fit or posterior, ...}.")
    rows = {}
    for name, model in models.items():
        if isinstance(model, Posterior):
            rows[name] = _posterior_row(model)
        elif isinstance(model, Fit):
            rows[name] = _fit_row(model)
        else:
            raise TypeError(
                f"{name!r} is a {type(model).__name__}: compare() takes Fit and Posterior objects."
            )
    _refuse_different_data(models)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS))
    for column in _COUNTS:
        table[column] = table[column].astype("Int64")
    table.index.name = "model"
    table.attrs["columns"] = dict(COLUMNS)
    return table


def _fit_row(fit: Fit) -> list[Any]:
    values = {
        "method": "EM, MAP" if fit.prior is not None else "EM, ML",
        "family": fit.family.name,
        "K": fit.n_components,
        "n_parameters": fit.n_parameters,
        "loglik": fit.loglik,
        "aic": fit.aic,
        "bic": fit.bic,
        "icl": fit.icl,
        "entropy": fit.entropy,
        "status": fit.status.value,
    }
    return [values.get(column, np.nan) for column in COLUMNS]


def _posterior_row(posterior: Posterior) -> list[Any]:
    fit, diagnostics, loo = posterior.fit, posterior.diagnostics, posterior.loo()
    khat = loo.pareto_k.to_numpy()
    values = {
        "method": f"PyMC ({posterior.tree.attrs['sampler']})",
        "family": fit.family.name,
        "K": fit.n_components,
        "n_parameters": fit.n_parameters,
        "loglik": posterior.mean_loglik,
        "elpd_loo": loo.elpd,
        "elpd_se": loo.se,
        "p_loo": loo.p,
        "pareto_k_max": float(khat.max()),
        "pareto_k_bad": int(np.sum(khat > loo.good_k)),
        "r_hat": max(diagnostics.rhat, diagnostics.rhat_invariant),
        "ess_bulk": diagnostics.ess_bulk,
        "ess_tail": diagnostics.ess_tail,
        "divergences": np.nan if diagnostics.divergences is None else diagnostics.divergences,
        "label_moves": posterior.relabelled_draws,
        "status": "; ".join(diagnostics.problems) or "converged",
    }
    return [values.get(column, np.nan) for column in COLUMNS]


def _refuse_different_data(models: Mapping[str, Fit | Posterior]) -> None:
    """A criterion compares models of the same rows and columns only."""
    seen: dict[tuple[float, tuple[str, ...]], str] = {}
    for name, model in models.items():
        fit = model.fit if isinstance(model, Posterior) else model
        seen.setdefault((fit.n, fit.names), name)
    if len(seen) > 1:
        (first, a), (second, b) = list(seen.items())[:2]
        raise ValueError(
            f"{a!r} was fitted to {first[0]} rows of {', '.join(first[1])}, {b!r} to {second[0]} "
            f"rows of {', '.join(second[1])}: criteria compare models of the same data only."
        )
