"""Whether draws can be believed."""
