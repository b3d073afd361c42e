"""EM: starts, one run, many runs, a fit, its standard errors."""
