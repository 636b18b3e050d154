"""Records of a part as rows: by DuckDB, in a database of its own, where what fails undoes nothing."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

import duckdb

from datamon.query.index.bulk import entries, runs
from datamon.query.index.connect import open_in_memory
from datamon.query.index.parts import Part, entry_at
from datamon.query.index.tail import run_named
from datamon.store.bundle import Entry
from datamon.store.ids import RepoId

if TYPE_CHECKING:
    import pyarrow as pa

WORTHWHILE = 2_000
"""So many records are worth 0.3 s for statements and for importing pyarrow."""
_UNCOMMON = (duckdb.DataError, duckdb.InvalidInputException, UnicodeError)
"""What is raised where a record is none, or has a number that is too large."""
_Columns = Mapping[str, "pa.Array"]


@dataclass(slots=True)
class Staged:
    """A part, and the rows that DuckDB made of it, by their tables; `bodies` and `logs` are what it made none of (None: of
    nothing)."""

    part: Part
    rows: "dict[str, pa.Table]" = field(default_factory=dict)
    bodies: list[bytes] | None = None
    logs: dict[RepoId, list[Entry]] | None = None


class Staging:
    """Makes rows. For one thread at a time."""

    def __init__(self) -> None:
        self._connection = open_in_memory(threads="1")

    def close(self) -> None:
        """Nothing is held any more."""
        self._connection.close()

    def staged(self, part: Part) -> Staged:
        """The part with its rows, if they are many. Raises Corrupt, Invalid (`newer-format`)."""
        made = Staged(part)
        try:
            if part.opened and part.closed and len(part.opened) + len(part.closed) >= WORTHWHILE:
                made.bodies = self._read_runs(part)
                made.rows |= self._rows(runs.ROWS)
            if sum(map(len, part.logs.values())) >= WORTHWHILE:
                made.logs = self._read_entries(part.logs)
                made.rows |= self._rows(entries.ROWS)
        except _UNCOMMON:
            return Staged(part)  # Python finds out which record it is
        return made

    def _rows(self, selects: Mapping[str, str]) -> "dict[str, pa.Table]":
        made = {table: self._connection.sql(select).to_arrow_table() for table, select in selects.items()}
        return {table: rows for table, rows in made.items() if rows.num_rows}

    def _read_runs(self, part: Part) -> list[bytes]:
        """The runs of a part are in temporary tables, but for these records, of which SQL makes no rows."""
        others = [(run_named(each), str(each["event"])) for each in part.events]
        tables = {
            "opened_news": {"body": _texts(part.opened)},
            "closed_news": {"body": _texts(part.closed)},
            "other_news": {"run": _words([run for run, _ in others]), "event": _words([event for _, event in others])},
        }
        with self._registered(tables):
            for statement in runs.READ:
                self._connection.execute(statement)
        return [body.encode() for (body,) in self._connection.execute(runs.LEFT).fetchall()]

    def _read_entries(self, logs: Mapping[RepoId, Sequence[bytes]]) -> dict[RepoId, list[Entry]]:
        """The same of the entries of these logs."""
        told = [(repo, number, stored) for repo, log in logs.items() for number, stored in enumerate(log, 1)]
        repos, numbers, stored = zip(*told, strict=True)
        columns = {"repo": _words(repos), "number": _numbers(numbers), "body": _texts(stored)}
        with self._registered({"entry_news": columns}):
            for statement in entries.READ:
                self._connection.execute(statement)
        left: dict[RepoId, list[Entry]] = {}
        for repo, number, body in self._connection.execute(entries.LEFT).fetchall():
            left.setdefault(repo, []).append(entry_at(repo, number, body.encode()))
        return left

    @contextmanager
    def _registered(self, tables: Mapping[str, _Columns]) -> Iterator[None]:
        """The connection has these Arrow tables."""
        import pyarrow as pa  # 0.2 s that only many records are worth, here and below

        for name, columns in tables.items():
            self._connection.register(name, pa.table(dict(columns)))
        try:
            yield
        finally:
            for name in tables:
                self._connection.unregister(name)


def _texts(bodies: Sequence[bytes]) -> "pa.Array":
    """Raises UnicodeError where one is no text."""
    import pyarrow as pa

    joined = b"".join(bodies)
    offsets = array("q", accumulate(map(len, bodies), initial=0))
    made = pa.Array.from_buffers(pa.large_string(), len(bodies), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])
    try:
        made.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnicodeError("a record is no text") from error
    return made


def _words(words: Sequence[str]) -> "pa.Array":
    from datamon.query.index.arrow_columns import arrow_column

    return arrow_column(words, "VARCHAR")


def _numbers(numbers: Sequence[int]) -> "pa.Array":
    from datamon.query.index.arrow_columns import arrow_column

    return arrow_column(numbers, "BIGINT")
