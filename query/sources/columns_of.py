"""The columns of the answers that have a quick form too."""

CLOSURE = (
    ("kind", "VARCHAR"),
    ("id", "VARCHAR"),
    ("name", "VARCHAR"),
    ("repo", "VARCHAR"),
    ("ref", "VARCHAR"),
    ("depth", "BIGINT"),
    ("how", "VARCHAR"),
    ("via_id", "VARCHAR"),
    ("truncated", "BOOLEAN"),
)
CLOSURE_CAP = 1_000_000
"""So many rows of a closure are given at most."""
PRODUCED = (
    ("run", "VARCHAR"),
    ("pipeline", "VARCHAR"),
    ("step", "VARCHAR"),
    ("status", "VARCHAR"),
    ("started", "TIMESTAMP"),
    ("ended", "TIMESTAMP"),
    ("author", "VARCHAR"),
    ("code", "VARCHAR"),
    ("repo", "VARCHAR"),
    ("bundle", "VARCHAR"),
    ("content", "VARCHAR"),
    ("role", "VARCHAR"),
)
COUNT = (("count_star()", "BIGINT"),)
STALE = (
    ("output", "VARCHAR"),
    ("ref", "VARCHAR"),
    ("cause", "VARCHAR"),
    ("subject", "VARCHAR"),
    ("old", "VARCHAR"),
    ("new", "VARCHAR"),
    ("via", "VARCHAR"),
    ("distance", "BIGINT"),
    ("last_status", "VARCHAR"),
)
PATHS = (
    ("path", "BIGINT"),
    ("hop", "BIGINT"),
    ("kind", "VARCHAR"),
    ("id", "VARCHAR"),
    ("name", "VARCHAR"),
    ("how", "VARCHAR"),
)
