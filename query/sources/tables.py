"""Rows of ours as a table that a statement can read."""

import datetime
import json
from collections.abc import Sequence

import duckdb

_AT_ONCE = 20_000
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 (all times of the index are UTC and carry no zone)


def put_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """The connection has a temporary table `name` with these columns and rows, in their order, and nothing else under it.

    Rows travel as JSON texts: for few rows this spares importing pyarrow.
    """
    listed = ", ".join(f'"{column}" {kind}' for column, kind in columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({listed})")
    read = ", ".join(f'make_timestamp(r."{c}")' if kind == "TIMESTAMP" else f'r."{c}"' for c, kind in columns)
    shape = json.dumps([{column: "BIGINT" if kind == "TIMESTAMP" else kind for column, kind in columns}])
    statement = f"INSERT INTO {name} SELECT {read} FROM (SELECT unnest(from_json(?, ?)) AS r)"  # noqa: S608
    for start in range(0, len(rows), _AT_ONCE):
        part = [dict(zip((c for c, _ in columns), row, strict=True)) for row in rows[start : start + _AT_ONCE]]
        text = json.dumps(part, default=_microseconds, ensure_ascii=False)
        # a file name that is no text has lone surrogates; a '?' stands for each, as in the index
        connection.execute(statement, [text.encode("utf-8", "replace").decode(), shape])


def _microseconds(value: object) -> int:
    assert isinstance(value, datetime.datetime), f"{type(value).__name__} is no value of a source"
    return (value - _EPOCH) // datetime.timedelta(microseconds=1)
