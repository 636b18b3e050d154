"""A journal to which records of runs come late, in any order, or only by an import."""

import random
from collections.abc import Iterator, Sequence

from datamon.lineage.bulk.export import Selection, export_runs
from datamon.lineage.bulk.load import import_runs
from datamon.lineage.records import RUN_KINDS, run_of
from datamon.store.codec import Record
from datamon.store.journal import Journal
from datamon.store.journal_records import Cursor
from datamon.store.opening import Store, memory_store

_IMPORTED = 0.2
_HELD_BACK = 0.5


class LateJournal:
    """Takes records in front of a journal. Those of runs reach it when others have, at the latest by `arrive`; those of every
    fifth run only as lines that are imported. All else passes at once."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self._journal = journal
        self._draw = random.Random(seed)  # noqa: S311 (a seeded choice, no secret)
        self._held: list[Record] = []
        self._elsewhere: dict[str, list[Record]] = {}
        self._seen: set[str] = set()

    def append(self, record: Record) -> None:
        """As `Journal.append`, sooner or later."""
        if record["kind"] not in RUN_KINDS:
            self._journal.append(record)
            return
        run = run_of(record)
        if run not in self._seen and self._draw.random() < _IMPORTED:
            self._elsewhere[run] = []
        self._seen.add(run)
        self._elsewhere.get(run, self._held).append(record)
        self._draw.shuffle(self._held)
        while self._held and self._draw.random() > _HELD_BACK:
            self._journal.append(self._held.pop())

    def append_many(self, records: Sequence[Record]) -> None:
        """As `Journal.append_many`, sooner or later."""
        for record in records:
            self.append(record)

    def tend(self) -> int:
        """As `Journal.tend`."""
        return self._journal.tend()

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`: what has arrived."""
        return self._journal.read(cursor, limit=limit)

    def arrive(self, store: Store) -> None:
        """All that was held back has arrived in `store`, whose journal this stands in front of."""
        for record in self._held:
            self._journal.append(record)
        lines = list(self._lines())
        self._draw.shuffle(lines)
        assert import_runs(store, lines).added == len(self._elsewhere)

    def _lines(self) -> Iterator[bytes]:
        elsewhere = memory_store()
        elsewhere.journal.append_many([record for several in self._elsewhere.values() for record in several])
        yield from export_runs(elsewhere, Selection())
