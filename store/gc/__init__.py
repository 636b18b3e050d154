"""Garbage collection: what no bundle reaches is condemned in the logs first, and deleted after (docs/design.md)."""
