"""Free variables of a family's covariances, in which the posterior is sampled."""
