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
# # Bayesian refinement of your own model
#
# `bayesgmm.pymc.GaussianMixture` is the mixture as a distribution of PyMC, and `refine(X, fit,
# model=)` takes any model that holds it: chains start at the EM fit, in coordinates whitened at
# the model's own mode, and what comes back is a `Posterior`. Nine models that no mixture package
# has, each a few lines:
#
# | | |
# |---|---|
# | 1 | proportions by group |
# | 2 | proportions by a covariate (a mixture of experts) |
# | 3 | a regression in every component |
# | 4 | a distribution that the means come from |
# | 5 | one component that is known |
# | 6 | two tables with the same components |
# | 7 | LKJ instead of the inverse Wishart |
# | 8 | rows that belong nowhere |
# | 9 | proportions that change with time |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm
from bayesgmm.pymc import GaussianMixture, lkj_covariances

penguins = bayesgmm.datasets.load_penguins()
bills = penguins[["bill_length_mm", "bill_depth_mm"]]
eruptions = bayesgmm.datasets.load_faithful()
three = bayesgmm.fit(bills, 3, random_seed=1)
two = bayesgmm.fit(eruptions, 2, random_seed=1)
COLOURS = ("#0072B2", "#D55E00", "#009E73")


def refined(X, fit, model, **options):
    """Sample a model, quietly, and say what became of the labels."""
    posterior = bayesgmm.refine(X, fit, model=model, random_seed=1, progressbar=False, **options)
    print("labels:", posterior.relabelling.in_words)
    return posterior


def shared(x, k):
    """Give all rows the same means and covariances: what most of the models begin with."""
    x = np.asarray(x)
    mu = pm.Normal("centre", x.mean(axis=0), 2 * x.std(axis=0), shape=(k, x.shape[1]))
    sd = pm.HalfNormal("sd", x.std(axis=0), shape=(k, x.shape[1]))
    return mu, lkj_covariances("chol", 2.0, sd)


def draws(posterior, name):
    """All draws of a variable, one after another."""
    return (
        posterior.tree["posterior"][name].stack(s=("chain", "draw")).transpose("s", ...).to_numpy()
    )


# %% [markdown]
# ## 1. Proportions by group
#
# Penguins of three islands. What a component is like does not depend on the island, how many
# penguins belong to it does: `w` has a row for each island, and `w[island]` one for each penguin.

# %%
island = penguins["island"].astype("category")
with pm.Model() as by_group:
    w = pm.Dirichlet("w", np.ones(3), shape=(3, 3))
    mu, chol = shared(bills, 3)
    GaussianMixture("y", w[island.cat.codes.to_numpy()], mu, chol=chol, observed=bills.to_numpy())
posterior = refined(bills, three, by_group)

fig, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
for k, colour in enumerate(COLOURS):
    low, middle, high = np.quantile(draws(posterior, "w")[:, :, k], [0.055, 0.5, 0.945], axis=0)
    at = np.arange(3) + 0.15 * (k - 1)
    ax.errorbar(
        at, middle, [middle - low, high - middle], fmt="o", color=colour, label=f"component {k}"
    )
ax.set(xticks=range(3), ylabel="proportion, 89 % interval")
ax.set_xticklabels(island.cat.categories)
ax.legend()
plt.show()
print(
    penguins.groupby(posterior.predict_proba().argmax(axis=1))["species"].value_counts().unstack()
)

# %% [markdown]
# `refine` has found that the components may change places in this model (nothing in it tells them
# apart), and relabelled the draws to the fit. Two components live on one island each. Nobody told
# the model about species.
#
# ## 2. Proportions by a covariate
#
# The rows of Old Faithful are in the order of time. Is an eruption long because the one before
# was short? The proportions are a softmax of the duration before.

