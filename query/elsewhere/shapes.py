"""Answers of engines elsewhere in the columns and types that this machine's engine gives them."""

import decimal
from collections.abc import Sequence

import duckdb

from datamon.query.answer import Answer
from datamon.query.asking import Asking, Columns, Row
from datamon.query.compile import compile_select, parameters
from datamon.query.complaints import complaint
from datamon.query.elsewhere.whole import Tables
from datamon.query.index.sealed import MOST_ROWS
from datamon.query.language.statement import Select

_FORMS = {"DOUBLE": float, "FLOAT": float} | dict.fromkeys(
    ("HUGEINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT"), int
)


def shape_of(asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection, tables: Tables) -> Columns:
    """The columns of the answer and their types, as the engine of this machine has them; it also says what is wrong: raises
    Invalid (`bad-statement`). The connection has all that the statement names, with rows or without."""
    compiled = compile_select(select)
    known = {column for columns in tables.values() for column, _ in columns}
    values = {name: asking.params[name] for name in parameters(select.pieces)}
    try:
        described = connection.execute(f"DESCRIBE {compiled.sql}", values or None).fetchall()
    except duckdb.Error as error:
        raise complaint(error, compiled, known) from error
    return [(str(name), "TIMESTAMP" if "ZONE" in str(kind) else str(kind)) for name, kind, *_ in described]


def in_shape(asking: Asking, columns: Columns, rows: list[Row], truncated: bool) -> Answer:
    """These rows as an answer, at most MOST_ROWS of them."""
    if len(rows) > MOST_ROWS:
        del rows[MOST_ROWS:]
        truncated = True
        asking.note(f"only the first {MOST_ROWS:,} rows are shown")
    names, types = zip(*columns, strict=True)
    return Answer(names, types, [_typed(row, types) for row in rows], truncated, asking.notes)


def _typed(row: Row, types: Sequence[str]) -> Row:
    """Numbers in the form that DuckDB gives them: sums of whole numbers are whole, averages are not."""
    return tuple(
        _FORMS[kind](value) if isinstance(value, decimal.Decimal | int | float) and kind in _FORMS else value
        for value, kind in zip(row, types, strict=True)
    )
