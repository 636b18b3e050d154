"""The lineage layer: runs, what they read and wrote, and what is stale."""
