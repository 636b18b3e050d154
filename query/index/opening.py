"""Opening an index, and keeping it level with its store."""

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb

from datamon.errors import Denied, Unavailable
from datamon.query.index.bulk.build import apply_parts
from datamon.query.index.connect import (
    lay_over,
    lock_down,
    open_for_building,
    open_for_reading_all,
    open_read_only,
)
from datamon.query.index.memory import MemoryIndex
from datamon.query.index.overlay import FRESH
from datamon.query.index.parts import read_parts
from datamon.query.index.publish import Generations
from datamon.query.index.refresh import Into, apply, make_empty, read_position
from datamon.query.index.sealed import DEFAULT_LIMIT_S
from datamon.query.index.tail import Position, Tail, read_tail
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

Connection = duckdb.DuckDBPyConnection
BYTES_A_RECORD = 250_000
"""Laying one record over a generation takes as long as writing so much of it again."""
_DELETIONS = 3
"""How often an index that is deleted while it is opened is made again for one question."""


class Index(Protocol):
    """A store's index."""

    def connect(self, *, limit_s: float = DEFAULT_LIMIT_S, about: str | None = None) -> Connection:
        """A locked-down connection to the relations, with every record that was durable in the store before this call. It sees
        that one state until it is closed. Each statement may take `limit_s` seconds. Never waits for another process. Relations
        that the SELECT `about` does not name may be missing.

        Raises Denied, Unavailable when the index cannot be written or the store cannot be read, Corrupt when a log is damaged.
        """

    def refresh(self) -> None:
        """The index has every record that was durable before this call, unless another process writes it just now. Raises as
        `connect`."""

    def rebuild(self) -> None:
        """The index is made from the store alone, from its beginning, whatever was there. Raises as `connect`."""


