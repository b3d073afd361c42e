"""Compiled building blocks, and the E-step made of them: one pass over the data."""
