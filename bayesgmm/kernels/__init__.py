"""Compiled building blocks, and of them the E-step: one pass over the data."""
