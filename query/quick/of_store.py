"""Quick answers of an open store."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from datamon.query.answer import Answer
from datamon.query.graph.file import GraphFile
from datamon.query.quick.answering import answered
from datamon.query.quick.spoken import spoken
from datamon.store.opening import Store


def answer(store: Store, text: str, *, index_dir: Path | None = None) -> Answer | None:
    """The answer of `engine.ask` to the statement, with everything that was durable in the store before the call, from the graph
    that is kept below `index_dir`. None when only the engine can answer: the statement needs SQL or is wrong, the store hides
    what it keeps, or the graph is not to be had at once. Raises what reading the store raises."""
    asked = None if index_dir is None or store.cover.hides else spoken(text)
    if asked is None or index_dir is None:
        return None
    with GraphFile(store, index_dir / store.id / "graph").opened() as file, suppress(sqlite3.Error, OverflowError):
        told = None if file is None else answered(file, asked)
        if told is not None:
            return Answer(told.columns, told.types, told.rows, told.truncated, told.notes)
    return None
