"""Answering: one statement in, one table out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from datamon.query.answer import Answer
from datamon.query.asking import Asking, Row, Rows, find_bundles, find_runs
from datamon.query.compile import Compiled, compile_select, parameters
from datamon.query.complaints import complaint
from datamon.query.describing import describe, list_relations
from datamon.query.drawing.drawn import AnswerGraph
from datamon.query.index.opening import Index, open_index
from datamon.query.index.sealed import MOST_ROWS
from datamon.query.interruptible import interruptible
from datamon.query.language.faults import fault
from datamon.query.language.parse import parse
from datamon.query.language.statement import Describe, Placed, Select, Stale, Statement
from datamon.query.language.tokens import tokenize
from datamon.query.place import NOWHERE, Place
from datamon.query.relations import RELATIONS
from datamon.query.safety import check
from datamon.query.sources.tables import put_table
from datamon.query.values import check_given, text_of
from datamon.store.opening import Store

_MADE_WHEN_ASKED = frozenset({"files", "inferred", "columns"})
"""Relations that are no views over the index."""


def ask(
    store: Store,
    text: str,
    *,
    params: Mapping[str, object] | None = None,
    place: Place = NOWHERE,
    index: Index | None = None,
    planned: Callable[[str], None] | None = None,
) -> Answer:
    """The answer to one statement of the language, with everything that was durable in the store before the call.

    `params` are the values of its `$name`s; they are bound, never pasted. `place` is the working tree that `now` means for the
    causes `code` and `param`. Without `index` one is made that lives as long as this call. `planned` is given the SQL of a
    statement that was answered by SQL alone, which depends on nothing but its text.

    Raises Invalid (`bad-statement`, `bad-reference`, …) or Denied (`statement-refused`) pointing at line and column, NotFound for
    names that nothing has, Unavailable (`query-stopped`) at a limit.
    """
    asking = Asking(store, text, dict(params or {}), place)
    statement = understood(asking)
    if not isinstance(statement, Select):
        return describe(statement) if isinstance(statement, Describe) else list_relations()
    with (index or open_index(store)).connect(about=_relations_in(statement)) as connection:
        answer = _answer(asking, statement, connection)
    if planned is not None and asking.plan is not None:
        planned(asking.plan)
    return answer


def _relations_in(select: Select) -> str | None:
    """The text that names every relation that is read for the statement; None where others may be."""
    made = any(name in select.text.lower() for name in _MADE_WHEN_ASKED)
    return None if select.sources or select.explain or made else select.text


def ask_on(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    text: str,
    *,
    params: Mapping[str, object] | None = None,
    place: Place = NOWHERE,
) -> Answer:
    """As `ask`, over a connection of the store's index that is open already: for several questions about one state."""
    asking = Asking(store, text, dict(params or {}), place)
    statement = understood(asking)
    if not isinstance(statement, Select):
        return describe(statement) if isinstance(statement, Describe) else list_relations()
    return _answer(asking, statement, connection)


def understood(asking: Asking) -> Statement:
    """The statement, with its values at hand and its bundles found: before the index is read, so that the index knows them."""
    statement = parse(asking.text)
    check_given(asking.text, tokenize(asking.text), asking.params)
    if isinstance(statement, Select):
        find_bundles(asking, statement)
    return statement


def _answer(asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection) -> Answer:
    compiled = compile_select(select)
    try:
        with asking.closing:
            return _run(asking, select, compiled, connection)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
        raise complaint(error, compiled, ()) from error


def _run(asking: Asking, select: Select, compiled: Compiled, connection: duckdb.DuckDBPyConnection) -> Answer:
    find_runs(asking, select, connection)
    names = [placed.name for placed in select.sources]
    bare = len(select.pieces) == 1 and len(names) == 1
    read = frozenset() if bare else check(connection, compiled, {*RELATIONS, *names})
    if select.explain:
        return _explained(asking, select, connection)
    if not _MADE_WHEN_ASKED.isdisjoint(read):
        _make(asking, connection, read)
    columns = {column.name for name in read if name in RELATIONS for column in RELATIONS[name].columns}
    truncated = False
    for placed in select.sources:
        from datamon.query.sources.evaluate import rows_of  # 60 ms that a plain SELECT does without

        found = rows_of(asking, connection, placed)
        if bare:
            answer = _bare(asking, placed, found)
            return replace(answer, graph=_drawn(asking, connection, placed, found)) if select.graph else answer
        put_table(connection, placed.name, found.columns, found.rows)
        truncated = truncated or found.truncated
        columns.update(name for name, _ in found.columns)
    values = {name: asking.params[name] for name in parameters(select.pieces)}
    alone = not select.sources and not values and _MADE_WHEN_ASKED.isdisjoint(read)
    return _selected(asking, _Query(compiled, values, frozenset(columns), alone), connection, truncated)


