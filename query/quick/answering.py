"""Quick answers: the same rows, columns, order and notes as the engine gives."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from datamon.errors import DatamonError
from datamon.query.answer import Answer
from datamon.query.graph.file import GraphFile
from datamon.query.graph.in_memory import Bounds, Kept, Node
from datamon.query.graph.kept import FileGraph
from datamon.query.graph.lookups import FileNames, deletions, producers, run_of_step, runs_like, stood_in_for
from datamon.query.language.references import DEFAULT_PIPELINE, Target
from datamon.query.language.statement import Closure, Produced
from datamon.query.quick.recognised import Question, recognised
from datamon.query.sources import closure, produced
from datamon.query.sources.deleted import told_of_deleted
from datamon.query.values import runs_of, text_of
from datamon.store.opening import Store
from datamon.store.resolve import find_by_part


def answer(
    store: Store, text: str, params: Mapping[str, object] | None = None, *, index_dir: Path | None = None
) -> Answer | None:
    """The answer of `engine.ask` to the statement, with everything that was durable in the store before the call, from the graph
    that is kept below `index_dir`. None when only the engine can answer: the statement needs SQL or is wrong, the store hides
    what it keeps, or the graph is not to be had at once. Raises what reading the store raises."""
    if index_dir is None or store.cover.hides:
        return None
    question = recognised(store, text, dict(params or {}))
    if question is None:
        return None
    with GraphFile(store, index_dir / store.id / "graph").opened() as file, suppress(sqlite3.Error, OverflowError):
        if file is not None:
            return _answered(file, question)
    return None


def _answered(file: sqlite3.Connection, question: Question) -> Answer | None:
    source = question.source
    if isinstance(source, Produced):
        return _produced(file, question)
    if question.target is None:
        question.target = _run(file, question, source)
        if question.target is None:
            return None
        question.note(question.target.note)
    return _closure(file, question, source, question.target)


def _run(file: sqlite3.Connection, question: Question, source: Closure) -> Target | None:
    """The run that the reference means; None when it means none, or several."""
    typed = text_of(question.text, source.ref.value, question.params)
    if source.ref.form == "step":
        pipeline, slash, step = typed.rpartition("/")
        run = run_of_step(file, pipeline if slash else DEFAULT_PIPELINE, step)
    else:
        try:
            run = find_by_part(typed, runs_like(file, typed), kind="run")
        except DatamonError:
            return None
    return None if run is None else Target("run", run, f"{source.ref.form} {typed!r} is run {run}")


def _closure(file: sqlite3.Connection, question: Question, source: Closure, target: Target) -> Answer | None:
    options = source.options
    try:
        within = runs_of(question.text, options.within, question.params) if options.within else None
    except DatamonError:
        return None
    if target.path:
        question.note("without AT file, files are not followed one by one: this is what the whole bundle came from")
    start = Node(target.kind, target.id)
    named = (target.id,) if target.kind == "run" else ()
    kept = Kept(failed="failed" in options.including, system="system" in options.including, runs=named)
    walk = closure.Walk(source.direction, (start,), options.at, within, "deleted" in options.including, kept, target)
    reached = FileGraph(file, kept).closure(
        [start, *stood_in_for(file, [target.id])], source.direction, Bounds(within=within)
    )
    walked = closure.rows_in_order(reached, walk, FileNames(file, [each.node for each in reached]))
    if walked.truncated:
        question.note(f"only the nearest {walk.cap:,} rows are shown; WITHIN or STOP AT narrow it")
    for said in told_of_deleted(deletions(file, walked.passed), shown=walk.deleted):
        question.note(said)
    return _table(closure.COLUMNS, walked.rows, question, truncated=walked.truncated)


def _produced(file: sqlite3.Connection, question: Question) -> Answer | None:
    target = question.target
    assert target is not None, "WHAT PRODUCED asks of bundles"
    rows = producers(file, target.repo, target.content)
    if not rows:
        return None  # the engine tells who uploaded it
    written = [str(row[produced.BUNDLE]) for row in rows if row[produced.BUNDLE] != target.id]
    for said in told_of_deleted(deletions(file, written), shown=True):
        question.note(said)
    return _table(produced.COLUMNS, rows, question)


def _table(
    columns: tuple[tuple[str, str], ...], rows: list[produced.Row], question: Question, *, truncated: bool = False
) -> Answer:
    names, types = zip(*columns, strict=True)
    return Answer(tuple(names), tuple(types), rows, truncated, question.notes)
