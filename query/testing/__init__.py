"""What tests of the query layer, and of those above it, share."""
