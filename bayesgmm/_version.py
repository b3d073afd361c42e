"""The version, written here only: packaging, the command line and saved files read it."""

__version__ = "0.2.0.dev0"
