"""Values: a mixture, draws of mixtures, a prior; conditioning, classification, merging."""
