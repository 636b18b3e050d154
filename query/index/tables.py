"""Rows in and out of an index file, many at once.

A few rows travel as one JSON text, which spares importing pyarrow; many as Arrow columns.
"""

import json
from collections.abc import Iterator, Sequence

import duckdb

from datamon.query.index.derive import Row
from datamon.query.index.overlay import FRESH, hide
from datamon.query.index.schema import KEPT, Table

_AT_ONCE = 20_000
_BY_ARROW = 5_000
"""So many rows are worth 0.2 s for importing pyarrow."""


def insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Row], into: str = KEPT) -> None:
    """The table has these rows in addition, in the schema `into`: KEPT, or FRESH of an overlay."""
    if not rows or (len(rows) >= _BY_ARROW and _insert_columns(connection, table, rows, into)):
        return
    select = ", ".join(f"make_timestamp(r.{n})" if k == "TIMESTAMP" else f"r.{n}" for n, k in table.columns)
    statement = f"INSERT INTO {into}.{table.name} SELECT {select} FROM (SELECT unnest(from_json(?, ?)) AS r)"  # noqa: S608
    for part in _parts(rows):
        connection.execute(statement, [_json_rows(table, part), _json_shape(table)])


def _insert_columns(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Row], into: str) -> bool:
    """Whether the rows are in the table: not when one has a value, such as half a character, that Arrow does not take."""
    import pyarrow  # only many rows are worth it

    from datamon.query.index.arrow_columns import arrow_column

    try:
        kinds = [kind for _, kind in table.columns]
        arrays = [arrow_column(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    except (ValueError, TypeError, OverflowError, AttributeError, KeyError):
        return False
    connection.register("rows_to_insert", pyarrow.Table.from_arrays(arrays, [name for name, _ in table.columns]))
    connection.execute(f"INSERT INTO {into}.{table.name} FROM rows_to_insert")
    connection.unregister("rows_to_insert")
    return True


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]


def _json_rows(table: Table, rows: Sequence[Row]) -> str:
    names = [name for name, _ in table.columns]
    text = json.dumps([dict(zip(names, row, strict=True)) for row in rows], ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # a lone surrogate is no character; a '?' stands for it


def _json_shape(table: Table) -> str:
    kinds = {"VARCHAR[]": ["VARCHAR"], "TIMESTAMP": "BIGINT"}
    return json.dumps([{name: kinds.get(kind, kind) for name, kind in table.columns}])


def delete(
    connection: duckdb.DuckDBPyConnection, table: Table, column: str, values: Sequence[str], into: str = KEPT
) -> None:
    """The table has no rows left whose column is one of these values."""
    if values:
        statement = f"DELETE FROM {into}.{table.name} WHERE {column} IN (SELECT unnest(?))"  # noqa: S608
        connection.execute(statement, [list(values)])
        if into == FRESH:
            connection.execute(hide(table.name, column), [list(values)])


def replace_all(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Row], into: str = KEPT) -> None:
    """The table, of which an overlay has all rows, has these and no others."""
    connection.execute(f"DELETE FROM {into}.{table.name}")  # noqa: S608
    insert(connection, table, rows, into)
