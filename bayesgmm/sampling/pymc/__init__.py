"""The mixture as a PyMC model, and samplers of any PyMC model.

model.py        the model of a posterior, for users to edit, and its starting values
likelihood/     the mixture's likelihood as a PyMC distribution
covariance_priors.py  inverse Wishart and LKJ distributions in batches
correlations.py  factors of correlations and their gradients, as Ops
model_problem.py  a user's model in `refine`: its start, rows and mode
density.py      its compiled density (`compiled_model.py`), without what does not matter
                of its rows (`prunable_rows.py`)
sample.py       `sample`: the draws of any of these samplers in one form
model_nuts.py   nutpie, pymc: NUTS of a PyMC model
jax_nuts.py     numpyro, blackjax: NUTS in JAX
variational.py  advi, fullrank_advi: PyMC's variational inference
pathfinder.py   pathfinder: normal approximations along quasi-Newton paths, by BlackJAX
smc.py          smc: PyMC's sequential Monte Carlo
points.py       a model's free variables as vectors, and their log density

The groups of a result are `posterior` and `sample_stats`; the latter has `lp`, the log posterior
density on the unconstrained scale, and the sampler's other statistics under PyMC's names.
"""
