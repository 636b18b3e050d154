"""How an index stands to its store. Asking changes neither."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from datamon.query.index.connect import open_read_only
from datamon.query.index.memory import SEALED_FILE
from datamon.query.index.publish import Generations
from datamon.query.index.refresh import read_position
from datamon.query.index.schema import KEPT
from datamon.query.index.tail import Position, Tail, read_tail
from datamon.store.opening import Store

Connection = duckdb.DuckDBPyConnection
State = Literal["current", "behind", "absent", "sealed", "unreadable", "other-version", "other-journal"]
MEANINGS: dict[State, str] = {
    "current": "it has every record of the store",
    "behind": "each question adds what is missing; `datamon index refresh` keeps it",
    "absent": "the first question makes one",
    "sealed": "the store is encrypted: rows are kept sealed, and each process opens them in its memory",
    "unreadable": "it is damaged or half-written; the next question makes another",
    "other-version": "another version of datamon or of DuckDB, or for another store, made it; the next question makes another",
    "other-journal": "the store's journal is not the one it was read from; the next question makes another",
}


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Where an index lies and what it holds. `records` are journal records and log entries that it has read, `behind` those
    that it lacks (None: not known without reading all). `published_ns` is when the file was made. `writing`: a process
    refreshes or rebuilds it at this moment. `reason` is what was met in a file that cannot be used."""

    place: Path
    state: State
    generation: int | None = None
    size_bytes: int = 0
    published_ns: int | None = None
    runs: int | None = None
    records: int | None = None
    behind: int | None = None
    writing: bool = False
    reason: str = ""

    @property
    def meaning(self) -> str:
        """What the state means to a person."""
        return MEANINGS[self.state]


def index_status(store: Store, index_dir: Path) -> IndexStatus:
    """How the index of `store` below `index_dir` stands now; only the records that it lacks are read. Raises Denied and
    Unavailable when the store or the directory cannot be read, Corrupt when a log is damaged."""
    if store.cover.hides:
        return _sealed(store)
    directory = index_dir / store.id
    if not directory.is_dir():
        return IndexStatus(directory, "absent")
    generations = Generations(directory)
    with generations.lock() as locked:
        writing = not locked
    with generations.held() as found:
        if found is None:
            return IndexStatus(directory, "absent", writing=writing)
        number, path = found
        stat = path.stat()
        size, published = stat.st_size, stat.st_mtime_ns
        opened = open_generation(store, path)
        if isinstance(opened, Unusable):
            return IndexStatus(directory, opened.state, number, size, published, writing=writing, reason=opened.reason)
        connection, position = opened
        with connection:
            counts = _counts(connection)
        behind = lacking(read_tail(store, position))
        state: State = "other-journal" if behind is None else "behind" if behind else "current"
        return IndexStatus(directory, state, number, size, published, *counts, behind, writing)


def lacking(tail: Tail | None) -> int | None:
    """How many records a tail brings; None for an index that is of no use any more."""
    if tail is None:
        return None
    return len(tail.events) + sum(map(len, tail.entries.values())) + len(tail.environments)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a file is no index that can be used."""

    state: Literal["unreadable", "other-version"]
    reason: str = ""


def open_generation(store: Store, path: Path) -> tuple[Connection, Position] | Unusable:
    """A connection to the file and how far it has read, or why it is of no use."""
    try:
        connection = open_read_only(path)
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        return Unusable("other-version" if "version" in said else "unreadable", said)
    try:
        position = read_position(connection, store.id)
    except (duckdb.Error, ValueError, KeyError) as error:
        connection.close()
        return Unusable("unreadable", str(error).splitlines()[0])
    if position is None:
        connection.close()
        return Unusable("other-version")
    return connection, position


def _counts(connection: Connection) -> tuple[int, int]:
    sql = f"""SELECT (SELECT count(*) FROM {KEPT}.runs),
        (SELECT count(*) FROM {KEPT}.journal_events) + (SELECT count(*) FROM {KEPT}.log_entries)
        + (SELECT count(*) FROM {KEPT}.environments)"""  # noqa: S608
    [(runs, records)] = connection.execute(sql).fetchall()
    return runs, records


def _sealed(store: Store) -> IndexStatus:
    assert store.state_dir is not None, "an index without a place is asked for no status"
    path = store.state_dir / SEALED_FILE
    try:
        stat = path.stat()
    except FileNotFoundError:
        return IndexStatus(path, "absent")
    return IndexStatus(path, "sealed", size_bytes=stat.st_size, published_ns=stat.st_mtime_ns)
