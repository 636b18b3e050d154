"""Paths: files of bundles by name, to be read where they lie in the store, and written as bundles of a branch."""
