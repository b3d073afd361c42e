# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Choosing K: BIC, ICL, LOO and the evidence
#
# The velocities of 82 galaxies, a data set on which many papers have disagreed. Galaxies come in
# clusters, and a cluster is a bump in the velocities. How many bumps are there?

# %%
import warnings
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

import bayesgmm

X = bayesgmm.datasets.load_galaxies() / 1000
X.columns = ["velocity"]  # 1000 km/s

fig, ax = plt.subplots(figsize=(7, 3))
ax.hist(X["velocity"], bins=40, color="0.6")
ax.set(xlabel="velocity, 1000 km/s", ylabel="galaxies")
plt.show()

# %% [markdown]
# ## Point estimates: BIC and ICL
#
# With one column there are two families: E, one variance for all components, and V, a variance
# each. Lower is better for both criteria. BIC looks for a good density, ICL for groups that are
# apart.

# %%
selection = bayesgmm.select(X, range(1, 8), random_seed=1, progressbar=False)
selection.plot.bic()

# %%
table = selection.table[["family", "K", "n_parameters", "bic", "delta_bic", "icl"]]
table.head(5).round(1)

# %% [markdown]
# Both take three components with variances of their own. But four are behind by less than 2 in
# BIC, which is no difference, and E with six by 5.

# %%
selection.best.plot.density(X)

# %% [markdown]
# ## Posteriors
#
# A prior, the same for every K: means around 20 with a standard deviation of 10, variances around
# 10. Then the posteriors of two to five components. (With four and more the chains exchange
# labels: the next notebook is about that. What follows does not depend on labels.)

# %%
prior = bayesgmm.Prior.univariate(mean=20, variance=100, shape=3, scale=20)
posteriors = {}
for k in (2, 3, 4, 5):
    fit = bayesgmm.fit(X, k, "V", prior=prior, random_seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
        posteriors[f"K = {k}"] = bayesgmm.refine(X, fit, random_seed=1, progressbar=False)
for name, posterior in posteriors.items():
    print(name, posterior.diagnostics.problems or "no problems found")

# %% [markdown]
# ## LOO: which predicts best?
#
# How well would each predict a galaxy that it has not seen? `elpd` is the sum of the log
# densities of the left-out rows, higher is better; `elpd_diff` the difference to the best, with
# its standard error. `compare` takes the grid, the posteriors, and on request the evidences, and
# makes one table of all; here is a part of it:

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
    table = bayesgmm.compare(
        {"grid": selection, **posteriors}, evidence="importance", random_seed=1
    )
names = list(posteriors)
table.loc[names, ["elpd_loo", "elpd_se", "elpd_diff", "elpd_diff_se", "weight"]].round(2)

# %% [markdown]
# Two components predict worse. Three, four and five differ by half a unit. That is small, whatever
# its standard error: below about 4 units neither is to be relied on (Sivula, Magnusson, Matamoros
# & Vehtari, arXiv:2008.10296). LOO does not choose between them.
#
# ## The evidence: how probable is each?
#
# The probability of the data under each model, parameters integrated out. The log evidences of
# three, four and five differ by a few tenths, which makes them about equally probable. The Monte
# Carlo errors are much smaller: longer chains would not decide it.

# %%
columns = ["log_evidence", "evidence_error", "probability", "probability_low", "probability_high"]
table.loc[names, columns].round(3)

# %% [markdown]
# The evidence depends on the prior, as nothing above does. A wider prior of the means charges
# more for each further component. Whoever reports it must report the prior.
#
# ## What to say
#
# The table says it in words:

# %%
print(fill(table.conclusion, 88))
for name in names:
    print(fill(f"{name}: {table.loc[name, 'verdict']}", 88))

# %% [markdown]
# | question | answer |
# |---|---|
# | are there two? | no: every criterion says more |
# | three, four or five? | BIC and ICL three; LOO and the evidence cannot tell |
#
# So: at least three bumps, and the data do not settle a fourth. That is a result. The densities
# show why: from three on they are nearly the same curve.

# %%
grid = np.linspace(5, 38, 400)
fig, ax = plt.subplots(figsize=(7, 3.5))
ax.hist(X["velocity"], bins=40, density=True, color="0.85")
for (name, posterior), style in zip(posteriors.items(), ("-", "--", ":", "-."), strict=True):
    density = posterior.density({"velocity": grid}, n_draws=400)
    ax.plot(grid, density["mean"], style, color="black", label=name)
ax.set(xlabel="velocity, 1000 km/s", ylabel="density")
ax.legend()
plt.show()
