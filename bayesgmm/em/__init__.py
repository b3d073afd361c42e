"""Expectation-maximisation, written once for all families, with and without a prior."""
