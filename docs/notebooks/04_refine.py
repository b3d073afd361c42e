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
# # From an EM fit to its posterior
#
# Old Faithful erupts for two to five minutes, and the wait for the next eruption is longer after a
# long one. How many kinds of eruption are there, what are they like, and how sure can we be? We
# fit Gaussian mixtures by EM, choose one, refine it with PyMC, and compare.

# %%
import tempfile
from pathlib import Path

import arviz as az
import numpy as np

import bayesgmm
from bayesgmm import plots

X = bayesgmm.datasets.load_faithful()
print(X.attrs["units"])
X.head()

# %% [markdown]
# ## Point estimates
#
# `fit` tries some thirty starts for a few iterations, runs EM from the best of them to the end, and
# keeps the best result. It says how it ended and how many found the same optimum: with many
# components, few do, and that is worth knowing.

# %%
fit = bayesgmm.fit(X, n_components=2, random_seed=1)
fit

# %%
plots.plot_classification(X, fit)

# %% [markdown]
# Larger points are less certain. The responsibilities say how much each row belongs to each
# component; here almost every row is certain.

# %%
responsibilities = fit.predict_proba(X)
print(f"rows certain to 99 %: {np.mean(responsibilities.max(axis=1) > 0.99):.0%}")

# %% [markdown]
# ## How many components, of which shape?
#
# `select` fits all fourteen families of covariances with every number of components. Lower BIC is
# better.

# %%
selection = bayesgmm.select(X, range(1, 7), random_seed=1, progressbar=False)
selection

# %%
plots.plot_bic(selection)

# %% [markdown]
# BIC prefers three components with one common covariance (EEE). Two components are six behind if
# their axes are common (VVE), and eight if their covariances are their own (VVV). ICL, which asks
# for well separated groups, prefers two: the third component splits the long eruptions in two that
# overlap. We keep the two of VVV, and come back to it.
#
# ## The posterior
#
# The same mixture as a PyMC model: the allocations of rows to components are summed out, so NUTS
# samples only the proportions, means and covariances. The prior is weakly informative, from the
# ranges of the columns.

# %%
prior = bayesgmm.Prior.from_data(X)
prior

# %%
posterior = bayesgmm.refine(X, fit, prior=prior, random_seed=1, progressbar=False)
posterior

# %% [markdown]
# The component labels of a mixture are arbitrary, and chains may exchange them. Every draw is
# matched to the EM fit, and what had to be changed is counted: nothing, here. `posterior.tree` is
# an ArviZ `DataTree`:

# %%
az.summary(posterior.tree, var_names=["pi", "mu"])

# %%
plots.plot_posterior(posterior)

# %% [markdown]
# Dots and bars are posterior means and 89 % intervals; the crosses are the EM estimates. With 272
# rows and well separated groups, EM is close to the posterior mean, and now we know how close.
#
# ## Which rows are uncertain?
#
# The posterior mean of the responsibilities includes the uncertainty of the parameters, which EM's
# do not.

# %%
averaged = posterior.predict_proba()
order = np.argsort(averaged.max(axis=1))[:5]
X.iloc[order].assign(
    em=responsibilities[order].max(axis=1).round(3),
    posterior=averaged[order].max(axis=1).round(3),
)

# %% [markdown]
# ## Two or three?
#
# Leave-one-out cross-validation compares the posteriors by how well they predict rows they have not
# seen.

# %%
best = selection.best
three = bayesgmm.refine(X, best, prior=prior, random_seed=1, progressbar=False)
table = bayesgmm.compare(
    {"EM, 2": fit, "EM, 3": best, "posterior, 2": posterior, "posterior, 3": three}
)
table[["method", "family", "K", "n_parameters", "bic", "icl", "elpd_loo", "elpd_se", "r_hat"]]

# %%
az.compare({"two": posterior.loo(), "three": three.loo()})

# %% [markdown]
# Three components predict a little better, by less than two standard errors of the difference. Two
# kinds of eruption are beyond doubt; whether the long ones are of one kind or of two, these data do
# not settle.
#
# Keep the posterior, with its fit and prior, for later:

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "faithful.nc"
    posterior.save(path)
    again = bayesgmm.Posterior.load(path)
print(again.fit.bic == posterior.fit.bic)

# %% [markdown]
# More on two or three: [choosing K](05_choosing_k.ipynb). What a posterior can be asked:
# [from a fit to its posterior](../howto/posterior.md).