def _make(asking: Asking, connection: duckdb.DuckDBPyConnection, read: frozenset[str]) -> None:
    """The relations that are made for one question are there."""
    from datamon.query.files import attach_files  # as above, both
    from datamon.query.inferred import attach_inferred

    if "files" in read:
        attach_files(connection, asking.store)
    if "inferred" in read:
        attach_inferred(connection, asking.store)
    if "columns" in read:
        from datamon.query.columns.recorded import attach_columns  # brings sqlglot, 90 ms

        attach_columns(connection, asking.store)


def _drawn(asking: Asking, connection: duckdb.DuckDBPyConnection, placed: Placed, found: Rows) -> AnswerGraph:
    from datamon.query.sources.graphs import graph_of  # only what GRAPH needs

    return graph_of(asking, connection, placed, found)


def _bare(asking: Asking, placed: Placed, found: Rows) -> Answer:
    """The answer of a source that is the whole statement: no SQL runs. That nothing is stale is said in words as well."""
    if not found.rows and isinstance(placed.source, Stale) and placed.source.of is None:
        asking.note(_nothing_stale(asking, placed.source))
    columns, types = zip(*found.columns, strict=True)
    return Answer(tuple(columns), tuple(types), found.rows, found.truncated, asking.notes)


def _nothing_stale(asking: Asking, source: Stale) -> str:
    """No more than was asked: what lies in another repo, or has another cause, may well be stale."""
    within = f" in {text_of(asking.text, source.repo, asking.params)!r}" if source.repo else ""
    because = f" because of {text_of(asking.text, source.because, asking.params)}" if source.because else ""
    return f"nothing{within} is stale{because}"


def _explained(asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection) -> Answer:
    from datamon.query.elsewhere.explaining import spelled_out  # brings sqlglot, 90 ms, and only EXPLAIN needs it

    lines = [f"-- {placed.name}: {_typed(asking, placed)}" for placed in select.sources]
    lines += spelled_out(asking, select, connection)
    return Answer(("sql",), ("VARCHAR",), [(line,) for line in lines])


def _typed(asking: Asking, placed: Placed) -> str:
    return " ".join(asking.text[placed.span.start : placed.span.end].split())


@dataclass(frozen=True, slots=True)
class _Query:
    """What the engine runs: SQL, the values bound to it, and the columns that it could mean. `alone`: it says all."""

    compiled: Compiled
    values: dict[str, object]
    columns: frozenset[str]
    alone: bool


def _selected(asking: Asking, query: _Query, connection: duckdb.DuckDBPyConnection, truncated: bool) -> Answer:
    compiled = query.compiled

    def run() -> tuple[list[Row], list[Any]]:
        connection.execute(compiled.sql, query.values or None)
        sql = _without_zones(connection, compiled.sql)
        if sql != compiled.sql:
            connection.execute(sql, query.values or None)
        asking.plan = sql if query.alone else None
        return connection.fetchmany(MOST_ROWS + 1), connection.description or []

    try:
        rows, described = interruptible(connection, run)
    except duckdb.Error as error:
        raise complaint(error, compiled, query.columns) from error
    except (OverflowError, ValueError) as error:
        said = f"a value has no form in Python ({error}); cast it to VARCHAR"
        raise fault(compiled.text, compiled.spans[0], said) from error
    if len(rows) > MOST_ROWS:
        del rows[MOST_ROWS:]
        truncated = True
        asking.note(f"only the first {MOST_ROWS:,} rows are shown")
    columns = tuple(str(column[0]) for column in described)
    return Answer(columns, tuple(str(column[1]) for column in described), rows, truncated, asking.notes)


def _without_zones(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The same SELECT with instants as UTC without a zone, as all our times are; the SELECT itself when it has none."""
    described = connection.description or []
    if not any(str(column[1]) == "TIMESTAMP WITH TIME ZONE" for column in described):
        return sql
    names = [f"c{n}" for n in range(len(described))]
    shown_as = [
        f"{name} AT TIME ZONE 'UTC' AS {_quoted(column[0])}"
        if "ZONE" in str(column[1])
        else f"{name} AS {_quoted(column[0])}"
        for name, column in zip(names, described, strict=True)
    ]
    return f"SELECT {', '.join(shown_as)} FROM (\n{sql}\n) AS answered({', '.join(names)})"  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
