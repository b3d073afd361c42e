"""Rows that are read a chunk at a time: from files, from blocks, from other machines."""
