"""A bundle that is being changed: what was done lies on this machine's disk until it is committed."""