def open_index(store: Store, *, index_dir: Path | None = None, progress: Progress = SILENT) -> "Index":
    """The index of `store`, kept below `index_dir` (None: in a temporary directory, for as long as the Index lives); that of an
    encrypted store is in memory. Nothing is read yet; `progress` hears when it is made from its beginning. Raises Denied,
    Unavailable when the directory cannot be made."""
    if store.cover.hides:
        return MemoryIndex(store, progress)
    if index_dir is not None:
        return FileIndex(store, index_dir / store.id, progress)
    directory = Path(tempfile.mkdtemp(prefix="datamon-index-"))
    index = FileIndex(store, directory, progress)
    weakref.finalize(index, shutil.rmtree, directory, ignore_errors=True)
    return index


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a connection is for: for the SELECT `about` (None: for whatever), or so that the published generation has
    everything."""

    about: str | None = None
    publishing: bool = False


class FileIndex:
    """A store's index in a directory. Any number of processes and threads may use one directory at once. Not for an encrypted
    store: who has no key can read the files."""

    def __init__(self, store: Store, directory: Path, progress: Progress = SILENT) -> None:
        assert not store.cover.hides
        self._progress = progress
        self._store = store
        self._directory = directory
        with self._writing():
            self._generations = Generations(directory)

    def connect(self, *, limit_s: float = DEFAULT_LIMIT_S, about: str | None = None) -> Connection:
        """As `Index.connect`."""
        return lock_down(self._fresh(_Wish(about)), limit_s)

    def refresh(self) -> None:
        """As `Index.refresh`: the published generation has them."""
        self._fresh(_Wish(publishing=True)).close()

    def rebuild(self) -> None:
        """As `Index.rebuild`. Waits for a refresh that is under way elsewhere."""
        with self._writing(), self._generations.lock(wait=True):
            built = self._generations.private("building")
            self._build(built)
            self._generations.publish(built)

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Connection, Position]]:
        """A connection that can read all tables and make temporary ones, and how far they have read: what was durable before this
        call, unless another process writes the index just now. Raises as `connect`, and duckdb.Error."""
        self.refresh()
        with self._generations.held() as found, contextlib.ExitStack() as closing:
            if found is None:
                raise Unavailable("index-busy", f"the index at {self._directory} was deleted; ask again")
            connection = closing.enter_context(open_for_reading_all(found[1]))
            position = read_position(connection, self._store.id)
            if position is None:
                raise Unavailable("index-busy", f"the index at {self._directory} is another one now; ask again")
            yield connection, position

    def _fresh(self, wish: _Wish) -> Connection:
        """A connection that has everything. The directory may be deleted at any moment: then it is made again."""
        with self._writing():
            for _ in range(_DELETIONS):
                with contextlib.suppress(FileNotFoundError, duckdb.IOException):
                    return self._advanced_if_needed(wish)
                self._generations = Generations(self._directory)
            return self._advanced_if_needed(wish)

    def _advanced_if_needed(self, wish: _Wish) -> Connection:
        with self._generations.held() as found:
            if found is None:
                return self._advanced(None)
            number, path = found
            with contextlib.ExitStack() as unless_kept:
                opened = self._opened(path, unless_kept)
                tail = read_tail(self._store, opened[1]) if opened else None
                if opened and tail and self._is_level(opened[0], tail, path, wish):
                    unless_kept.pop_all()
                    return opened[0]
            if tail is not None:
                with contextlib.suppress(duckdb.Error):  # damaged where it was not read yet: the store knows everything
                    return self._advanced(number, (path, tail))
            return self._advanced(number)

    def _is_level(self, connection: Connection, tail: Tail, path: Path, wish: _Wish) -> bool:
        """Whether the connection to this file has everything: when `tail` is nothing, or is little and lies over the file now."""
        if not tail.news:
            return True
        if wish.publishing or not _is_little(tail, path.stat().st_size):
            return False
        with contextlib.suppress(duckdb.Error):  # as above
            tables = lay_over(connection, wish.about)
            connection.begin()
            apply(connection, tail, Into(FRESH, tables))
            connection.commit()
            return True
        return False

    def _opened(self, path: Path, closing: contextlib.ExitStack) -> tuple[Connection, Position] | None:
        """A connection to this file and how far it has read; None when it is damaged, or of another schema or DuckDB."""
        try:
            connection = closing.enter_context(open_read_only(path))
            position = read_position(connection, self._store.id)
        except (duckdb.Error, ValueError, KeyError):
            return None
        return None if position is None else (connection, position)

    def _advanced(self, number: int | None, base: tuple[Path, Tail] | None = None) -> Connection:
        """A connection to `base` with the tail applied, or to everything, which becomes the next generation if it can."""
        with self._generations.lock() as locked, contextlib.ExitStack() as leaving:
            publishing = locked and self._generations.current() == number
            built = self._generations.private("building" if publishing else "reading")
            leaving.callback(built.unlink, missing_ok=True)
            self._build(built, base)
            if not publishing:
                return open_read_only(built)
            reading = self._generations.private("reading")
            leaving.callback(reading.unlink, missing_ok=True)
            self._generations.share(built, reading)
            self._generations.publish(built)
            self._store.journal.tend()
            return open_read_only(reading)

    def _build(self, path: Path, base: tuple[Path, Tail] | None = None) -> None:
        """Nobody sees the file before it is published, so that each part may be a transaction."""
        if base is not None:
            shutil.copyfile(base[0], path)
        with open_for_building(path) as connection:
            if base is None:
                make_empty(connection, self._store)
                apply_parts(connection, read_parts(self._store, progress=self._progress))
            else:
                connection.begin()
                apply(connection, base[1])
                connection.commit()
            connection.execute("CHECKPOINT")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Failures to write the index as errors of ours."""
        try:
            yield
        except PermissionError as error:
            raise Denied(
                "unwritable",
                f"the index at {self._directory} cannot be written ({error.strerror}); name another place for it",
            ) from error
        except (OSError, duckdb.IOException) as error:
            raise Unavailable(
                "index-unwritable",
                f"the index at {self._directory} cannot be written ({error}); make room, or name another place",
            ) from error


def _is_little(tail: Tail, size_bytes: int) -> bool:
    """Whether laying a tail over a generation of this size takes less than writing the next one."""
    records = len(tail.events) + sum(map(len, tail.entries.values())) + len(tail.environments)
    return records * BYTES_A_RECORD < size_bytes
