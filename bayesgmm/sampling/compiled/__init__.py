"""Samplers of the compiled density."""
