"""Files whose bytes are read from elsewhere and kept in the store, in stints, so that what was read stays when the rest fails."""

import io
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from datamon.errors import Corrupt
from datamon.store.chunk_store import file_rows
from datamon.store.entries import PERMISSION_BITS, TreeEntry
from datamon.store.external.fetch import use_each
from datamon.store.external.gather import directory
from datamon.store.external.notes import Note, Notes
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.ids import SessionId
from datamon.store.opening import Store
from datamon.store.pack_session import PackSession
from datamon.store.progress import Progress
from datamon.store.whole_files import extension_of

STINT_FILES = 2_000
STINT_BYTES = 256 * 2**20
STINT_NS = 15 * 10**9
"""After so many files, bytes or nanoseconds what was read is made durable and noted."""


@dataclass(frozen=True, slots=True)
class Brought:
    """Entries whose bytes are in the store, and the session that wrote the last of them (None: there was nothing to write)."""

    entries: Sequence[TreeEntry]
    session: SessionId | None


@dataclass(frozen=True, slots=True)
class Bringing:
    """Where bytes come from and go to, what is known of them, and what may not be relied on."""

    store: Store
    sources: Sources
    notes: Notes
    condemned: frozenset[str]
    progress: Progress


def bring_all(bringing: Bringing, wanted: Iterable[Listed]) -> Brought:
    """A file's entry for each source, its bytes durable in the store. What is noted and still there is not read.

    What was brought before a failure stays in the store, and is noted. Raises as `use_each`, and what the backend raises.
    """
    store, notes, condemned = bringing.store, bringing.notes, bringing.condemned
    entries: list[TreeEntry] = []
    unread: list[Listed] = []
    is_looked = False
    for listed in wanted:
        if listed.directory:
            entries.append(directory(listed.path, listed.at.mtime_ns, listed.mode))
            continue
        note = notes.find(listed)
        if note is not None and not is_looked:
            store.chunks.packs_absent()
            is_looked = True
        if note is None or not _is_kept(store, note, condemned):
            unread.append(listed)
            continue
        notes.keep(listed, note)
        entries.append(_entry(listed, note))
        bringing.progress.advance(1, note.size_bytes)
    stints = _Stints(store, notes, condemned, bringing.progress)
    try:
        for listed, note in use_each(bringing.sources, unread, stints.keep):
            entries.append(_entry(listed, note))
            stints.took(listed, note)
        stints.close()
    finally:
        stints.discard()
    return Brought(entries, stints.session)


class _Stints:
    """Sessions one after the other."""

    def __init__(self, store: Store, notes: Notes, condemned: frozenset[str], progress: Progress) -> None:
        self._store = store
        self._notes = notes
        self._condemned = condemned
        self._progress = progress
        self._open: PackSession | None = None
        self._taken: list[tuple[Listed, Note]] = []
        self._size_bytes = 0
        self._began_ns = 0
        self.session: SessionId | None = None

    def keep(self, listed: Listed, parts: Iterator[bytes]) -> Note:
        """The bytes are in the session of this stint."""
        if self._open is None:
            self._open = self._store.chunks.session(self._condemned)
            self.session = self._open.id
            self._began_ns = self._store.clock()
        stream = io.BufferedReader(_Stream(parts, self._progress), 2**20)
        stored = self._open.put_file(stream, extension=extension_of(listed.path), size_hint=listed.at.size_bytes or 0)
        return Note(stored.content, stored.size_bytes, stored.recipe)

    def took(self, listed: Listed, note: Note) -> None:
        """The file is whole; the stint ends if it is long enough."""
        self._progress.advance(1, 0)
        self._taken.append((listed, note))
        self._size_bytes += note.size_bytes
        is_long = len(self._taken) >= STINT_FILES or self._size_bytes >= STINT_BYTES
        if is_long or self._store.clock() - self._began_ns >= STINT_NS:
            self.close()

    def close(self) -> None:
        """What was taken is durable, and then noted."""
        if self._open is not None:
            self._open.close()
            self._open = None
        for listed, note in self._taken:
            self._notes.keep(listed, note)
        self._notes.write()
        self._taken.clear()
        self._size_bytes = 0

    def discard(self) -> None:
        """No thread is left; after `close` this does nothing."""
        if self._open is not None:
            self._open.discard()


class _Stream(io.RawIOBase):
    """Bytes that come piece by piece, as a file."""

    def __init__(self, pieces: Iterator[bytes], progress: Progress) -> None:
        self._pieces = pieces
        self._progress = progress
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._progress.advance(0, len(piece))
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _is_kept(store: Store, note: Note, condemned: frozenset[str]) -> bool:
    """Whether every chunk of what was noted lies where it may be relied on."""
    try:
        rows = file_rows(store.chunks, note.content, note.size_bytes, note.recipe)
        return all(store.chunks.locate(row.chunk, condemned) is not None for row in rows)
    except Corrupt:
        return False


def _entry(listed: Listed, note: Note) -> TreeEntry:
    mode = listed.mode & PERMISSION_BITS
    return TreeEntry(
        path=listed.path,
        kind="file",
        size_bytes=note.size_bytes,
        content=note.content,
        target=None,
        recipe=note.recipe,
        executable=bool(mode & stat.S_IXUSR),
        mode=mode,
        mtime_ns=listed.at.mtime_ns,
    )
