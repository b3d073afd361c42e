"""Mixtures as estimators under scikit-learn's contract."""
