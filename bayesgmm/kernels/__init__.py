"""Compiled building blocks."""
