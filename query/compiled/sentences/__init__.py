"""One cause of staleness, one file, one SELECT."""
