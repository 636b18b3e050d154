"""EXPLAIN in the dialect of another engine: the one SELECT that a statement is, its sources spelled out."""

from collections.abc import Mapping

import duckdb
from sqlglot.errors import SqlglotError

from datamon.query.answer import Answer
from datamon.query.asking import Asking, find_runs
from datamon.query.compile import compile_select
from datamon.query.compiled.sources import source_sql
from datamon.query.elsewhere.dialects import translated
from datamon.query.elsewhere.push import DEFAULT_SCHEMA
from datamon.query.elsewhere.whole import plain_sql, tables_of, with_sources
from datamon.query.engine import understood
from datamon.query.index.opening import Index
from datamon.query.language.faults import Span, fault
from datamon.query.language.statement import Select
from datamon.query.place import NOWHERE, Place
from datamon.query.relations import RELATIONS
from datamon.query.safety import check
from datamon.store.opening import Store

Connection = duckdb.DuckDBPyConnection
RUN_BY_US = ("duckdb", "postgres")
"""The dialects whose SQL our tests run. Of that of the others they know that it parses."""


def explain(
    store: Store,
    text: str,
    dialect: str,
    *,
    index: Index,
    params: Mapping[str, object] | None = None,
    place: Place = NOWHERE,
) -> Answer:
    """The lines of the SELECT that `EXPLAIN …` is in that dialect, over the tables as `index push` names them (for duckdb, as
    this machine's index does). Sources that no tables answer stand in it by their names, and a line says so.

    Raises Invalid (`bad-statement`) for what is no EXPLAIN or cannot be said in that dialect, and as `engine.ask`.
    """
    asking = Asking(store, text, dict(params or {}), place)
    statement = understood(asking)
    if not isinstance(statement, Select) or not statement.explain:
        said = "--dialect shows the SQL of a statement; write EXPLAIN before it"
        raise fault(text, Span(0, 1), said)
    with index.connect() as connection, asking.closing:
        find_runs(asking, statement, connection)
        names = [placed.name for placed in statement.sources]
        if len(statement.pieces) > 1 or not names:
            check(connection, compile_select(statement), {*RELATIONS, *names})
        lines = spelled_out(asking, statement, connection, dialect)
    if dialect not in RUN_BY_US:
        lines = [f"-- not run: of the SQL for {dialect} it is known that it parses, and no more", *lines]
    return Answer(("sql",), ("VARCHAR",), [(line,) for line in lines])


def spelled_out(asking: Asking, select: Select, connection: Connection, dialect: str = "duckdb") -> list[str]:
    """The lines of that SELECT, after what there is to say of it. Raises Invalid (`bad-statement`), and as the sources do."""
    compiled = {
        placed.name: source_sql(asking, asking.world(connection, placed.source), placed) for placed in select.sources
    }
    spelled = {name: sql for name, sql in compiled.items() if sql is not None}
    schema = None if dialect == "duckdb" else DEFAULT_SCHEMA
    try:
        if len(select.pieces) == 1 and spelled:
            [sql] = spelled.values()
        elif len(select.pieces) == 1:
            sql = plain_sql(select, asking.params)
        else:
            sql = with_sources(plain_sql(select, asking.params), spelled, tables_of(select))
        text = translated(sql, dialect, schema=schema, pretty=True)
    except SqlglotError as error:
        raise fault(asking.text, Span(0, 1), f"this cannot be said in the SQL of {dialect}") from error
    lines = [f"-- {note}" for note in asking.notes]
    lines += [
        f"-- {name} is answered where it is asked: no tables give its rows" for name in compiled if name not in spelled
    ]
    return [*lines, *text.splitlines()]
