"""The lineage sources: what each gives as rows, computed on the graph and on plain records."""
