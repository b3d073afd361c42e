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
# # Label switching made visible
#
# A mixture is a sum, and a sum has no order: component 0 and component 1 can change places and
# nothing that can be observed changes. So its posterior has $K!$ copies, and a chain may walk
# from one to another. This notebook shows what that looks like, and what is done about it.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import bayesgmm

X = bayesgmm.datasets.load_galaxies() / 1000
X.columns = ["velocity"]  # 1000 km/s
prior = bayesgmm.Prior.univariate(mean=20, variance=100, shape=3, scale=20)
fit = bayesgmm.fit(X, 4, "V", prior=prior, random_seed=1)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
    posterior = bayesgmm.refine(X, fit, random_seed=1, progressbar=False)
fit.to_frame().round(2)

# %% [markdown]
# Four components for 82 galaxies are one too many, or hardly needed. Two of them overlap, and
# that is where labels change places.
#
# ## Before
#
# `refine` relabels every draw, and keeps how: `relabelling.permutations` names, for every draw,
# which of the sampler's components became component 0, 1, and so on. Turned around, it gives what
# the sampler drew.

# %%
relabelled = posterior.tree["posterior"]["mu"].to_numpy()[..., 0]  # chain, draw, component
permutations = posterior.relabelling.permutations.reshape(relabelled.shape)
raw = np.empty_like(relabelled)
np.put_along_axis(raw, permutations, relabelled, axis=-1)

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def trace(means, title):
    """Draw the means of all chains, one after another, and their distributions."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(10, 3.2), sharey=True, width_ratios=(3, 1), layout="constrained"
    )
    for k, colour in enumerate(COLOURS):
        values = means[..., k].ravel()
        left.plot(values, ".", ms=1.5, color=colour, label=f"component {k}")
        right.hist(values, bins=80, orientation="horizontal", color=colour, alpha=0.6)
    left.set(xlabel="draw, chains one after another", ylabel="mean, 1000 km/s", title=title)
    left.legend(loc="upper right", markerscale=6, ncols=4, fontsize="small")
    right.set(xlabel="draws")
    plt.show()


trace(raw, "As sampled")
print("mean of each component:", raw.mean(axis=(0, 1)).round(1))

# %% [markdown]
# You should see colours that change places. A component is near 10 for a while, then near 20: its
# average is the mean of nothing in particular. This is no failure of the sampler. It went round
# the copies of the posterior, as it may.
#
# ## After
#
# Every draw is matched to the EM fit: of all $4! = 24$ orders the one in which the rows are
# allocated most as in the fit (ECR).

# %%
trace(relabelled, "Relabelled to the EM fit")
print("mean of each component:", relabelled.mean(axis=(0, 1)).round(1))
done = posterior.relabelling
print(f"{done.relabelled_draws} draws relabelled, {done.ambiguous_draws} form no permutation")

# %% [markdown]
# Now each colour has a place. Not all is well, though: draws that *form no permutation* have two
# of their components nearest to one and the same component of the fit. No rule can say which of
# the two is which, and many of these are a sign of a $K$ that is too large.
#
# ## Other rules
#
# Six other rules work on the same draws. Where components are apart, all agree. Where they
# overlap, they do not, and then the means of single components are not to be relied on. Watch
# "ordering": it orders by the proportions by default, and two of these are nearly equal
# here, so it mixes components that have nothing to do with each other.

# %%
for method in ("ecr", "ecr-iterative-1", "stephens", "pra", "ordering"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
        mu = posterior.relabel(method).tree["posterior"]["mu"].mean(("chain", "draw"))
    print(f"{method:>16}: {mu.to_numpy().ravel().round(1)}")

# %% [markdown]
# ## What needs no labels
#
# The density is the same however the components are numbered. So are predictions, the
# co-clustering of rows, LOO and the evidence. If the labels are ambiguous, use these instead.

# %%
grid = np.linspace(5, 38, 300)
density = posterior.density({"velocity": grid}, n_draws=400)
fig, ax = plt.subplots(figsize=(7, 3.2))
ax.hist(X["velocity"], bins=40, density=True, color="0.85")
ax.fill_between(grid, density["lower"], density["upper"], color="#0072B2", alpha=0.3, lw=0)
ax.plot(grid, density["mean"], color="#0072B2")
ax.set(xlabel="velocity, 1000 km/s", ylabel="density, with its 89 % interval")
plt.show()

# %%
order = np.argsort(X["velocity"].to_numpy())
together = posterior.coclustering(X.iloc[order], n_draws=500)
fig, ax = plt.subplots(figsize=(4.6, 4), layout="constrained")
image = ax.imshow(together, vmin=0, vmax=1, cmap="viridis")
ax.set(xlabel="galaxies, by velocity", ylabel="galaxies, by velocity")
fig.colorbar(image, label="probability of the same component")
plt.show()

# %% [markdown]
# The seven slow galaxies and the three fast ones are each together for sure. In between the
# boundary is soft.
#
# ## Labels are not modes
#
# Chains may also stay in regions that differ *whatever* the labels. That is no matter of
# numbering: such chains have not explored the posterior, and averages over them mean nothing.
# `chain_modes` looks for it after relabelling, and whoever averages is warned.

# %%
print(posterior.chain_modes)
