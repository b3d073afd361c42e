"""Fits, grids and posteriors in one table, with a verdict."""
