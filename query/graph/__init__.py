"""Lineage as a graph: walks over what runs read and wrote, in memory, and in files that need no engine."""
