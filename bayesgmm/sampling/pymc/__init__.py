"""Ways to draws: from the library's own density, and from any PyMC model.

registry.py     the samplers by name, each with its engines and what they need
settings.py     how many draws every engine makes, and how
native.py       nutpie: NUTS of the density
gibbs.py        gibbs: allocations and parameters in turn
laplace.py      laplace: the normal density at the mode
model_nuts.py   nutpie, pymc: NUTS of a PyMC model
points.py       a model's unknowns as vectors, their log density, and what the vectors stand for
importance.py   draws of an approximation, corrected by importance weights and judged by Pareto k
jax_nuts.py     numpyro, blackjax: NUTS in JAX
variational.py  advi, fullrank_advi: PyMC's variational inference
pathfinder.py   pathfinder: normal approximations along quasi-Newton paths, by BlackJAX
smc.py          smc: PyMC's sequential Monte Carlo

The groups of a result are `posterior` and `sample_stats`; the latter has `lp`, the log posterior
density on the unconstrained scale, and whatever else the engine knows, under PyMC's names.
"""
