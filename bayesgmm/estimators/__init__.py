"""Mixtures as scikit-learn estimators."""
