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
# # From mclust
#
# The same fourteen families with the same names, the same starts, and most of the same functions.
# This notebook puts what you would write in R beside what you write here. R's numbers are those
# of mclust 6.0.0 under R 4.2.2, typed in as text.

# %%
import bayesgmm

X = bayesgmm.datasets.load_faithful()

# %% [markdown]
# ## `Mclust(faithful)`
#
# ```
# Mclust EEE (ellipsoidal, equal volume, shape and orientation) model with 3 components:
#  log-likelihood   n df       BIC       ICL
#       -1126.326 272 11 -2314.316 -2357.824
# ```

# %%
selection = bayesgmm.select(X, random_seed=1, progressbar=False)
best = selection.best
best

# %% [markdown]
# The same family and K. **The sign of BIC and ICL is the other one**: here lower is better, as in
# scikit-learn. The log-likelihood is higher by 0.01, because mclust stops when the last relative
# gain is below 1e-5, and this library when 1e-8 per row is left to gain:

# %%
loose = bayesgmm.fit(X, 3, "EEE", start="hc", tol=1e-4, accelerate=False)
print(f"{-loose.bic:.2f} when stopped early, {-best.bic:.2f} in the end, in mclust's sign")

# %% [markdown]
# ## `mclustBIC`, `mclustICL`, `pickBIC`

# %%
selection.grid("bic").loc[1:3, ["EEE", "VVV", "VVE"]].round(3)

# %%
selection.grid("icl").loc[1:3, ["EEE", "VVV", "VVE"]].round(3)

# %% [markdown]
# R says for `mclustICL(faithful)[1:3, c("EEE", "VVV", "VVE")]`
#
# ```
#         EEE       VVV       VVE
# 1 -2607.623 -2607.623 -2607.623
# 2 -2326.710 -2322.697 -2320.763
# 3 -2357.824 -2385.244 -2427.038
# ```
#
# You should see the same numbers without the sign where both found the same maximum. For K = 3
# they differ in the second digit behind the point or more: mclust has one start, this library
# many. VVE differs for another reason: mclust's M-step for it is not the maximum (Common axes, in
# the mathematics).
#
# `pickBIC` is `top`:

# %%
[(f"{f.family.name},{f.n_components}", round(f.bic, 3)) for f in selection.top(3)]

# %%
selection.plot.bic()

# %% [markdown]
# ## `m$classification`, `m$uncertainty`, `m$z`, `m$parameters`

# %%
bayesgmm.classify(X, best, responsibilities=True).head().round(4)

# %%
best.to_frame().round(3)

# %% [markdown]
# ## `hc`, and `me` from a partition
#
# `start="hc"` is mclust's start and nothing else. A partition of yours, or responsibilities, are
# a start as well.

# %%
iris = bayesgmm.datasets.load_iris()
flowers = iris.drop(columns="species")
classes = iris["species"].astype("category").cat.codes
a = bayesgmm.fit(flowers, 3, "VEV", start="hc")
b = bayesgmm.fit(flowers, 3, "VEV", start=classes)
print(f"{a.loglik:.3f} from hc, {b.loglik:.3f} from the species")

# %% [markdown]
# ## `adjustedRandIndex`, `classError`

# %%
bayesgmm.agreement(a.predict(flowers), iris["species"])

# %% [markdown]
# ## `mclustBootstrapLRT(faithful, "EEE", maxG = 2, nboot = 99)`
#
# ```
#               LRTS bootstrap p-value
# 1 vs 2   299.21997              0.01
# 2 vs 3    27.72105              0.01
# ```

# %%
test = bayesgmm.bootstrap_lrt(
    X, "EEE", max_components=3, n_boot=99, random_seed=1, progressbar=False
)
test.table[["K0", "K1", "statistic", "p_value"]]

# %% [markdown]
# ## `MclustBootstrap`
#
# `type = "bs"` is `method="bootstrap"`, `"wlbs"` is `"weighted"`, `"pb"` is `"parametric"`. Here
# is one more, without resampling: the curvature of the likelihood.

# %%
two = bayesgmm.fit(X, 2, random_seed=1)
bootstrap = bayesgmm.standard_errors(X, two, n_boot=199, random_seed=1, progressbar=False)
curvature = bayesgmm.standard_errors(X, two, method="information")
table = bootstrap.to_frame().head(6)
table.assign(information=curvature.to_frame()["se"].head(6)).round(3)

# %% [markdown]
# ## `clustCombi`

# %%
merging = bayesgmm.merge(X, best)
merging.table.round(3)

# %%
merging.plot.merging()

# %% [markdown]
# Two clusters: the third component had split one. mclust stops here; the next step is
# the posterior of any of these fits: [from an EM fit to its posterior](04_refine.ipynb).
