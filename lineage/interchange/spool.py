"""Events on their way in, on disk: however many there are, in whatever order they come, and however often each does."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from blake3 import blake3

from datamon.lineage.interchange.openlineage_events import ENDS, Event

_TABLES = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;
CREATE TABLE events (digest BLOB PRIMARY KEY, run BLOB, time INTEGER, kind TEXT, body TEXT) WITHOUT ROWID;
"""


class Spool:
    """A file of events that lives as long as the context; it is no store, and nothing of it needs to outlive a crash."""

    def __init__(self, directory: Path) -> None:
        self._connection = sqlite3.connect(directory / "events.sqlite", isolation_level=None)
        self._connection.executescript(_TABLES)
        self._connection.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, event: Event) -> None:
        """The event is here, once."""
        row = (blake3(event.body.encode()).digest(16), event.run.bytes, event.time_ns, event.kind, event.body)
        self._connection.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)", row)

    def unended(self) -> int:
        """How many runs have no end among their events."""
        [count] = self._connection.execute(
            f"SELECT count(*) FROM (SELECT run FROM events GROUP BY run HAVING NOT max(kind IN {tuple(ENDS)}))"  # noqa: S608
        ).fetchone()
        return int(count)

    def runs(self) -> Iterator[list[Event]]:
        """The events of each run that has ended, in the order of their times; the runs in the order of their ends."""
        self._connection.execute("CREATE INDEX of_run ON events (run, time, digest)")
        ended = self._connection.execute(
            f"SELECT run, max(CASE WHEN kind IN {tuple(ENDS)} THEN time END) AS ended FROM events"  # noqa: S608
            " GROUP BY run HAVING ended IS NOT NULL ORDER BY ended, run"
        )
        for run, _ in ended:
            rows = self._connection.execute(
                "SELECT time, kind, body FROM events WHERE run = ? ORDER BY time, digest", [run]
            )
            yield [Event(UUID(bytes=run), *row) for row in rows]