# %%
x, before = eruptions.iloc[1:], eruptions["eruptions"].to_numpy()[:-1]
fit = bayesgmm.fit(x, 2, random_seed=1)
z = (before - before.mean()) / before.std()
with pm.Model() as experts:
    level, slope = pm.Normal("level", 0, 2, shape=2), pm.Normal("slope", 0, 2, shape=2)
    mu, chol = shared(x, 2)
    GaussianMixture(
        "y",
        pm.math.softmax(level + slope * z[:, None], axis=1),
        mu,
        chol=chol,
        observed=x.to_numpy(),
    )
posterior = refined(x, fit, experts)

grid = np.linspace(1.5, 5.2, 100)
scaled = (grid - before.mean()) / before.std()
logits = draws(posterior, "level")[:, None] + draws(posterior, "slope")[:, None] * scaled[:, None]
long = int(np.argmax(fit.means[:, 0]))
p = 1 / (1 + np.exp(logits[..., 1 - long] - logits[..., long]))
fig, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
ax.plot(before, x["eruptions"] > 3, "|", color="0.4")
ax.fill_between(grid, *np.quantile(p, [0.055, 0.945], axis=0), color=COLOURS[0], alpha=0.3, lw=0)
ax.plot(grid, p.mean(axis=0), color=COLOURS[0])
ax.set(xlabel="the eruption before, minutes", ylabel="probability of a long one")
plt.show()

# %% [markdown]
# After a long eruption a short one is as likely as not; after a short one it hardly ever comes.
# Compare models by leave-one-out: the rows' own densities are kept with the draws.

# %%
plain = bayesgmm.refine(x, fit, random_seed=1, progressbar=False)
table = bayesgmm.compare({"one proportion": plain, "by the one before": posterior})
print(table[["elpd_loo", "p_loo"]].round(1))

# %% [markdown]
# ## 3. A regression in every component
#
# Heavier penguins have bills that are *less* deep, over all. A line for each component and
# column: `mu` has a row for each penguin, (n, K, d).

# %%
mass = penguins["body_mass_g"].to_numpy() / 1000 - 4.2
with pm.Model() as lines:
    w = pm.Dirichlet("w", np.ones(3))
    level, chol = shared(bills, 3)
    slope = pm.Normal("slope", 0, [5.0, 2.0], shape=(3, 2))
    GaussianMixture(
        "y", w, level + slope * mass[:, None, None], chol=chol, observed=bills.to_numpy()
    )
posterior = refined(bills, three, lines)

depth, own = bills["bill_depth_mm"], posterior.predict_proba()
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for k, colour in enumerate(COLOURS):
    ax.scatter(mass + 4.2, depth, s=30 * own[:, k] ** 2, color=colour, alpha=0.3, lw=0)
    some = draws(posterior, "centre")[::100, k, 1], draws(posterior, "slope")[::100, k, 1]
    for a, b in zip(*some, strict=True):
        ax.axline((4.2, a), slope=b, color=colour, lw=0.4)
overall = np.polyfit(mass + 4.2, depth, 1)
ax.axline((0, overall[1]), slope=overall[0], color="k", ls="--")
ax.set(xlabel="mass, kg", ylabel="depth of the bill, mm", xlim=(2.5, 6.5), ylim=(12.5, 22))
plt.show()
inside = draws(posterior, "slope")[:, :, 1].mean(axis=0)
print(f"slope over all {overall[0]:.2f}, in the components {inside.round(2)}")
print("proportions", draws(posterior, "w").mean(axis=0).round(2))

# %% [markdown]
# In the first two components it is the other way round: Simpson's paradox, found without the
# species. The third reaches from one to the other, which these rows allow as well.
#
# ## 4. A distribution that the means come from
#
# `Prior.from_data` places the means by the range of the data. Here the means of the components
# come from a normal distribution whose middle and width are unknown.

# %%
spread = bills.std().to_numpy()
with pm.Model() as hierarchical:
    middle = pm.Normal("middle", bills.mean().to_numpy(), spread, shape=2)
    width = pm.HalfNormal("width", spread, shape=2)
    mu = pm.Normal("centre", middle, width, shape=(3, 2))
    chol = lkj_covariances("chol", 2.0, pm.HalfNormal("sd", spread, shape=(3, 2)))
    GaussianMixture("y", pm.Dirichlet("w", np.ones(3)), mu, chol=chol, observed=bills.to_numpy())
