"""Which component is which, from draw to draw."""
