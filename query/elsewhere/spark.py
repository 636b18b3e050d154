"""Statements answered by the user's Spark: it scans files, params and metrics, in the Parquet segments of the store.

Whatever walks the lineage is found on this machine, from its index, and goes to Spark as a table of ids beside the relations that
the index holds. So a question that names none of the large relations is better asked without Spark.
"""

import re
import warnings
from collections.abc import Mapping
from typing import Any

import duckdb
from sqlglot.errors import SqlglotError

from datamon.errors import Unavailable
from datamon.query.answer import Answer
from datamon.query.asking import Asking, Row, find_runs
from datamon.query.columns.recorded import attach_columns
from datamon.query.compile import compile_select
from datamon.query.describing import describe, list_relations
from datamon.query.elsewhere.dialects import translated
from datamon.query.elsewhere.scans import SCANNED, scan
from datamon.query.elsewhere.shapes import in_shape, shape_of
from datamon.query.elsewhere.whole import plain_sql, tables_of, with_sources
from datamon.query.engine import ask, understood
from datamon.query.index.opening import Index
from datamon.query.index.sealed import MOST_ROWS
from datamon.query.inferred import attach_inferred
from datamon.query.language.faults import fault
from datamon.query.language.statement import Describe, Select
from datamon.query.place import NOWHERE, Place
from datamon.query.relations import RELATIONS
from datamon.query.safety import check
from datamon.query.sources.evaluate import rows_of
from datamon.query.sources.tables import put_table
from datamon.store.external.access import Access
from datamon.store.external.spark import SparkEngine, shown_failure
from datamon.store.opening import Store

_OF_THE_STATEMENT = re.compile(r"\[[A-Z0-9_.]+\] ")
"""How Spark's messages begin that are about what was asked."""
_SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.caseSensitive": "false"}


def ask_spark(
    store: Store,
    text: str,
    access: Access,
    *,
    index: Index,
    params: Mapping[str, object] | None = None,
    place: Place = NOWHERE,
) -> Answer:
    """The answer to one statement, in the same rows and types as `engine.ask`; `access` is how tasks open the store.

    A bare source and EXPLAIN need no Spark and start none. There is no limit of time: Ctrl-C ends it. Raises as `engine.ask`;
    Invalid (`missing-extra`, `bad-config`: tasks could not open the store), Unavailable (`engine-unavailable`).
    """
    asking = Asking(store, text, dict(params or {}), place)
    statement = understood(asking)
    if not isinstance(statement, Select):
        return describe(statement) if isinstance(statement, Describe) else list_relations()
    if statement.explain or (len(statement.pieces) == 1 and len(statement.sources) == 1):
        return ask(store, text, params=params, place=place, index=index)
    access.check()
    engine = SparkEngine()
    with index.connect() as connection, asking.closing:
        find_runs(asking, statement, connection)
        return _answer(asking, statement, connection, engine, access)


def _answer(
    asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection, engine: SparkEngine, access: Access
) -> Answer:
    names = [placed.name for placed in select.sources]
    read = check(connection, compile_select(select), {*RELATIONS, *names})
    tables = tables_of(select)
    truncated = False
    for placed in select.sources:
        found = rows_of(asking, connection, placed)
        put_table(connection, placed.name, found.columns, found.rows)
        tables[placed.name] = found.columns
        truncated = truncated or found.truncated
    if "files" in read:  # empty: only what type its columns have is asked of it here
        put_table(connection, "files", tables["files"], [])
    if "inferred" in read:
        attach_inferred(connection, asking.store)
    if "columns" in read:
        attach_columns(connection, asking.store)
    known = {name: tables[name] for name in (*read, *names)}
    shape = shape_of(asking, select, connection, known)
    sql = _sql(asking, select, known)
    with engine, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # pyspark's, of the versions of what it is used with
        session = engine.session.newSession()
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
        for name in known:
            frame = (
                scan(session, asking.store, access, connection, name)
                if name in SCANNED
                else session.createDataFrame(connection.sql(f'FROM "{name}"').to_arrow_table())
            )
            frame.createOrReplaceTempView(name)
        rows = _rows(asking, select, engine, session, sql)
    return in_shape(asking, shape, rows, truncated)


def _sql(asking: Asking, select: Select, tables: Mapping[str, Any]) -> str:
    try:
        return translated(with_sources(plain_sql(select, asking.params), {}, tables), "spark")
    except SqlglotError as error:
        said = "this cannot be said in Spark's SQL; ask it without --engine, or in plainer SQL"
        raise fault(asking.text, compile_select(select).spans[0], said) from error


def _rows(asking: Asking, select: Select, engine: SparkEngine, session: Any, sql: str) -> list[Row]:
    """What Spark answers. Instants come as UTC without a zone, as all our times are."""
    try:
        answered = session.sql(sql)
        named = answered.toDF(*(f"c{place}" for place in range(len(answered.columns))))
        zoned = {name for name, kind in named.dtypes if kind == "timestamp"}
        cast = [f"CAST({name} AS timestamp_ntz) AS {name}" if name in zoned else name for name in named.columns]
        return [tuple(map(_plain, row)) for row in named.selectExpr(*cast).take(MOST_ROWS + 1)]
    except engine.failures as error:
        said = shown_failure(error)
        if _OF_THE_STATEMENT.match(said):
            place = compile_select(select).spans[0]
            raise fault(asking.text, place, f"Spark cannot answer this: {said}") from error
        raise Unavailable("engine-unavailable", f"Spark gave the statement up ({said}); ask it again") from error


def _plain(value: Any) -> object:
    """A value as this machine's engine gives it: structures as dicts."""
    if isinstance(value, tuple) and hasattr(value, "asDict"):
        return {name: _plain(each) for name, each in value.asDict().items()}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
