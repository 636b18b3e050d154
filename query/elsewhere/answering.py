"""Statements answered by PostgreSQL, over the tables that `datamon index push` keeps there.

What names mean is found where the question is asked: references from the store as it is now, runs and steps from this
machine's index, facts of now from the working tree. The rest is one SELECT, in a transaction that only reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
from sqlglot.errors import SqlglotError

from datamon.errors import Conflict, DatamonError, NotFound, Unavailable
from datamon.query.answer import Answer
from datamon.query.asking import Asking, Row, Rows, find_runs
from datamon.query.columns.recorded import attach_columns
from datamon.query.compile import compile_select
from datamon.query.compiled.sources import source_sql
from datamon.query.describing import describe, list_relations
from datamon.query.elsewhere import schema as layout
from datamon.query.elsewhere.dialects import translated
from datamon.query.elsewhere.explaining import explain
from datamon.query.elsewhere.postgres import Postgres, Refused
from datamon.query.elsewhere.push import DEFAULT_SCHEMA, check_name, read_state
from datamon.query.elsewhere.shapes import in_shape, shape_of
from datamon.query.elsewhere.whole import COLUMNS, Tables, plain_sql, tables_of, with_sources
from datamon.query.engine import understood
from datamon.query.files import attach_files
from datamon.query.index.opening import Index
from datamon.query.index.sealed import DEFAULT_LIMIT_S, MOST_ROWS
from datamon.query.inferred import attach_inferred
from datamon.query.language.faults import fault
from datamon.query.language.statement import Describe, Select, stem
from datamon.query.place import NOWHERE, Place
from datamon.query.relations import RELATIONS
from datamon.query.safety import check
from datamon.query.sources.evaluate import rows_of
from datamon.query.sources.tables import put_table
from datamon.store.opening import Store

_ATTACHED = {
    "files": attach_files,
    "inferred": attach_inferred,
    "columns": attach_columns,
}
"""Relations that no table holds: they are read where the question is asked, when a statement names them."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A database that answers, the schema there, and how many seconds a statement may take."""

    url: str
    schema: str = DEFAULT_SCHEMA
    limit_s: float = DEFAULT_LIMIT_S


def ask_postgres(
    store: Store,
    text: str,
    elsewhere: Elsewhere,
    *,
    index: Index,
    params: Mapping[str, object] | None = None,
    place: Place = NOWHERE,
) -> Answer:
    """The answer to one statement as of the last push, in the same rows and types as `engine.ask` gives then.

    What follows files or columns, asks for a past moment, or is PATHS, PLAN or a comparison, is found on this machine, and only
    joined and filtered there. Raises as `engine.ask` and `push`, and NotFound (`not-pushed`).
    """
    check_name(elsewhere.schema)
    asking = Asking(store, text, dict(params or {}), place)
    statement = understood(asking)
    if not isinstance(statement, Select):
        return describe(statement) if isinstance(statement, Describe) else list_relations()
    if statement.explain:
        return explain(store, text, "postgres", params=params, place=place, index=index)
    with index.connect() as connection, asking.closing, Postgres(elsewhere.url) as database:
        _check_pushed(database, store, elsewhere.schema)
        find_runs(asking, statement, connection)
        return _answer(asking, statement, connection, database, elsewhere)


def _check_pushed(database: Postgres, store: Store, schema: str) -> None:
    state = read_state(database, schema)
    push = f"push to it with: datamon index push {database.place}"
    if state is None or state.get("schema") != layout.version(schema):
        was = "holds nothing that was pushed" if state is None else "was pushed by another version of datamon"
        raise NotFound("not-pushed", f"the schema {schema} of {database.place} {was}; {push}", schema=schema)
    if state.get("store") != store.id:
        said = f"the schema {schema} of {database.place} is of another store; name another with --schema"
        raise Conflict("other-store", said, schema=schema)


def _answer(
    asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection, database: Postgres, elsewhere: Elsewhere
) -> Answer:
    names = [placed.name for placed in select.sources]
    bare = len(select.pieces) == 1 and len(names) == 1
    compiled = compile_select(select)
    read = frozenset() if bare else check(connection, compiled, {*RELATIONS, *names})
    database.execute("SELECT set_config('search_path', %s, FALSE)", [f'"{elsewhere.schema}"'])
    spelled: dict[str, str] = {}
    tables = tables_of(select)
    truncated = False
    for placed in select.sources:
        sql = source_sql(asking, asking.world(connection, placed.source), placed)
        if sql is not None:
            spelled[placed.name] = sql
            put_table(connection, placed.name, tables[placed.name], [])
            continue
        found = rows_of(asking, connection, placed)
        if bare:
            return in_shape(asking, found.columns, found.rows, found.truncated)
        truncated = truncated or found.truncated
        _put(database, placed.name, found)
        put_table(connection, placed.name, found.columns, [])
        tables[placed.name] = found.columns
    for name in sorted(read & _ATTACHED.keys()):
        _ATTACHED[name](connection, asking.store)
        columns = [(column.name, column.type) for column in RELATIONS[name].columns]
        _put(database, name, Rows(columns, connection.execute(f"FROM {name}").fetchall()))
    database.read_only(elsewhere.limit_s)
    if bare:
        return _bare(asking, select, _asked(asking, select, spelled[names[0]], database, elsewhere))
    shape = shape_of(asking, select, connection, {name: tables[name] for name in (*read, *names)})
    sql = _whole(asking, select, spelled, tables)
    return in_shape(asking, shape, _asked(asking, select, sql, database, elsewhere), truncated)


def _bare(asking: Asking, select: Select, rows: list[Row]) -> Answer:
    columns = COLUMNS[stem(select.sources[0].source)]
    cut = [name for name, _ in columns].index("truncated") if ("truncated", "BOOLEAN") in columns else None
    return in_shape(asking, columns, rows, cut is not None and bool(rows) and rows[-1][cut] is True)


def _whole(asking: Asking, select: Select, spelled: dict[str, str], tables: Tables) -> str:
    try:
        return with_sources(plain_sql(select, asking.params), spelled, tables)
    except SqlglotError as error:
        raise _untold(asking, select) from error


def _asked(asking: Asking, select: Select, sql: str, database: Postgres, elsewhere: Elsewhere) -> list[Row]:
    try:
        return database.answer(translated(sql, "postgres", schema=elsewhere.schema), MOST_ROWS + 1)
    except SqlglotError as error:
        raise _untold(asking, select) from error
    except Refused as error:
        if error.stopped:
            said = f"the statement reached its {elsewhere.limit_s:g} seconds at {database.place} and was stopped; narrow it"
            raise Unavailable("query-stopped", said) from error
        said = f"PostgreSQL cannot answer this: {error}"
        raise fault(asking.text, compile_select(select).spans[0], said) from error


def _untold(asking: Asking, select: Select) -> DatamonError:
    said = "this cannot be said in PostgreSQL's SQL; ask it without --engine, or in plainer SQL"
    return fault(asking.text, compile_select(select).spans[0], said)


def _put(database: Postgres, name: str, found: Rows) -> None:
    """The session has a temporary table of these rows."""
    columns = ", ".join(f'"{column}" {layout.type_of(kind)}' for column, kind in found.columns)
    database.execute(f'CREATE TEMPORARY TABLE "{name}" ({columns})')
    database.put(f'"{name}"', [column for column, _ in found.columns], found.rows)
