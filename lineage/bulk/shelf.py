"""The journal's records of runs, run by run, however many there are: on disk as soon as they are too many for memory."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from types import TracebackType
from typing import Self

from datamon.lineage.bulk.documents import digest_of
from datamon.lineage.records import RUN_KINDS, RUN_OPENED, Run, combine, run_of
from datamon.store.codec import decode, encode
from datamon.store.ids import RunId
from datamon.store.journal import Cursor
from datamon.store.opening import Store

_BATCH = 5_000


class Shelf:
    """Records of runs in a temporary database, which is gone when the context is left."""

    def __init__(self) -> None:
        # A database with an empty name lies in memory, and on disk as far as it does not fit there.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(
            "CREATE TABLE events (run TEXT, event TEXT, record BLOB, PRIMARY KEY (run, event)) WITHOUT ROWID"
        )
        self._database.execute("CREATE TABLE digests (run TEXT PRIMARY KEY, digest BLOB) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def fill(self, store: Store, cursor: Cursor, *, wanted: Callable[[RunId], bool] = lambda _: True) -> Cursor:
        """The shelf has every record of the wanted runs behind `cursor`; returns where the journal ended."""
        while True:
            records, cursor = store.journal.read(cursor, limit=_BATCH)
            rows = [
                (run, event["event"], encode(event))
                for event in records
                if event["kind"] in RUN_KINDS and wanted(run := run_of(event))
            ]
            self._put("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", rows)
            if len(records) < _BATCH:
                return cursor

    def runs(self) -> Iterator[Run]:
        """Every run of which the opening is here, in the order of their ids."""
        rows = self._database.execute("SELECT run, record FROM events ORDER BY run")
        for _, group in groupby(rows, key=lambda row: row[0]):
            run = combine(decode(record, "the journal") for _, record in group)
            if run is not None:
                yield run

    def digest(self) -> None:
        """Of every run here only the digest is kept."""
        known = ((run.id, digest_of(run)) for run in self.runs())
        while batch := list(_first(known, _BATCH)):
            self.know(batch)
        self._database.execute("DELETE FROM events")

    def know(self, digests: Iterable[tuple[RunId, bytes]]) -> None:
        """These runs are known by these digests."""
        self._put("INSERT OR REPLACE INTO digests VALUES (?, ?)", list(digests))

    def known(self, run: RunId) -> bytes | None:
        """The digest by which a run is known."""
        row = self._database.execute("SELECT digest FROM digests WHERE run = ?", [run]).fetchone()
        return None if row is None else bytes(row[0])

    def _put(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")


def opened_runs(store: Store) -> Iterator[RunId]:
    """The id of every run that was opened; reads all of the journal, a batch at a time."""
    cursor: Cursor = {}
    while True:
        records, cursor = store.journal.read(cursor, limit=_BATCH)
        yield from (run_of(event) for event in records if event["kind"] == RUN_OPENED)
        if len(records) < _BATCH:
            return


def _first(source: Iterator[tuple[RunId, bytes]], count: int) -> Iterator[tuple[RunId, bytes]]:
    for _, each in zip(range(count), source, strict=False):
        yield each
