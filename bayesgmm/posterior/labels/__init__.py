"""Relabelling of draws: which component of a draw is which of the others."""
