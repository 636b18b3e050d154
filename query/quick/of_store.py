"""Quick answers of an open store."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from datamon.query.answer import Answer
from datamon.query.graph.file import GraphFile
from datamon.query.quick import kept_stale
from datamon.query.quick.answering import Told, answered
from datamon.query.quick.spoken import ABOUT_STALENESS, Spoken, spoken
from datamon.store import layout
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

if TYPE_CHECKING:
    from datamon.query.place import Place  # only questions about staleness need one


def answer(
    store: Store,
    text: str,
    *,
    index_dir: Path | None = None,
    place: "Callable[[], Place] | None" = None,
    progress: Progress = SILENT,
) -> Answer | None:
    """The answer of `engine.ask` to the statement, with everything that was durable in the store before the call, from the graph
    that is kept below `index_dir` (`progress` hears when it is made), and for staleness seen from `place`. None when only the
    engine can answer: the statement needs SQL or is wrong, the store hides what it keeps, or the graph is not to be had at
    once. Raises what reading the store raises."""
    asked = None if index_dir is None or store.cover.hides else spoken(text)
    if asked is None or index_dir is None:
        return None
    directory = index_dir / store.id / "graph"
    with GraphFile(store, directory, progress).opened() as file, suppress(sqlite3.Error, OverflowError):
        if file is None:
            return None
        if asked.asks not in ABOUT_STALENESS:
            told = answered(file, asked)
        elif place is None:
            return None
        else:
            told = _judged(store, place(), index_dir, (file, asked))
        return Answer(told.columns, told.types, told.rows, told.truncated, told.notes) if told is not None else None
    return None


def _judged(store: Store, place: "Place", index_dir: Path, question: tuple[sqlite3.Connection, Spoken]) -> Told | None:
    """By the judgement that is kept; where none is, or it no longer stands, all is judged anew and kept."""
    if not can_be_kept(store):
        return None
    directory = index_dir / store.id / "graph"
    size = (Path(store.metadata.url) / layout.JOURNAL_FILE).stat().st_size
    seen = kept_stale.Seen(store.id, size, place.variables)
    kept = kept_stale.open_kept(str(directory), seen)
    if kept is None:
        from datamon.query.judging import judge  # brings duckdb, and mostly what is kept stands

        kept = kept_stale.open_kept(str(directory), seen) if judge(store, index_dir, place, directory) else None
    if kept is None:
        return None
    with closing(kept):
        return kept_stale.answered(kept, *question)


def can_be_kept(store: Store) -> bool:
    """Whether a judgement can be kept: of a store whose files all lie on this machine's disk, in the open."""
    return not store.cover.hides and all(Path(backend.url).is_dir() for backend in (store.metadata, store.blob))
