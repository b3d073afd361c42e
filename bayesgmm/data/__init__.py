"""What comes in, checked once: tables, files, a summary of the columns."""
