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
# fit Gaussian mixtures by EM, choose some, sample their posteriors, and compare.

# %%
import tempfile
import time
from pathlib import Path

import arviz as az
import numpy as np

import bayesgmm

X = bayesgmm.datasets.load_faithful()
print(X.attrs["units"])
X.head()

# %% [markdown]
# ## Point estimates
#
# `fit` tries some thirty starts for a few iterations, runs EM from the best of them to
# convergence, and keeps the best result. It says how it ended and how many found the same optimum:
# with many components, few do, and that is worth knowing.

# %%
fit = bayesgmm.fit(X, n_components=2, random_seed=1)
fit

# %%
fit.plot.classification(X)

# %% [markdown]
# Larger points are less certain. The responsibilities say how much each row belongs to each
# component; here almost every row is certain.

# %%
responsibilities = fit.predict_proba(X)
print(f"rows certain to 99 %: {np.mean(responsibilities.max(axis=1) > 0.99):.0%}")

# %% [markdown]
# ## Number of components and covariance structure
#
# `select` fits all fourteen families of covariances with every number of components. Lower BIC is
# better.

# %%
selection = bayesgmm.select(X, range(1, 7), random_seed=1, progressbar=False)
selection

# %%
selection.plot.bic()

# %% [markdown]
# BIC prefers three components with one common covariance (EEE). Two components are six behind if
# their axes are common (VVE), and eight if their covariances are their own (VVV). ICL, which asks
# for well separated groups, prefers two: the third component splits the long eruptions in two that
# overlap. We keep the two of VVV, and come back to it.
#
# ## The posterior
#
# The allocations of rows to components are summed out, so NUTS samples only the proportions,
# means and covariances. The prior is weakly informative, from the ranges of the columns.

# %%
prior = bayesgmm.Prior.from_data(X)
prior

# %%
posterior = bayesgmm.refine(X, fit, prior=prior, random_seed=1, progressbar=False)
posterior

# %% [markdown]
# The chains started near the posterior's mode next to the fit, in coordinates in which
# the posterior is nearly spherical there. That is why little warm-up is needed, and nothing was
# compiled for this model (`bayesgmm.build_model` gives the same posterior as a PyMC model to edit).
#
# The component labels of a mixture are arbitrary, and chains may exchange them. Every draw is
# matched to the EM fit, and what had to be changed is counted: nothing, here. `posterior.tree` is
# an ArviZ `DataTree`:

# %%
az.summary(posterior.tree, var_names=["pi", "mu"])

# %%
posterior.plot.posterior()

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
# Each family has a posterior. Here are those of BIC's best (EEE, three components) and of ICL's
# best (VVE: two components with axes in common, of volumes and shapes of their own).

# %%
fits = {"VVV, 2": fit, "VVE, 2": selection.top(1, "icl")[0], "EEE, 3": selection.best}
posteriors = {"VVV, 2": posterior}
for name in ("VVE, 2", "EEE, 3"):
    started = time.perf_counter()
    posteriors[name] = bayesgmm.refine(X, fits[name], prior=prior, random_seed=1, progressbar=False)
    print(f"{name}: {time.perf_counter() - started:.1f} s")

# %% [markdown]
# Leave-one-out compares the posteriors by how well they predict rows they have not seen. One table
# has the fits and the posteriors, and says in words what its figures say:

# %%
models = {f"EM: {name}": f for name, f in fits.items()}
models |= {f"posterior: {name}": p for name, p in posteriors.items()}
table = bayesgmm.compare(models)
table

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
# [from a fit to its posterior](../docs/howto/posterior.md).
