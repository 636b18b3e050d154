"""Runs told in the words of others, and what others tell taken in as runs: one format a module (docs/interchange.md)."""
