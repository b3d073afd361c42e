"""The E-step: one pass over the rows, in all its forms."""
