"""Which family, and how many components: grid, criteria, cross-validation, bootstrap test."""
