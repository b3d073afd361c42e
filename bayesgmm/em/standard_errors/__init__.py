"""Standard errors of EM's estimates: bootstraps, and the curvature of the likelihood."""
