"""Draws from the posterior, and what is asked of them."""
