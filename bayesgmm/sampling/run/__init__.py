"""Shared by all samplers: settings, statistics, interruption, the tree of draws."""
