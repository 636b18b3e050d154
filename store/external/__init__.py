"""Bytes that lie elsewhere: linked into bundles by URL, or brought into the store."""
