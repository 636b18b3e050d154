"""The graph's file: one for a store, of this machine, level with its store whenever it is opened.

The directory holds `graph-<hex>.sqlite` and `CURRENT`, which names the one that counts and is replaced by a rename. SQLite makes
each refresh whole or nothing; a file that is damaged, or of another version, is made again from the store.
"""

import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from datamon.errors import Denied, Unavailable
from datamon.query.graph.position import OutOfReachError, read_position
from datamon.query.graph.walking import path_of
from datamon.query.index.tail import Position, Tail, read_tail
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.uncollected import uncollected

if TYPE_CHECKING:
    from datamon.query.index.parts import Part

_CURRENT = "CURRENT"
LEAST_PACKED = 5_000
"""A graph of so many nodes has arrays."""
LEAST_BY_TABLES = 10_000
"""So many records are taken from the tables of the index, where fewer are read one by one without loading DuckDB."""
LEAST_TOUCHED = 20_000
"""So many nodes may have changed before arrays are made anew."""
_UNFIT = (OSError, sqlite3.Error, OutOfReachError, OverflowError)
"""What says that the file cannot be had, or cannot hold what the store says."""
_WAIT_S = 1.0
"""So long a reader waits for the moment in which a refresh becomes visible."""


class GraphFile:
    """The graph of a store in a directory. Any number of processes and threads may use one directory at once."""

    def __init__(self, store: Store, directory: Path, progress: Progress = SILENT) -> None:
        """`progress` hears when the file is made from its beginning."""
        self._progress = progress
        self._store = store
        self._directory = directory

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection | None]:
        """A connection that has every record that was durable in the store before this call, and sees that one state; None when
        there is none to be had at once: another process writes it, the place cannot be written, the history is one that the
        file cannot hold, or the store is encrypted. Raises Corrupt, Unavailable as reading the store does."""
        file = self._fresh()
        try:
            yield file
        finally:
            if file is not None:
                file.close()

    def level(self) -> sqlite3.Connection | None:
        """A connection to the file that there is, brought up to the store; None when it cannot be read, or is of another version
        or store. Raises as `opened`."""
        with contextlib.suppress(*_UNFIT):
            return self._advanced()
        return None

    def rebuild(self) -> bool:
        """Whether the file was made from the store alone, from its beginning; never of an encrypted store, as who has no key can
        read it. Waits for a refresh that is under way elsewhere."""
        try:
            return self._built(wait=True)
        except _UNFIT:
            return False

    def _fresh(self) -> sqlite3.Connection | None:
        with contextlib.suppress(*_UNFIT):
            for _ in range(2):
                file = self._advanced()
                if file is not None:
                    return file
                if not self._built(wait=False):
                    return None
        return None

    def _advanced(self) -> sqlite3.Connection | None:
        """The current file with everything in it; None when there is none of use."""
        path = self._current()
        if path is None:
            return None
        with contextlib.ExitStack() as unless_kept:
            file = unless_kept.enter_context(contextlib.closing(_connect(path)))
            try:
                file.execute("BEGIN")
                position = read_position(file, self._store.id)
                tail = self._tail(position) if position else None
                if tail is None:
                    return None
                if position and tail.news:
                    file.execute("ROLLBACK")
                    self._refresh(file, position, tail)
            except (sqlite3.DatabaseError, OutOfReachError, ValueError, KeyError) as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                return None
            unless_kept.pop_all()
            return file

    def _refresh(self, file: sqlite3.Connection, read: Position, news: Tail) -> None:
        """The file has what is new, and the connection stands in a transaction that sees it. `news` came since the position
        `read`: it is read again when another process was faster."""
        file.execute("BEGIN IMMEDIATE")
        position = read_position(file, self._store.id)
        tail = news if position == read else self._tail(position) if position else None
        if tail is None:
            raise OutOfReachError("the journal is another one now")
        from datamon.query.graph.apply import apply  # what records mean takes 15 ms to load, and mostly nothing is new

        apply(file, self._store, tail)
        packed = self._packed_if_due(file)
        file.execute("COMMIT")
        if packed:
            self._forget_arrays(packed)
        file.execute("BEGIN")

    def _tail(self, position: Position) -> Tail | None:
        return read_tail(self._store, position, environments=False)

    def _built(self, *, wait: bool) -> bool:
        if self._store.cover.hides:
            return False
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._locked(wait=wait) as mine:
            if not mine:
                return False
            path = self._directory / f"graph-{secrets.token_hex(8)}.sqlite"
            try:
                self._build(path)
                self._publish(path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return True

    def _build(self, path: Path) -> None:
        from datamon.query.index.parts import read_parts  # as above

        parts = read_parts(self._store, environments=False, most=LEAST_BY_TABLES, progress=self._progress)
        begun = list(islice(parts, 2))
        if begun[-1].after.cursor != begun[0].after.cursor:  # more records than one part holds
            parts.close()
            from duckdb import Error  # which only much is worth

            with contextlib.suppress(Denied, Unavailable, Error):
                self._make(path, self._fill)
                return
            path.unlink(missing_ok=True)  # what was begun cannot be taken back
            parts = read_parts(self._store, environments=False, most=LEAST_BY_TABLES, progress=self._progress)
            begun = []
        self._make(path, partial(self._apply_all, chain(begun, parts)))

    def _make(self, path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
        with uncollected(), contextlib.closing(_connect(path)) as file:
            file.execute("PRAGMA synchronous = OFF")
            file.execute("PRAGMA journal_mode = OFF")
            file.execute("BEGIN")
            fill(file)
            self._packed_if_due(file)
            file.execute("COMMIT")

    def _apply_all(self, parts: Iterable["Part"], file: sqlite3.Connection) -> None:
        from datamon.query.graph.apply import apply, make_empty  # as above

        make_empty(file, self._store)
        for part in parts:
            apply(file, self._store, part.decoded())

    def _fill(self, file: sqlite3.Connection) -> None:
        """The file has what the tables of the index say, which lie beside it and are brought up to the store first. Raises
        Denied, Unavailable, duckdb.Error."""
        from datamon.query.graph.from_tables import fill
        from datamon.query.index.opening import FileIndex

        index = FileIndex(self._store, self._directory.parent, self._progress)
        with index.opened() as (tables, position):
            fill(file, self._store, tables, position, self._progress)

    def _packed_if_due(self, file: sqlite3.Connection) -> str | None:
        """The name of new arrays of what the file says now, which it names from its next commit on; None when those that it names
        are right about most nodes, or it has so few that SQLite is as fast."""
        ((runs,), (bundles,)) = file.execute("SELECT max(n) FROM runs UNION ALL SELECT max(n) FROM bundles").fetchall()
        named = file.execute("SELECT value FROM state WHERE name = 'arrays'").fetchall()
        nodes = (runs or 0) + (bundles or 0)
        ((touched,),) = file.execute("SELECT count(*) FROM touched").fetchall()
        if nodes < LEAST_PACKED or (named and touched < max(LEAST_TOUCHED, nodes // 10)):
            return None
        from datamon.query.graph.packing import pack  # only for this, as it brings pyarrow

        place = Path(f"{path_of(file)}-{secrets.token_hex(8)}.arrays")
        if not pack(file, place, self._progress):
            return None
        file.execute("INSERT OR REPLACE INTO state VALUES ('arrays', ?)", (place.name,))
        file.execute("DELETE FROM touched")
        return place.name

    def _forget_arrays(self, named: str) -> None:
        """Arrays before these are gone; who has them open keeps them."""
        for other in self._directory.glob(f"{named.rpartition('-')[0]}-*.arrays"):
            if other.name != named:
                other.unlink(missing_ok=True)

    def _publish(self, path: Path) -> None:
        """This file is the one that counts. It is durable first; the others go, and who has one open keeps it."""
        with path.open("rb") as written:
            os.fsync(written.fileno())
        fresh = self._directory / f"{_CURRENT}-{secrets.token_hex(4)}"
        fresh.write_text(path.name, "utf-8")
        fresh.replace(self._directory / _CURRENT)
        for other in self._directory.glob("graph-*"):
            if not other.name.startswith(path.name):
                other.unlink(missing_ok=True)

    def _current(self) -> Path | None:
        try:
            path = self._directory / (self._directory / _CURRENT).read_text("utf-8")
        except FileNotFoundError:
            return None
        return path if path.is_file() else None

    @contextlib.contextmanager
    def _locked(self, *, wait: bool) -> Iterator[bool]:
        """Whether this block may make the file: one at a time may. It ends with its process."""
        handle = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _try_lock(handle, wait)
        finally:
            os.close(handle)


def _try_lock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _connect(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    file.execute("PRAGMA journal_mode = TRUNCATE")
    return file
