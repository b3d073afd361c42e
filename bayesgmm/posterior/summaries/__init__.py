"""Questions to a posterior."""
