"""The log posterior density in free coordinates, compiled once for all models."""
