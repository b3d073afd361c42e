"""The evidence of a model, from draws of its posterior."""
