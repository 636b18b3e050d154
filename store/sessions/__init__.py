"""Many writers, one bundle: sessions, to which each adds a split, and whose commit merges them (docs/format.md, "Sessions")."""
