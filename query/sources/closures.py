"""From UPSTREAM OF, DOWNSTREAM OF and AFFECTED BY in a statement to their rows."""

from dataclasses import replace

import duckdb

from datamon.query.asking import Asking, Row, Rows, World
from datamon.query.compile import compile_predicate, parameters
from datamon.query.complaints import complaint
from datamon.query.facts import opened_runs
from datamon.query.graph.in_memory import Kept, Node
from datamon.query.inferred import COLUMNS as INFERRED_COLUMNS
from datamon.query.inferred import inferred_rows
from datamon.query.interruptible import interruptible
from datamon.query.language.column_names import check_by_column, is_by_column
from datamon.query.language.faults import fault
from datamon.query.language.statement import Affected, Closure, Options, Ref
from datamon.query.language.tokens import Token
from datamon.query.relations import RELATIONS
from datamon.query.revisions import changed_code
from datamon.query.safety import check
from datamon.query.sources import closure
from datamon.query.sources.deleted import note_deleted
from datamon.query.sources.files import file_rows, is_by_file
from datamon.query.sources.starts import Starts, starts_of
from datamon.query.sources.tables import put_table
from datamon.query.values import runs_of, text_of

AFFECTED_COLUMNS = (*closure.COLUMNS, ("cause", "VARCHAR"))


def rows_of_closure(asking: Asking, world: World, name: str, source: Closure) -> Rows:
    """The rows of a closure. Raises errors that point at their place."""
    by_column = is_by_column(source.ref, source.options)
    if by_column:
        check_by_column(asking.text, source.ref, source.options)
    starts = starts_of(asking, world, source.ref)
    if by_column:
        return Rows(
            closure.COLUMNS, *_by_column(asking, world, source.ref, walk_of(asking, world, name, source, starts))
        )
    by_file = is_by_file(source)
    if starts.target is not None and starts.target.path and source.direction == "upstream" and not by_file:
        asking.note("without AT file, files are not followed one by one: this is what the whole bundle came from")
    walk = walk_of(asking, world, name, source, starts)
    return Rows(closure.COLUMNS, *_walked(asking, world, walk, by_file=by_file))


def walk_of(asking: Asking, world: World, name: str, source: Closure, starts: Starts) -> closure.Walk:
    """The closure of a statement with its values."""
    options = source.options
    return closure.Walk(
        direction=source.direction,
        starts=starts.nodes,
        at=options.at,
        within=runs_of(asking.text, options.within, asking.params) if options.within else None,
        deleted="deleted" in options.including,
        kept=kept(options),
        target=starts.target,
        themselves=starts.themselves,
        stops=rule(asking, world, f"{name}_stops", options.stop_at),
        via=rule(asking, world, f"{name}_via", options.via),
        inferred=_inferred(asking, world, source),
    )


def _inferred(asking: Asking, world: World, source: Closure) -> tuple[tuple[str, str], ...]:
    if "inferred" not in source.options.including:
        return ()
    if is_by_file(source):
        said = "INCLUDING inferred is of whole bundles; leave it out, or AT file (and file before the reference)"
        raise fault(asking.text, source.ref.span, said)
    rows = inferred_rows(world.connection, world.store)
    places = [[name for name, _ in INFERRED_COLUMNS].index(name) for name in ("bundle_from", "bundle_to")]
    return tuple((str(row[places[0]]), str(row[places[1]])) for row in rows)


def kept(options: Options) -> Kept:
    """The edges that the options of a source let count."""
    return Kept(failed="failed" in options.including, system="system" in options.including, using=options.using)


def _walked(asking: Asking, world: World, walk: closure.Walk, *, by_file: bool) -> tuple[list[Row], bool]:
    walked = file_rows(asking, world, walk) if by_file else closure.closure_rows(world.connection, walk)
    return _told(asking, world, walk, walked)


def _by_column(asking: Asking, world: World, ref: Ref, walk: closure.Walk) -> tuple[list[Row], bool]:
    from datamon.query.sources.columns import column_rows  # brings sqlglot, 90 ms

    return _told(asking, world, walk, column_rows(asking, world, ref, walk))


