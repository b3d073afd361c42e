"""How sure EM's estimates are: bootstraps, and the curvature of the likelihood."""
