"""The ground: errors, validation, display, progress, archives, threads, types. No statistics."""
