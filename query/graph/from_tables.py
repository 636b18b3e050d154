"""Filling the graph's file from the tables of an index, which DuckDB makes of many records many times faster than Python does."""

import json
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from datamon.query.graph.position import STORE_LOG, OutOfReachError
from datamon.query.graph.schema import STATEMENTS, VERSION
from datamon.query.index import derive
from datamon.query.index.tail import Position
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 50_000
_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
_NUMBERED = (
    """CREATE TEMP TABLE run_numbers AS SELECT row_number() OVER (ORDER BY id) AS n, id FROM (
        SELECT run AS id FROM kept.journal_events UNION SELECT run FROM kept.bundles WHERE run IS NOT NULL)""",
    """CREATE TEMP TABLE bundle_numbers AS SELECT row_number() OVER (ORDER BY id) AS n, id FROM (
        SELECT id FROM kept.bundles UNION SELECT bundle FROM kept.inputs
        UNION SELECT bundle FROM kept.outputs WHERE bundle IS NOT NULL)""",
    """CREATE TEMP TABLE step_numbers AS SELECT row_number() OVER (ORDER BY pipeline, step) AS n, pipeline, step FROM (
        SELECT DISTINCT pipeline, step FROM kept.runs)""",
    # As `apply` marks them: by the time and id of the record that counts.
    """CREATE TEMP TABLE settled AS
    SELECT run, min(printf('%020d ', time) || event) FILTER (kind = 'run-opened') AS opened,
        min(printf('%020d ', time) || event) FILTER (kind = 'run-closed') AS closed
    FROM kept.journal_events WHERE run IN (SELECT id FROM kept.runs) GROUP BY run HAVING closed IS NOT NULL""",
)
_HIDES = "(t.repo IS NOT DISTINCT FROM $store OR t.repo_name IS NOT DISTINCT FROM $runs)::INTEGER"
_ROWS = {
    "repo_records": "SELECT number, record FROM kept.log_entries WHERE repo = '' AND kind IN (SELECT unnest($kinds))",
    "waiting": "SELECT event, run, record FROM kept.journal_events WHERE run NOT IN (SELECT run FROM settled)",
    "repos": "SELECT id, shown, epoch_us(deleted), deleted_by, reason FROM kept.repos",
    "steps": "SELECT n, pipeline, step FROM step_numbers ORDER BY n",
    "runs": """SELECT i.n, i.id, s.n, t.status, epoch_us(t.started), epoch_us(t.ended), t.author, t.code, m.opened, m.closed
        FROM run_numbers i LEFT JOIN kept.runs t ON t.id = i.id
        LEFT JOIN step_numbers s ON s.pipeline = t.pipeline AND s.step = t.step
        LEFT JOIN settled m ON m.run = i.id ORDER BY i.n""",
    "bundles": """SELECT i.n, i.id, t.repo, t.position, t.content, t.author, epoch_us(t.time), r.n, t.role
        FROM bundle_numbers i LEFT JOIN kept.bundles t ON t.id = i.id LEFT JOIN run_numbers r ON r.id = t.run ORDER BY i.n""",
    "inputs": f"""SELECT r.n, t.place, b.n, t.role, t.how, {_HIDES}
        FROM (SELECT *, row_number() OVER (PARTITION BY run ORDER BY rowid) - 1 AS place FROM kept.inputs) t
        JOIN run_numbers r ON r.id = t.run JOIN bundle_numbers b ON b.id = t.bundle ORDER BY 1, 2""",  # noqa: S608
    "outputs": f"""SELECT r.n, t.place, b.n, t.role, t.repo, t.repo_name, t.branch, t.content, {_HIDES}
        FROM (SELECT *, row_number() OVER (PARTITION BY run ORDER BY rowid) - 1 AS place FROM kept.outputs) t
        JOIN run_numbers r ON r.id = t.run JOIN bundle_numbers b ON b.id = t.bundle ORDER BY 1, 2""",  # noqa: S608
    "deletions": """SELECT repo, bundle, position, epoch_us(time), author, reason, replaced_by FROM kept.deletions
        ORDER BY rowid""",
    "refs": "SELECT repo, ref, kind, new FROM kept.refs",
}
"""The rows of each of the graph's tables."""


def fill(
    file: sqlite3.Connection,
    store: Store,
    tables: "duckdb.DuckDBPyConnection",
    position: Position,
    progress: Progress = SILENT,
) -> None:
    """The file, in which there is nothing, is the graph of what these tables of an index say, which have read so far; `progress`
    hears of its bytes. Raises OutOfReachError."""
    progress.begin("graph", None, None)
    size_bytes = 0
    try:
        for _ in _steps(file, store, tables, position):
            before = size_bytes
            ((size_bytes,),) = file.execute(_SIZE).fetchall()
            progress.advance(0, size_bytes - before)
    finally:
        progress.end()


def _steps(
    file: sqlite3.Connection, store: Store, tables: "duckdb.DuckDBPyConnection", position: Position
) -> Iterator[None]:
    """Does the work of `fill`, and stops in between."""
    ((twice,),) = tables.execute("SELECT count(*) - count(DISTINCT id) FROM kept.bundles").fetchall()
    if twice:
        raise OutOfReachError(f"{twice} bundles stand twice in the logs")
    for statement in _NUMBERED:
        tables.execute(statement)
        yield
    made = [statement for statement in STATEMENTS if statement.startswith("CREATE TABLE")]
    for statement in made:
        file.execute(statement)
    given: dict[str, Any] = {"store": store.id, "runs": RUNS_REPO, "kinds": sorted(derive.REPO_KINDS)}
    for table, select in _ROWS.items():
        named = {name: value for name, value in given.items() if f"${name}" in select}
        for rows in _parts(tables.execute(select, named or None)):
            file.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)  # noqa: S608
            yield
    for statement in STATEMENTS:
        if statement not in made:
            file.execute(statement)
            yield
    watch = json.dumps(sorted((log or STORE_LOG, number) for log, number in position.watch))
    cursor = json.dumps(position.cursor, sort_keys=True)
    state = [("version", VERSION), ("store", store.id), ("cursor", cursor), ("watch", watch)]
    file.executemany("INSERT INTO state VALUES (?, ?)", state)
    file.executemany("INSERT INTO tips VALUES (?, ?)", [(log or STORE_LOG, n) for log, n in position.tips.items()])


def _parts(found: "duckdb.DuckDBPyConnection") -> Iterator[list[tuple[Any, ...]]]:
    while rows := found.fetchmany(_AT_ONCE):
        yield rows
