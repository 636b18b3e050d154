"""Many records at once into an index: taken apart by DuckDB, what is uncommon in them by Python."""
