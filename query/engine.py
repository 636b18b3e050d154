"""Answering: one statement in, one table out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
from datamon.query.facts import gather_facts

from datamon.errors import DatamonError
from datamon.query.answer import Answer
from datamon.query.compile import Compiled, compile_predicate, compile_select, parameters, shown
from datamon.query.complaints import complaint
from datamon.query.files import attach_files
from datamon.query.index.opening import Index, open_index
from datamon.query.language.faults import fault, hint, pointing
from datamon.query.language.parse import parse
from datamon.query.language.references import Target, bundle_target, is_of_run, run_target
from datamon.query.language.statement import (
    CAUSES,
    Closure,
    Describe,
    Placed,
    Produced,
    Ref,
    Select,
    Source,
    Stale,
    Statement,
)
from datamon.query.language.tokens import Token, tokenize
from datamon.query.place import NOWHERE, Place
from datamon.query.relations import RELATIONS, describe, list_relations
from datamon.query.safety import check
from datamon.query.sources import closure, produced, stale
from datamon.query.sources.tables import put_table
from datamon.query.values import Params, check_given, runs_of, text_of
from datamon.store.opening import Store
from datamon.store.repos import find_repo

Row = tuple[object, ...]
Columns = Sequence[tuple[str, str]]
MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """What a source gives."""

    columns: Columns
    rows: list[Row]
    truncated: bool = False


@dataclass(slots=True)
class Asking:
    """One statement being answered: where, with which values, and what has been found out so far."""

    store: Store
    text: str
    params: Params
    place: Place
    targets: dict[int, Target] = field(default_factory=dict)
    """By where the reference begins in the statement."""
    notes: list[str] = field(default_factory=list)


def ask(
    store: Store,
    text: str,
    *,
    params: Mapping[str, object] | None = None,
    place: Place = NOWHERE,
    index: Index | None = None,
) -> Answer:
    """The answer to one statement of the language, with everything that was durable in the store before the call.

    `params` are the values of its `$name`s; they are bound, never pasted. `place` is the working tree that `now` means for the
    causes `code` and `param`. Without `index` one is made that lives as long as this call.

    Raises Invalid (`bad-statement`, `bad-reference`, …) or Denied (`statement-refused`) pointing at line and column, NotFound for
    names that nothing has, Unavailable (`query-stopped`) at a limit.
    """
    asking = Asking(store, text, dict(params or {}), place)
    statement = _understood(asking)
    if not isinstance(statement, Select):
        return describe(statement) if isinstance(statement, Describe) else list_relations()
    with (index or open_index(store)).connect() as connection:
        return _answer(asking, statement, connection)


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
    statement = _understood(asking)
    if not isinstance(statement, Select):
        return describe(statement) if isinstance(statement, Describe) else list_relations()
    return _answer(asking, statement, connection)


def _understood(asking: Asking) -> Statement:
    """The statement, with its values at hand and its bundles found: before the index is read, so that the index knows them."""
    statement = parse(asking.text)
    check_given(asking.text, tokenize(asking.text), asking.params)
    if isinstance(statement, Select):
        _resolve_bundles(asking, statement)
    return statement


def _answer(asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection) -> Answer:
    _resolve_runs(asking, select, connection)
    compiled = compile_select(select)
    names = [placed.name for placed in select.sources]
    bare = len(select.pieces) == 1 and len(names) == 1
    read = frozenset() if bare else check(connection, compiled, {*RELATIONS, *names})
    if select.explain:
        return _explained(asking, select)
    if "files" in read:
        attach_files(connection, asking.store)
    truncated = False
    for placed in select.sources:
        found = _rows(asking, connection, placed)
        truncated = truncated or found.truncated
        if bare:
            return _bare(asking, found)
        put_table(connection, placed.name, found.columns, found.rows)
    return _run(asking, compiled, parameters(select.pieces), connection, truncated)


def _bare(asking: Asking, found: Rows) -> Answer:
    """The answer of a source that is the whole statement: no SQL runs."""
    columns, types = zip(*found.columns, strict=True)
    return Answer(tuple(columns), tuple(types), found.rows, found.truncated, asking.notes)


def _explained(asking: Asking, select: Select) -> Answer:
    lines = [f"-- {placed.name}: {_typed(asking, placed)}" for placed in select.sources]
    lines += [f"-- {note}" for note in asking.notes]
    return Answer(("sql",), ("VARCHAR",), [("\n".join([*lines, shown(select)]),)])


def _typed(asking: Asking, placed: Placed) -> str:
    return " ".join(asking.text[placed.span.start : placed.span.end].split())


def _run(
    asking: Asking, compiled: Compiled, names: frozenset[str], connection: duckdb.DuckDBPyConnection, truncated: bool
) -> Answer:
    values = {name: asking.params[name] for name in names}
    try:
        connection.execute(compiled.sql, values or None)
        sql = _without_zones(connection, compiled.sql)
        if sql != compiled.sql:
            connection.execute(sql, values or None)
        described = connection.description or []
        rows = connection.fetchmany(MOST_ROWS + 1)
    except duckdb.Error as error:
        raise complaint(error, compiled) from error
    if len(rows) > MOST_ROWS:
        del rows[MOST_ROWS:]
        truncated = True
        asking.notes.append(f"only the first {MOST_ROWS:,} rows are shown")
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


def _resolve_bundles(asking: Asking, select: Select) -> None:
    """Finds what references to bundles and files mean."""
    for source in _sources(select):
        if source.ref is not None and not is_of_run(source.ref):
            deleted = isinstance(source.source, Closure) and "deleted" in source.source.including
            target = bundle_target(asking.store, asking.text, source.ref, asking.params, deleted=deleted)
            _keep(asking, source.ref, target)


def _resolve_runs(asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection) -> None:
    for source in _sources(select):
        if source.ref is not None and is_of_run(source.ref):
            if isinstance(source.source, Produced):
                said = "expected a bundle or a file; UPSTREAM OF says what a run read"
                raise fault(asking.text, source.ref.span, said)
            _keep(asking, source.ref, run_target(connection, asking.text, source.ref, asking.params))


@dataclass(frozen=True, slots=True)
class _Referring:
    source: Source
    ref: Ref | None


def _sources(select: Select) -> list[_Referring]:
    found = []
    for placed in select.sources:
        source = placed.source
        found.append(_Referring(source, source.of if isinstance(source, Stale) else source.ref))
    return found


def _keep(asking: Asking, ref: Ref, target: Target) -> None:
    asking.targets[ref.span.start] = target
    if target.note not in asking.notes:
        asking.notes.append(target.note)


def _rows(asking: Asking, connection: duckdb.DuckDBPyConnection, placed: Placed) -> Rows:
    source = placed.source
    if isinstance(source, Closure):
        return _closure(asking, connection, placed.name, source)
    if isinstance(source, Produced):
        return _produced(asking, connection, source)
    return _stale(asking, connection, source)


def _closure(asking: Asking, connection: duckdb.DuckDBPyConnection, name: str, source: Closure) -> Rows:
    target = asking.targets[source.ref.span.start]
    if target.path and source.direction == "upstream":
        asking.notes.append("files are not followed one by one upstream: this is what the whole bundle came from")
    stops = _stop_rule(asking, connection, name, source.stop_at) if source.stop_at else None
    within = runs_of(asking.text, source.within, asking.params) if source.within else None
    walk = closure.Walk(source.direction, target, source.at, within, source.including, stops)
    rows, truncated = closure.closure_rows(connection, walk)
    if truncated:
        asking.notes.append(f"only the nearest {walk.cap:,} rows are shown; WITHIN or STOP AT narrow it")
    return Rows(closure.COLUMNS, rows, truncated)


def _stop_rule(
    asking: Asking, connection: duckdb.DuckDBPyConnection, name: str, predicate: tuple[Token, ...]
) -> closure.StopRule:
    """How a STOP AT predicate is evaluated: by the engine, as the WHERE of a SELECT over candidates."""
    candidates = f"{name}_candidates"
    compiled = compile_predicate(asking.text, predicate, candidates)
    check(connection, compiled, {*RELATIONS, candidates})
    values = {each: asking.params[each] for each in parameters(predicate)}

    def stopped(rows: list[Row]) -> frozenset[str]:
        put_table(connection, candidates, closure.CANDIDATE_COLUMNS, rows)
        try:
            return frozenset(identity for (identity,) in connection.execute(compiled.sql, values or None).fetchall())
        except duckdb.Error as error:
            raise complaint(error, compiled) from error

    return stopped


def _produced(asking: Asking, connection: duckdb.DuckDBPyConnection, source: Produced) -> Rows:
    target = asking.targets[source.ref.span.start]
    rows = produced.producers(asking.store, connection, target)
    if not rows:
        asking.notes.append(f"no recorded run wrote it: {_who_committed(connection, target)}")
    return Rows(produced.COLUMNS, rows)


def _who_committed(connection: duckdb.DuckDBPyConnection, target: Target) -> str:
    rows = connection.execute("SELECT author, time FROM with_system.bundles WHERE id = ?", [target.id]).fetchall()
    return (
        f"{rows[0][0]} uploaded bundle {target.id} at {rows[0][1]:%Y-%m-%d %H:%M:%S} UTC" if rows else "it was uploaded"
    )


def _stale(asking: Asking, connection: duckdb.DuckDBPyConnection, source: Stale) -> Rows:
    repo = _repo(asking, source)
    because = _cause(asking, source)
    targets = _judged(asking, connection, source)
    facts = gather_facts(asking.store, connection, asking.place, asked=[target.id for target in targets or ()])
    asked = stale.Asked(targets, repo, because, "frozen" in source.including)
    rows = stale.stale_rows(facts, asked)
    if source.of is not None and not rows:
        asking.notes.append("it is not stale" + (f" because of {because}" if because else ""))
    return Rows(stale.COLUMNS, rows)


def _repo(asking: Asking, source: Stale) -> str | None:
    if source.repo is None:
        return None
    try:
        return find_repo(asking.store, text_of(asking.text, source.repo, asking.params)).name
    except DatamonError as error:
        if "line" in error.facts:
            raise
        raise pointing(error, asking.text, source.repo.span) from error


def _cause(asking: Asking, source: Stale) -> str | None:
    if source.because is None:
        return None
    cause = text_of(asking.text, source.because, asking.params)
    if cause not in CAUSES:
        said = f"expected a cause: {', '.join(CAUSES)}{hint(cause, CAUSES)}"
        raise fault(asking.text, source.because.span, said)
    return cause


def _judged(asking: Asking, connection: duckdb.DuckDBPyConnection, source: Stale) -> tuple[Target, ...] | None:
    if source.of is None:
        return None
    target = asking.targets[source.of.span.start]
    if target.kind == "bundle":
        return (target,)
    try:
        return tuple(stale.written_by(connection, target.id))
    except DatamonError as error:
        raise pointing(error, asking.text, source.of.span) from error