def _told(asking: Asking, world: World, walk: closure.Walk, walked: closure.Walked) -> tuple[list[Row], bool]:
    if walked.truncated:
        asking.note(f"only the nearest {walk.cap:,} rows are shown; WITHIN or STOP AT narrow it")
    note_deleted(asking, world.connection, walked.passed, shown=walk.deleted)
    return walked.rows, walked.truncated


def rule(asking: Asking, world: World, name: str, predicate: tuple[Token, ...]) -> closure.Rule | None:
    """How a STOP AT or VIA predicate is evaluated: by the engine, as the WHERE of a SELECT over candidates."""
    if not predicate:
        return None
    connection = world.connection
    compiled = compile_predicate(asking.text, predicate, name)
    check(connection, compiled, {*RELATIONS, name})
    values = {each: asking.params[each] for each in parameters(predicate)}

    def holds(rows: list[Row]) -> frozenset[str]:
        put_table(connection, name, closure.CANDIDATE_COLUMNS, rows)
        try:
            rows = interruptible(connection, lambda: connection.execute(compiled.sql, values or None).fetchall())
            return frozenset(str(identity) for (identity,) in rows)
        except duckdb.Error as error:
            raise complaint(error, compiled, [name for name, _ in closure.CANDIDATE_COLUMNS]) from error

    return holds


def rows_of_affected(asking: Asking, world: World, name: str, source: Affected) -> Rows:
    """What would become stale: everything downstream through branches and labels. What was read by an id or as an ancestor does
    not move, so nothing is passed on there. The cause is that of the change where it is met first, `upstream` beyond."""
    by_column = is_by_column(source.change, source.options)
    if by_column:
        check_by_column(asking.text, source.change, source.options)
    starts, cause = change_of(asking, world, source.change)
    walk = walk_of(asking, world, name, Closure("downstream", source.change, source.options), starts)
    walk = replace(walk, kept=replace(walk.kept, pinned=False))
    if by_column:
        rows, truncated = _by_column(asking, world, source.change, walk)
    else:
        rows, truncated = _walked(asking, world, walk, by_file=is_by_file(source))
    depth = [column for column, _ in closure.COLUMNS].index("depth")
    return Rows(AFFECTED_COLUMNS, [(*row, cause if row[depth] == 1 else "upstream") for row in rows], truncated)


def change_of(asking: Asking, world: World, ref: Ref) -> tuple[Starts, str]:
    """Where a change begins to act, and which cause it is there. Raises errors that point at the reference."""
    if ref.form == "run":
        said = "a run cannot change; name one of its outputs as 'repo@id', or its step as step 'pipeline/name'"
        raise fault(asking.text, ref.span, said)
    if ref.form == "step":
        return _of_step(asking, world, ref), "code"
    if ref.form == "code":
        typed = text_of(asking.text, ref.value, asking.params)
        runs = opened_runs(world.connection, _newest_runs(world))
        changed = sorted(changed_code(asking, ref, typed, runs))
        asking.note(f"code {typed!r} changes the code of {len(changed):,} step{'' if len(changed) == 1 else 's'}")
        return Starts(tuple(Node("run", run) for run in changed), themselves=True), "code"
    cause = ref.form if ref.form in ("env", "param") else "input"
    return starts_of(asking, world, ref), cause


def _of_step(asking: Asking, world: World, ref: Ref) -> Starts:
    """The runs of the step that a reference names: what would be made anew with other code."""
    target = asking.target(ref)
    rows = world.connection.execute(
        """SELECT r.id FROM runs r JOIN runs t ON t.pipeline = r.pipeline AND t.step = r.step
        WHERE t.id = ? AND r.status = 'succeeded' ORDER BY r.id""",
        [target.id],
    ).fetchall()
    return Starts(tuple(Node("run", run) for (run,) in rows), themselves=True)


def _newest_runs(world: World) -> list[str]:
    """The newest successful run of each slot: those whose code counts for staleness."""
    rows = world.connection.execute(
        """SELECT DISTINCT run FROM (
            SELECT o.run FROM outputs o JOIN runs r ON r.id = o.run JOIN bundles b ON b.id = o.bundle AND b.repo = o.repo
            WHERE r.status = 'succeeded'
            QUALIFY row_number() OVER (
                PARTITION BY r.pipeline, r.step, o.role, o.repo, o.branch ORDER BY b.position DESC, o.run DESC) = 1)
        ORDER BY run"""
    ).fetchall()
    return [run for (run,) in rows]
