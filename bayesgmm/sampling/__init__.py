"""From a fit to draws of its posterior."""
