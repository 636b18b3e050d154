"""Values as SQL: texts of a statement's parameters, and small tables of facts."""

import datetime
import decimal
import math
import uuid
from collections.abc import Iterable, Sequence

from datamon.query.language.tokens import Token
from datamon.query.values import Params


def literal(value: object) -> str:
    """A value that a statement may be given, as DuckDB writes it.

    >>> literal("it's"), literal([1, None])
    ("'it''s'", '[1, NULL]')
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if not math.isfinite(value):
            return f"CAST('{value}' AS DOUBLE)"
        case float():
            return f"CAST({value!r} AS DOUBLE)"
        case int() | decimal.Decimal():
            return str(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bytes():
            return f"unhex('{value.hex()}')"
        case datetime.datetime():
            plain = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
            return f"CAST('{plain.isoformat(' ')}' AS TIMESTAMP)"
        case datetime.date():
            return f"CAST('{value.isoformat()}' AS DATE)"
        case datetime.time():
            return f"CAST('{value.isoformat()}' AS TIME)"
        case datetime.timedelta():
            return f"CAST('{value // datetime.timedelta(microseconds=1)} microseconds' AS INTERVAL)"
        case uuid.UUID():
            return f"CAST('{value}' AS UUID)"
        case list() | tuple():
            return f"[{', '.join(literal(each) for each in value)}]"
        case _:
            raise AssertionError(f"{type(value).__name__} is no value of a statement")


def predicate_sql(tokens: Sequence[Token], params: Params) -> str:
    """A predicate as SQL, with its parameters' values in their places."""
    return " ".join(literal(params[each.value]) if each.kind == "param" else each.sql for each in tokens)


def table_of(name: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """A definition, for a WITH, of a small table of texts with these rows.

    >>> table_of("gone", ["bundle"], [])
    'gone(bundle) AS (SELECT CAST(NULL AS VARCHAR) WHERE FALSE)'
    >>> table_of("gone", ["bundle"], [("b",)])
    "gone(bundle) AS (VALUES (CAST('b' AS VARCHAR)))"
    """
    lines = [f"({', '.join(f'CAST({literal(each)} AS VARCHAR)' for each in row)})" for row in rows]
    nothing = f"SELECT {', '.join('CAST(NULL AS VARCHAR)' for _ in columns)} WHERE FALSE"
    return f"{name}({', '.join(columns)}) AS ({'VALUES ' + ', '.join(lines) if lines else nothing})"


def listed(ids: Iterable[str]) -> str:
    """Texts for an IN, which none is in when there are none."""
    return ", ".join(literal(each) for each in ids) or "NULL"
