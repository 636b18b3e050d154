"""Bundles opened to be read here and there: what a mount shows and what paths name, without a copy on the disk."""
