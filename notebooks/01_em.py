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
# # EM in ten minutes
#
# Old Faithful erupts for two to five minutes, and then one waits for an hour, more or less. The
# points below make two clouds. Nobody recorded which eruption belongs to which cloud. A Gaussian
# mixture says: each row comes from one of $K$ Gaussians, the $k$-th with probability $\pi_k$,
#
# $$p(x) = \sum_k \pi_k\, N(x \mid \mu_k, \Sigma_k),$$
#
# and EM finds the $\pi$, $\mu$ and $\Sigma$ that make the data most probable.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import multivariate_normal

import bayesgmm

X = bayesgmm.datasets.load_faithful()
x = X.to_numpy()
units = X.attrs["units"]

fig, ax = plt.subplots(figsize=(6, 4))
ax.scatter(*x.T, s=12, color="0.4")
ax.set(xlabel=f"eruptions, {units['eruptions']}", ylabel=f"waiting, {units['waiting']}")
plt.show()

# %% [markdown]
# ## Two steps, by hand
#
# If we knew the Gaussians, we could say for every row how probable each of them is: the
# *responsibilities*, the **E-step**. If we knew the responsibilities, we could say what the
# Gaussians are: means and covariances in which every row counts by its responsibility, the
# **M-step**. EM guesses, and then takes turns.


# %%
def e_step(weights, means, covariances):
    """Return the responsibilities (n, K) and the log-likelihood."""
    densities = [multivariate_normal(m, c).pdf(x) for m, c in zip(means, covariances, strict=True)]
    joint = weights * np.column_stack(densities)
    return joint / joint.sum(axis=1, keepdims=True), np.log(joint.sum(axis=1)).sum()


def m_step(r):
    """Return proportions (K,), means (K, d) and covariances (K, d, d) of rows that count by r."""
    counts = r.sum(axis=0)
    means = r.T @ x / counts[:, None]
    deltas = x[None] - means[:, None]
    scatters = np.einsum("ik,kij,kil->kjl", r, deltas, deltas)
    return counts / len(x), means, scatters / counts[:, None, None]


# %% [markdown]
# We start badly on purpose: two Gaussians side by side between the clouds, each as wide as all
# the data.

# %%
parameters = np.full(2, 0.5), np.array([[3.0, 70.0], [4.0, 70.0]]), np.array([np.cov(x.T)] * 2)
path, logliks = [parameters], []
for _ in range(30):
    r, loglik = e_step(*parameters)
    logliks.append(loglik)
    parameters = m_step(r)
    path.append(parameters)


# %%
def draw(ax, parameters):
    """Rows coloured by responsibility, and the ellipses that hold 90 % of each Gaussian."""
    r, _ = e_step(*parameters)
    ax.scatter(*x.T, s=8, c=r[:, 0], cmap="viridis", vmin=0, vmax=1)
    circle = np.array([np.cos(t := np.linspace(0, 2 * np.pi, 100)), np.sin(t)])
    for mean, covariance in zip(*parameters[1:], strict=True):
        ellipse = mean[:, None] + np.sqrt(4.605) * np.linalg.cholesky(covariance) @ circle
        ax.plot(*ellipse, color="black", lw=1.5)


fig, axes = plt.subplots(1, 4, figsize=(11, 3), sharex=True, sharey=True, layout="constrained")
for ax, iteration in zip(axes, (0, 4, 10, 30), strict=True):
    draw(ax, path[iteration])
    ax.set(title=f"after {iteration} iterations", xlabel="eruptions, min")
axes[0].set_ylabel("waiting, min")
plt.show()

# %% [markdown]
# You should see two ellipses that are hardly different at first find one cloud each. On the way
# the log-likelihood never falls, which is EM's property. For some iterations it hardly rises
# either: a rule that stops at a small gain may stop there, far from the maximum.

# %%
fig, ax = plt.subplots(figsize=(6, 3))
ax.plot(logliks, marker=".")
ax.set(xlabel="iteration", ylabel="log-likelihood")
print(f"{logliks[0]:.3f} -> {logliks[-1]:.3f}; falls: {np.sum(np.diff(logliks) < -1e-9)}")
plt.show()

# %% [markdown]
# ## The same, by the library

# %%
fit = bayesgmm.fit(X, n_components=2, random_seed=1)
fit

# %% [markdown]
# The same maximum, from 31 starts instead of one, in compiled code:

# %%
print(f"{logliks[-1]:.3f} by hand, {fit.loglik:.3f} by fit")
print(np.sort(parameters[0]).round(3), np.sort(fit.weights).round(3))

# %%
fit.plot.classification(X)

# %% [markdown]
# Larger points are less certain. Almost all rows are certain, and the few between the clouds are
# not:

# %%
bayesgmm.classify(X, fit).sort_values("uncertainty", ascending=False).head(3).round(3)

# %% [markdown]
# ## How many?
#
# More components always raise the likelihood. BIC charges for them: lower is better.

# %%
selection = bayesgmm.select(X, range(1, 6), random_seed=1, progressbar=False)
selection.plot.bic()

# %% [markdown]
# BIC's best is three components with one covariance in common (EEE). The third splits the long
# eruptions into two that overlap. Whether that is so, and how sure we can be, is the subject of
# the next tutorials: [from a fit to its posterior](04_refine.ipynb), and [choosing
# K](05_choosing_k.ipynb).

# %%
selection
