"""What all samplers share: settings, statistics, interruption, the tree of draws."""
