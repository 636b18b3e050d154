"""What tests of the lineage layer, and of those above it, share."""
