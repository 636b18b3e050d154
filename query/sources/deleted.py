"""Telling the person who asked that something on the way was deleted, when, by whom and why."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from datamon.query.asking import Asking

TOLD = 3
"""So many are told of one by one; beyond, they are counted."""


def note_deleted(asking: Asking, connection: duckdb.DuckDBPyConnection, bundles: Sequence[str], *, shown: bool) -> None:
    """The answer tells of those of these bundles that were deleted; that they are no rows, unless they are `shown`."""
    if not bundles:
        return
    rows = connection.execute(
        """SELECT repo || '@' || bundle, strftime(time, '%Y-%m-%dT%H:%M:%SZ'), author, reason, replaced_by
        FROM with_system.deletions WHERE bundle IN (SELECT unnest(?::VARCHAR[])) ORDER BY time, bundle""",
        [list(bundles)],
    ).fetchall()
    for said in told_of_deleted(rows, shown=shown):
        asking.note(said)


def told_of_deleted(rows: Sequence[tuple[object, ...]], *, shown: bool) -> Iterator[str]:
    """What is said of deletions, given as repo@bundle, when, who, why and what stands in for it."""
    for name, when, author, reason, replaced_by in rows[:TOLD]:
        why = f" ({reason})" if reason else ""
        instead = f" and replaced by {replaced_by}" if replaced_by else ""
        yield f"{name} was deleted at {when} by {author}{why}{instead}"
    if len(rows) > TOLD:
        yield f"{len(rows) - TOLD:,} more were deleted; FROM deletions tells when, by whom and why"
    if rows and not shown:
        yield "what was deleted is walked through but is no row; INCLUDING deleted shows it"
