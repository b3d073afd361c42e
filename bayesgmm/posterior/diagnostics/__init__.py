"""Diagnostics of draws: convergence, modes, samplers' statistics, leave-one-out."""
