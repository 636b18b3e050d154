"""Records of many runs at once, as NDJSON (docs/run-records.md)."""
