"""Mixtures, draws of mixtures and priors; conditioning, classification, merging."""
