"""Rows in and out of an index file, many at once.

Rows travel as one JSON text: for single records this spares importing pyarrow, and for many it is as fast.
"""

import json
from collections.abc import Iterator, Sequence

import duckdb

from datamon.query.index.derive import Row
from datamon.query.index.schema import KEPT, Table

_AT_ONCE = 20_000


def insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Row]) -> None:
    """The kept table has these rows in addition."""
    if not rows:
        return
    select = ", ".join(f"make_timestamp(r.{n})" if k == "TIMESTAMP" else f"r.{n}" for n, k in table.columns)
    statement = f"INSERT INTO {KEPT}.{table.name} SELECT {select} FROM (SELECT unnest(from_json(?, ?)) AS r)"  # noqa: S608
    for part in _parts(rows):
        connection.execute(statement, [_json_rows(table, part), _json_shape(table)])


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


def delete(connection: duckdb.DuckDBPyConnection, table: Table, column: str, values: Sequence[str]) -> None:
    """The kept table has no rows left whose column is one of these values."""
    if values:
        statement = f"DELETE FROM {KEPT}.{table.name} WHERE {column} IN (SELECT unnest(?))"  # noqa: S608
        connection.execute(statement, [list(values)])


def replace_all(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Row]) -> None:
    """The kept table has these rows and no others."""
    connection.execute(f"DELETE FROM {KEPT}.{table.name}")  # noqa: S608
    insert(connection, table, rows)
