"""The pass for rows on a device."""
