"""Bundles as file trees of the operating system (FUSE)."""
