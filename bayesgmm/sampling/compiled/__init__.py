"""Engines that sample the compiled density."""
