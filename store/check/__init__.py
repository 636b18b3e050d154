"""Check: everything in a store that can be wrong, found and told as rows."""
