"""Retention: what takes bundles, paths and repos away, each by one log entry that leaves a tombstone.

Nothing here removes bytes. Bytes that only tombstones reach are garbage, which `gc` frees after its grace.
"""
