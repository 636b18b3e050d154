"""From a source in a statement to its rows."""

import duckdb

from datamon.errors import DatamonError
from datamon.query.asking import Asking, Row, Rows
from datamon.query.compile import compile_predicate, parameters
from datamon.query.complaints import complaint
from datamon.query.facts import gather_facts
from datamon.query.language.faults import fault, hint, pointing
from datamon.query.language.references import Target
from datamon.query.language.statement import CAUSES, Closure, Placed, Produced, Stale
from datamon.query.language.tokens import Token
from datamon.query.relations import RELATIONS
from datamon.query.safety import check
from datamon.query.sources import closure, produced, stale
from datamon.query.sources.deleted import TOLD, note_deleted
from datamon.query.sources.tables import put_table
from datamon.query.values import runs_of, text_of
from datamon.store.bundle import CopiedFrom
from datamon.store.clock import timestamp
from datamon.store.repos import find_repo


def rows_of(asking: Asking, connection: duckdb.DuckDBPyConnection, placed: Placed) -> Rows:
    """The rows of a source, whose references have their targets. Raises errors of ours that point at their place."""
    source = placed.source
    if isinstance(source, Closure):
        return _closure(asking, connection, placed.name, source)
    if isinstance(source, Produced):
        return _produced(asking, connection, source)
    return _stale(asking, connection, source)


def _closure(asking: Asking, connection: duckdb.DuckDBPyConnection, name: str, source: Closure) -> Rows:
    target = asking.target(source.ref)
    if target.path and source.direction == "upstream":
        asking.note("files are not followed one by one upstream: this is what the whole bundle came from")
    stops = _stop_rule(asking, connection, name, source.stop_at) if source.stop_at else None
    within = runs_of(asking.text, source.within, asking.params) if source.within else None
    walk = closure.Walk(source.direction, target, source.at, within, source.including, stops)
    walked = closure.closure_rows(connection, walk)
    if walked.truncated:
        asking.note(f"only the nearest {walk.cap:,} rows are shown; WITHIN or STOP AT narrow it")
    note_deleted(asking, connection, walked.deleted, shown="deleted" in source.including)
    return Rows(closure.COLUMNS, walked.rows, walked.truncated)


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
            raise complaint(error, compiled, [name for name, _ in closure.CANDIDATE_COLUMNS]) from error

    return stopped


def _produced(asking: Asking, connection: duckdb.DuckDBPyConnection, source: Produced) -> Rows:
    target = asking.target(source.ref)
    rows = produced.producers(asking.store, connection, target)
    written = [str(row[produced.BUNDLE]) for row in rows if row[produced.BUNDLE] != target.id]
    note_deleted(asking, connection, written, shown=True)
    if not rows:
        asking.note(f"no recorded run wrote it: {_who_committed(connection, target)}")
        for original in target.copied_from[:TOLD]:
            asking.note(f"it is a copy of {_told(original)}")
    return Rows(produced.COLUMNS, rows)


def _told(original: CopiedFrom) -> str:
    by = f"by the run {original.run}" if original.run else f"by {original.author.name}"
    when = timestamp(original.time_ns)
    return f"{original.repo_name}@{original.bundle} in the store {original.store}, made {by} at {when}; ask there"


def _who_committed(connection: duckdb.DuckDBPyConnection, target: Target) -> str:
    rows = connection.execute("SELECT author, time FROM with_system.bundles WHERE id = ?", [target.id]).fetchall()
    did = "promoted" if target.copied_from else "uploaded"
    return f"{rows[0][0]} {did} bundle {target.id} at {rows[0][1]:%Y-%m-%d %H:%M:%S} UTC" if rows else "it was uploaded"


def _stale(asking: Asking, connection: duckdb.DuckDBPyConnection, source: Stale) -> Rows:
    repo = _repo(asking, source)
    because = _cause(asking, source)
    targets = _judged(asking, connection, source)
    facts = gather_facts(asking.store, connection, asking.place, asked=[target.id for target in targets or ()])
    asked = stale.Asked(targets, repo, because, "frozen" in source.including)
    rows = stale.stale_rows(facts, asked)
    if source.of is not None and not rows:
        asking.note("it is not stale" + (f" because of {because}" if because else ""))
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
    target = asking.target(source.of)
    if target.kind == "bundle":
        return (target,)
    try:
        return tuple(stale.written_by(connection, target.id))
    except DatamonError as error:
        raise pointing(error, asking.text, source.of.span) from error