posterior = refined(bills, three, hierarchical, target_accept=0.95)
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(*bills.to_numpy().T, ".", color="0.75")
for k, colour in enumerate(COLOURS):
    ax.plot(*draws(posterior, "mu")[::10, k].T, ".", ms=2, color=colour)
ax.plot(*draws(posterior, "middle")[::10].T, "k.", ms=1, alpha=0.4)
ax.set(xlabel="bill length, mm", ylabel="bill depth, mm", title="means, and the middle (black)")
plt.show()
posterior.summary(var_names=["middle", "width"])[["mean", "sd", "r_hat"]]

# %% [markdown]
# ## 5. One component that is known
#
# Short eruptions have been studied: 2.0 ± 0.05 minutes, then a wait of 55 ± 2. The others are
# longer, by what has to be positive. The components are two different things now, and `refine`
# says so: their labels stay.

# %%
with pm.Model() as informative:
    short = pm.Normal("short", [2.0, 55.0], [0.05, 2.0], shape=2)
    longer = pm.HalfNormal("longer", [2.0, 30.0], shape=2)
    chol = lkj_covariances("chol", 2.0, pm.HalfNormal("sd", [1.0, 14.0], shape=(2, 2)))
    GaussianMixture(
        "y", pm.Dirichlet("w", np.ones(2)), pt.stack([short, short + longer]), chol=chol,
        observed=eruptions.to_numpy(),
    )  # fmt: skip
order = bayesgmm.fit(eruptions, 2, start=np.where(eruptions["eruptions"] < 3, 0, 1))
posterior = refined(eruptions, order, informative)
fig, ax = plt.subplots(figsize=(7, 2.4), layout="constrained")
minutes = np.linspace(1.85, 2.15, 200)
ax.plot(
    minutes,
    np.exp(-0.5 * ((minutes - 2) / 0.05) ** 2) / (0.05 * np.sqrt(2 * np.pi)),
    "k--",
    label="known",
)
ax.hist(
    draws(posterior, "short")[:, 0],
    bins=60,
    density=True,
    color=COLOURS[0],
    alpha=0.5,
    label="posterior",
)
ax.set(xlabel="mean of short eruptions, minutes")
ax.legend()
plt.show()

# %% [markdown]
# ## 6. Two tables with the same components
#
# The penguins of 2009, and those of the two years before: the same components, in proportions of
# their own. Both likelihoods are in the model; `refine` gets the rows of one, by which it finds
# the term that it names.

# %%
late = penguins["year"].to_numpy() == 2009
fit = bayesgmm.fit(bills[~late], 3, random_seed=1)
with pm.Model() as tables:
    w = pm.Dirichlet("w", np.ones(3), shape=(2, 3))
    mu, chol = shared(bills, 3)
    GaussianMixture("early", w[0], mu, chol=chol, observed=bills[~late].to_numpy())
    GaussianMixture("late", w[1], mu, chol=chol, observed=bills[late].to_numpy())
posterior = refined(bills[~late], fit, tables, draws=2000)
change = draws(posterior, "w")[:, 1] - draws(posterior, "w")[:, 0]
fig, ax = plt.subplots(figsize=(7, 2.4), layout="constrained")
for k, colour in enumerate(COLOURS):
    ax.hist(change[:, k], bins=60, density=True, alpha=0.5, color=colour, label=f"component {k}")
ax.axvline(0, color="k", lw=0.8)
ax.set(xlabel="proportion of 2009, less that of the years before")
ax.legend()
plt.show()

# %% [markdown]
# ## 7. LKJ instead of the inverse Wishart
#
# `build_model` has an inverse Wishart prior, which ties the correlations to the variances.
# `lkj_covariances` does not; `InverseWishart`, for those who want it in a model of their own, is
# there as well.

