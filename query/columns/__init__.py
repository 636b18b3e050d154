"""The lineage of columns: from which columns of which tables a SQL text makes each of its own."""
