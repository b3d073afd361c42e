"""The version, written here only: packaging, the command line and saved files read it."""

__version__ = "0.1.0"
