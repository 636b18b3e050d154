"""The same tables and statements on engines elsewhere."""
