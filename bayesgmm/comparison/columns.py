"""The columns of a comparison: what each means, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its part of the table, its meaning, and which way is better.

    digits is how many decimals are shown; None for words and whole numbers.
    """

    label: str
    part: str
    meaning: str
    better: Literal["", "lower", "higher"] = ""
    digits: int | None = None
    whole: bool = False

    @property
    def described(self) -> dict[str, str]:
        """Label, meaning and direction for `DataFrame.attrs`, plain so that they can be saved."""
        return {"label": self.label, "meaning": self.meaning, "better": self.better}


MODELS = "Models and information criteria"
PREDICTION = "Prediction: leave-one-out"
EVIDENCE = "Evidence"
CHAINS = "Chains"

COLUMNS = {
    "method": Column(
        "method", MODELS, "EM: ML (maximum likelihood) or MAP; or the sampler of a posterior"
    ),
    "family": Column("family", MODELS, "covariance family"),
    "K": Column("K", MODELS, "number of components", whole=True),
    "n_parameters": Column(
        "parameters", MODELS, "free parameters: proportions, means, covariances", whole=True
    ),
    "loglik": Column(
        "loglik", MODELS, "log-likelihood: at a fit's estimates, mean over a posterior's draws",
        "higher", 2,
    ),
    "aic": Column("AIC", MODELS, "-2 loglik + 2 n_parameters of a fit", "lower", 2),
    "bic": Column(
        "BIC", MODELS, "-2 loglik + n_parameters log n of a fit (mclust reports -BIC)", "lower", 2
    ),
    "bic_diff": Column("BIC diff", MODELS, "bic less the lowest bic of a fit", "lower", 2),
    "icl": Column("ICL", MODELS, "bic - 2 sum_i log max_k r_ik of a fit", "lower", 2),
    "entropy": Column(
        "entropy", MODELS,
        "-sum_ik r_ik log r_ik of a fit: 0 when every row's component is certain", "lower", 2,
    ),
    "cv_loglik": Column(
        "CV loglik", MODELS, "cross-validated log-likelihood per row of a fit", "higher", 4
    ),
    "cv_se": Column("CV se", MODELS, "standard error of cv_loglik", "", 4),
    "elpd_loo": Column(
        "elpd LOO", PREDICTION,
        "expected log predictive density by PSIS-LOO of a posterior", "higher", 2,
    ),
    "elpd_se": Column("elpd se", PREDICTION, "standard error of elpd_loo", "", 2),
    "elpd_mcse": Column(
        "elpd mcse", PREDICTION, "Monte Carlo standard error of elpd_loo: of other draws", "", 2
    ),
    "elpd_diff": Column(
        "elpd diff", PREDICTION, "elpd_loo less the highest one: 0 for the best", "higher", 2
    ),
    "elpd_diff_se": Column(
        "diff se", PREDICTION, "standard error of elpd_diff, from paired rows", "", 2
    ),
    "p_loo": Column("p LOO", PREDICTION, "effective number of parameters by PSIS-LOO", "", 1),
    "pareto_k_max": Column(
        "max Pareto k", PREDICTION, "largest Pareto k of PSIS-LOO", "lower", 2
    ),
    "pareto_k_bad": Column(
        "k above limit", PREDICTION,
        "rows whose Pareto k is above the limit min(0.7, 1 - 1 / log10 draws): with any, elpd_loo "
        "may be wrong", "lower", whole=True,
    ),
    "weight": Column(
        "weight", PREDICTION,
        "stacking weight: share in the mixture of the posteriors that predicts best", "higher", 3,
    ),
    "log_evidence": Column(
        "log evidence", EVIDENCE, "log marginal likelihood under the prior", "higher", 3
    ),
    "evidence_error": Column(
        "evidence se", EVIDENCE, "Monte Carlo standard error of log_evidence", "", 3
    ),
    "probability": Column(
        "p(model | data)", EVIDENCE,
        "probability of the model, from the evidences and equal prior probabilities", "higher", 3,
    ),
    "probability_low": Column(
        "low", EVIDENCE, "lower end of an 89 % interval for the Monte Carlo error of probability",
        "", 3,
    ),
    "probability_high": Column("high", EVIDENCE, "its upper end", "", 3),
    "k_probability": Column(
        "p(K | data)", EVIDENCE,
        "probability of this K in this family, where K was sampled (sample_components)", "higher",
        3,
    ),
    "r_hat": Column(
        "r-hat", CHAINS,
        "largest r-hat of relabelled and label-invariant quantities; at most 1.01 is good",
        "lower", 3,
    ),
    "ess_bulk": Column(
        "ESS bulk", CHAINS,
        "smallest bulk effective sample size; at least 100 per chain is good", "higher", 0,
    ),
    "ess_tail": Column(
        "ESS tail", CHAINS,
        "smallest tail effective sample size; at least 100 per chain is good", "higher", 0,
    ),
    "divergences": Column(
        "divergences", CHAINS, "divergent transitions; 0 is good", "lower", whole=True
    ),
    "treedepth_hits": Column(
        "max depth", CHAINS, "draws at the maximum tree depth; 0 is good", "lower", whole=True
    ),
    "label_moves": Column(
        "relabelled", CHAINS, "draws relabelled to match the EM fit", "", whole=True
    ),
    "status": Column("status", "", "how EM ended, or what is wrong with the chains"),
    "verdict": Column("verdict", "", "what the figures mean for this model, in words"),
}  # fmt: skip
PARTS = (MODELS, PREDICTION, EVIDENCE, CHAINS)
