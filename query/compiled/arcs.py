"""Which edges there are, as seen when walking in one direction."""

from datamon.query.compiled.literals import listed
from datamon.query.graph.in_memory import READS, Direction, Kept


def arcs(kept: Kept, direction: Direction) -> str:
    """The definition of `arc(at_kind, at_id, next_kind, next_id, role, how)`: each edge that counts, once."""
    at, after = ("to", "from") if direction == "upstream" else ("from", "to")
    schema = "with_system" if kept.system else "main"
    return f"""arc AS (
    SELECT DISTINCT e.kind_{at} AS at_kind, e.id_{at} AS at_id, e.kind_{after} AS next_kind, e.id_{after} AS next_id,
        e.role, e.how
    FROM {schema}.edges AS e
    LEFT JOIN {schema}.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END
    WHERE TRUE{_status(kept)}{_reads(kept)}
)"""


def _status(kept: Kept) -> str:
    if kept.failed:
        return ""
    counts = "coalesce(r.status, 'succeeded') NOT IN ('failed', 'abandoned')"
    return f"\n        AND ({counts} OR r.id IN ({listed(kept.runs)}))" if kept.runs else f"\n        AND {counts}"


def _reads(kept: Kept) -> str:
    if kept.using == "any" and kept.pinned:
        return ""
    unpinned = "" if kept.pinned else " AND i.ref_kind IN ('branch', 'label')"
    return f"""
        AND (e.kind_from = 'run' OR EXISTS (
            SELECT 1 FROM kept.inputs AS i
            WHERE i.run = e.id_to AND i.bundle = e.id_from AND i.role = e.role AND {READS[kept.using]}{unpinned}))"""
