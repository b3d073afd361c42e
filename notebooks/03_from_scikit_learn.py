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
# # From scikit-learn
#
# `bayesgmm.GaussianMixture` takes the place of `sklearn.mixture.GaussianMixture`: the same
# arguments, methods and attributes. This notebook shows what stays, what differs on purpose, and
# what is new.

# %%
import time
import warnings
from textwrap import fill

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Theirs

import bayesgmm
from bayesgmm import GaussianMixture

X = bayesgmm.datasets.load_iris(features_only=True).to_numpy()

# %% [markdown]
# ## What stays

# %%
for estimator in (Theirs(3, random_state=0), GaussianMixture(3, random_state=0)):
    model = estimator.fit(X)
    print(type(model).__module__.split(".")[0], model.weights_.round(3), f"BIC {model.bic(X):.2f}")

# %% [markdown]
# ## `tol`: has it arrived?
#
# scikit-learn stops when the last gain is below 1e-3 per row. EM is often slow, and then there is
# more to come. Here `tol` is what is *left to gain*.

# %%
early = Theirs(3, random_state=0).fit(X)
late = Theirs(3, random_state=0, tol=1e-10, max_iter=10_000).fit(X)
ours = GaussianMixture(3, random_state=0).fit(X)
for name, model in {"scikit-learn": early, "tol=1e-10": late, "bayesgmm": ours}.items():
    print(f"{name:>12}: log-likelihood {model.score(X) * len(X):.4f}")

# %% [markdown]
# The default lies below the maximum; for the same place scikit-learn needs a small `tol`.
#
# ## `reg_covar`: what was added?
#
# scikit-learn adds 1e-6 to every variance, whatever the unit of the column. With the durations in
# thousands of minutes that is a lot:

# %%
faithful = bayesgmm.datasets.load_faithful().to_numpy()
for unit in (1.0, 1e-3):
    theirs = Theirs(2, random_state=0, tol=1e-8).fit(faithful * unit)
    ours = GaussianMixture(2, random_state=0).fit(faithful * unit)
    for name, model in {"scikit-learn": theirs, "bayesgmm": ours}.items():
        sd = np.sqrt(model.covariances_[:, 0, 0]) / unit
        print(f"column times {unit:g}, {name:>12}: sd of eruptions {np.sort(sd).round(3)} minutes")

# %% [markdown]
# The unit should not matter. Here nothing is added, and a component that collapses is reported
# instead:

# %%
few = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [5.0, 5.0], [5.1, 5.0], [5.2, 5.0], [9.0, 1.0]])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", ConvergenceWarning)
    GaussianMixture(3, random_state=0).fit(few)
print(fill(str(caught[0].message), 88))

# %% [markdown]
# ## Far from zero
#
# Times in seconds since 1970 are near 1.7e9. An offset should not matter either.

# %%
for form in ("full", "tied", "diag", "spherical"):
    there = GaussianMixture(2, covariance_type=form, random_state=0).fit(faithful + 1e8)
    try:
        theirs = Theirs(2, covariance_type=form, random_state=0, tol=1e-8).fit(faithful + 1e8)
        result = f"{theirs.score(faithful + 1e8):.4f}"
    except ValueError as error:
        result = f"{str(error)[:52]}..."
    print(f"{form:>9}: {there.score(faithful + 1e8):.4f} here; scikit-learn: {result}")

# %% [markdown]
# ## What is new
#
# Fourteen covariance families instead of four (`full` is VVV, `tied` EEE, `diag` VVI, `spherical`
# VII):

# %%
model = GaussianMixture(3, covariance_type="VEV", random_state=0).fit(X)
print(f"VEV: BIC {model.bic(X):.2f}, full: {GaussianMixture(3, random_state=0).fit(X).bic(X):.2f}")

# %% [markdown]
# A search over all of them, in which the cells start from each other's results:

# %%
flowers = bayesgmm.datasets.load_iris(features_only=True)
started = time.perf_counter()
selection = bayesgmm.select(flowers, range(1, 6), random_seed=0, progressbar=False)
print(f"{len(selection.fits)} cells in {time.perf_counter() - started:.1f} s")
selection.plot.bic()

# %% [markdown]
# The whole result of a fit is `model.fit_`, with what scikit-learn has no place for: how EM
# ended, ICL, standard errors, and the way to a posterior.

# %%
model.fit_

# %%
errors = bayesgmm.standard_errors(X, model.fit_, method="information")
errors.to_frame().query("parameter == 'pi'").round(3)

# %% [markdown]
# Next: [from an EM fit to its posterior](04_refine.ipynb).
