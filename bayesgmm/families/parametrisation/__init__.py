"""What is sampled in place of a family's covariances: variables with a prior of their own."""
