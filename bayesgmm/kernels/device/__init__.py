"""The pass for rows that live on a device."""
