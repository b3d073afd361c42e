"""Tables that are read a chunk at a time, one file for each kind."""
