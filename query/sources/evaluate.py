"""From a source in a statement to its rows."""

import duckdb

from datamon.query.asking import Asking, Rows, World
from datamon.query.language.references import Target
from datamon.query.language.statement import (
    Affected,
    Closure,
    Contains,
    Diff,
    Differ,
    NotReused,
    Paths,
    Placed,
    Planned,
    Produced,
    Stale,
)
from datamon.query.sources import produced
from datamon.query.sources.closures import rows_of_affected, rows_of_closure
from datamon.query.sources.deleted import TOLD, note_deleted
from datamon.query.sources.diff import rows_of_diff
from datamon.query.sources.differ import rows_of_differ
from datamon.query.sources.judged import rows_of_stale
from datamon.query.sources.not_reused import rows_of_not_reused
from datamon.query.sources.paths import rows_of_paths
from datamon.query.sources.plan import rows_of_plan
from datamon.store.bundle import CopiedFrom
from datamon.store.clock import timestamp


def rows_of(asking: Asking, connection: duckdb.DuckDBPyConnection, placed: Placed) -> Rows:
    """The rows of a source, whose references have their targets. Raises errors of ours that point at their place."""
    source = placed.source
    world = asking.world(connection, source)
    match source:
        case Closure():
            return rows_of_closure(asking, world, placed.name, source)
        case Affected():
            return rows_of_affected(asking, world, placed.name, source)
        case Paths():
            return rows_of_paths(asking, world, placed.name, source)
        case Planned():
            return rows_of_plan(asking, world, source)
        case Contains():
            from datamon.query.sources.contains import rows_of_contains  # chunks bring pyarrow, 0.15 s

            return rows_of_contains(asking, world, source)
        case Produced():
            return _produced(asking, world, source)
        case Stale():
            return rows_of_stale(asking, world, source)
        case Diff():
            return rows_of_diff(asking, world, source)
        case Differ():
            return rows_of_differ(asking, world, source)
        case NotReused():
            return rows_of_not_reused(asking, world, source)


def _produced(asking: Asking, world: World, source: Produced) -> Rows:
    target = asking.target(source.ref)
    if source.ref.form == "column":
        from datamon.query.sources.columns import check_column  # brings sqlglot, 90 ms

        check_column(asking, world, source.ref)
    rows = produced.producers(world.store, world.connection, target)
    written = [str(row[produced.BUNDLE]) for row in rows if row[produced.BUNDLE] != target.id]
    note_deleted(asking, world.connection, written, shown=True)
    if not rows:
        asking.note(f"no recorded run wrote it: {_who_committed(world.connection, target)}")
        for original in target.copied_from[:TOLD]:
            asking.note(f"it is a copy of {_told(original)}")
    return Rows(produced.COLUMNS, rows)


def _told(original: CopiedFrom) -> str:
    by = f"by the run {original.run}" if original.run else f"by {original.author.name}"
    when = timestamp(original.time_ns)
    return f"{original.repo_name}@{original.bundle} in the store {original.store}, made {by} at {when}; ask there"


def _who_committed(connection: duckdb.DuckDBPyConnection, target: Target) -> str:
    rows = connection.execute("SELECT author, time FROM with_system.bundles WHERE id = ?", [target.id]).fetchall()
    did = "promoted" if target.copied_from else "uploaded"
    return f"{rows[0][0]} {did} bundle {target.id} at {rows[0][1]:%Y-%m-%d %H:%M:%S} UTC" if rows else "it was uploaded"
