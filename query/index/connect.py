"""Connections to an index file that can read it and do nothing else."""

from pathlib import Path

import duckdb

from datamon.errors import Unavailable
from datamon.query.index.overlay import BASE, overlay, tables_about
from datamon.query.index.schema import Table
from datamon.query.index.sealed import BAR, NO_BAR, SEALED, locked

BUILDING_MEMORY = "640MB"
"""What DuckDB may take to write an index. Without a limit it keeps all that it wrote, 5 GB for a million runs; what it cannot
hold goes to a file beside the index."""
_BUILDING: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": BUILDING_MEMORY,
}
_ROWS = 16_384
"""So many rows are written together. With 122,880, DuckDB's own choice, what each part of a store adds to a table makes DuckDB
write its last ones again, which takes most of the time of building."""


def open_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection that reads the file and reaches no other. The name `path` may go away while it is open.
    Raises duckdb.Error when the file is no database that this DuckDB reads."""
    connection = duckdb.connect(":memory:", config={**SEALED, "enable_external_access": "true", "temp_directory": ""})
    try:
        connection.execute(
            f"ATTACH {_quoted(path)} AS {BASE} (READ_ONLY); USE {BASE}; SET enable_external_access = false"
        )
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading_all(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection that reads a file which nobody writes, however much of it in little memory, and can make temporary tables.
    Raises duckdb.Error as `open_read_only`."""
    connection = duckdb.connect(config={**_BUILDING, "temp_directory": f"{path}.tmp"})
    try:
        connection.execute(f"ATTACH {_quoted(path)} AS {BASE} (READ_ONLY); USE {BASE}")
    except BaseException:
        connection.close()
        raise
    _hide_bar(connection)
    return connection


def lay_over(connection: duckdb.DuckDBPyConnection, about: str | None = None) -> frozenset[Table]:
    """An empty overlay, in memory, lies over the file that `open_read_only` has opened, and the relations are in it that the
    SELECT `about` names (None: all), with these tables, of which they are made. Opening a second connection instead would take
    12 ms. Raises duckdb.Error."""
    tables = tables_about(about)
    connection.execute(f"USE memory; {overlay(tables, about)}")
    return tables


def open_for_building(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection that writes an unpublished file."""
    connection = duckdb.connect(
        config={
            **_BUILDING,
            "temp_directory": f"{path}.tmp",
            "wal_autocheckpoint": "1GB",  # each time it writes anew what it says of all rows
        },
    )
    try:
        connection.execute(f"ATTACH {_quoted(path)} AS {BASE} (ROW_GROUP_SIZE {_ROWS}); USE {BASE}")
    except BaseException:
        connection.close()
        raise
    _hide_bar(connection)
    return connection


def open_in_memory(**more: str) -> duckdb.DuckDBPyConnection:
    """A connection to a new, empty database in memory, which reaches no file and never writes one, also when memory is short;
    `more` are settings of DuckDB."""
    return duckdb.connect(":memory:", config={**SEALED, "temp_directory": "", **more})


def lock_down(connection: duckdb.DuckDBPyConnection, limit_s: float) -> duckdb.DuckDBPyConnection:
    """The same connection: each statement stops after `limit_s` seconds, and no statement changes a setting any more.
    What statements can still make (temporary tables, say) ends with the connection."""
    _hide_bar(connection)
    for statement in locked(limit_s):
        connection.execute(statement)
    return connection


def stopped(limit_s: float) -> Unavailable:
    """The error for a statement that DuckDB interrupted (duckdb.InterruptException)."""
    return Unavailable(
        "query-stopped",
        f"the query was stopped after {limit_s:g} seconds; narrow it, or allow it more time",
        limit_s=limit_s,
    )


def _hide_bar(connection: duckdb.DuckDBPyConnection) -> None:
    ((drawn,),) = connection.execute(BAR).fetchall()
    if drawn:
        connection.execute(NO_BAR)


def _quoted(path: Path) -> str:
    return "'{}'".format(str(path).replace("'", "''"))
