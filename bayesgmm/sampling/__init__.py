"""Draws from the posterior of a fitted mixture."""
