"""Choice of the family and of K: grid search, criteria, cross-validation, bootstrap test."""