# %%
correlation = {}
with pm.Model() as lkj:
    mu, chol = shared(eruptions, 2)
    GaussianMixture(
        "y", pm.Dirichlet("w", np.ones(2)), mu, chol=chol, observed=eruptions.to_numpy()
    )
posteriors = {
    "inverse Wishart": bayesgmm.refine(eruptions, two, random_seed=1, progressbar=False),
    "LKJ": refined(eruptions, two, lkj),
}
fig, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True, layout="constrained")
for (name, found), colour in zip(posteriors.items(), COLOURS, strict=False):
    sigma = draws(found, "Sigma")
    for k, ax in enumerate(axes):
        r = sigma[:, k, 0, 1] / np.sqrt(sigma[:, k, 0, 0] * sigma[:, k, 1, 1])
        ax.hist(r, bins=60, density=True, alpha=0.5, color=colour, label=name)
        ax.set(xlabel=f"correlation in component {k}")
axes[0].legend()
plt.show()
print(bayesgmm.compare(posteriors)[["elpd_loo", "p_loo"]].round(1))

# %% [markdown]
# ## 8. Rows that belong nowhere
#
# `pm.Mixture` takes ours as a component: beside it a wide Student's t for what belongs to none.

# %%
x = bills.to_numpy()
with pm.Model() as noisy:
    share = pm.Beta("share", 1, 9)
    w = pm.Dirichlet("w", np.ones(3))
    mu, chol = shared(x, 3)
    parts = [
        GaussianMixture.dist(w, mu, chol=chol),
        pm.MvStudentT.dist(nu=3, mu=x.mean(axis=0), scale=4 * np.cov(x.T)),
    ]
    pm.Mixture("y", pt.stack([1 - share, share]), parts, observed=x)
posterior = refined(bills, three, noisy)
ours = posterior.draws.log_joint  # of every row and component, under every draw
belongs = np.exp(np.logaddexp.reduce(ours, axis=2) - posterior.draws.log_density)
outside = 1 - (1 - draws(posterior, "share"))[:, None] * belongs
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
dots = ax.scatter(*x.T, c=outside.mean(axis=0), cmap="viridis_r", s=18)
fig.colorbar(dots, label="probability of no component")
ax.set(xlabel="bill length, mm", ylabel="bill depth, mm")
plt.show()

# %% [markdown]
# ## 9. Proportions that change with time
#
# Eight stretches of the record of Old Faithful. Does the share of long eruptions drift? Its logit
# walks at random, and how far it steps is unknown.

# %%
stretch = np.arange(len(eruptions)) // 34
with pm.Model() as walk:
    step = pm.HalfNormal("step", 0.5)
    logit = pm.Normal("start", 0, 1.5) + step * pt.cumsum(pm.Normal("moves", 0, 1, shape=8))
    p = pm.Deterministic("p", pm.math.sigmoid(logit))
    mu, chol = shared(eruptions, 2)
    GaussianMixture(
        "y", pt.stack([p, 1 - p], axis=1)[stretch], mu, chol=chol, observed=eruptions.to_numpy()
    )
posterior = refined(eruptions, two, walk, target_accept=0.99)
low, middle, high = np.quantile(draws(posterior, "p"), [0.055, 0.5, 0.945], axis=0)
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
ax.errorbar(range(8), middle, [middle - low, high - middle], fmt="o-", color=COLOURS[0])
ax.set(xlabel="stretch of 34 eruptions", ylabel="share of component 0", ylim=(0, 1))
plt.show()
posterior.summary(var_names=["step"])[["mean", "sd", "r_hat"]]

# %% [markdown]
# It does not. Each of these models, with `pm.Mixture` in our distribution's place, is in the
# tests, where both have the same density and gradient to nine digits. More: [the mixture in your
# own model](../docs/howto/distribution.md), [edit the PyMC model](../docs/howto/edit-model.md).
