"""A file of a bundle, opened: any stretch of it is read without the rest."""

import threading
from contextlib import suppress
from typing import Protocol

from datamon.errors import DatamonError
from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry
from datamon.store.recipes import RecipeRow
from datamon.store.serving.decoded_chunks import DecodedChunks
from datamon.store.serving.file_chunks import FileChunks, Located
from datamon.store.serving.naming import naming

_STEP_BYTES = 16 * 2**20
"""A read is done so many bytes at a time: more are never waited for beside what is given."""
_FIRST_WINDOW_BYTES = 256 * 1024
_NEAR_BYTES = 512 * 1024
"""Reads of a sequence may come in another order when several are under way; so far from its place one still belongs to it."""


class ServedFile(Protocol):
    """A file to be read from any place, by any number of threads. There is nothing to close."""

    @property
    def path(self) -> str:
        """Where it lies in its bundle."""

    @property
    def size(self) -> int:
        """How many bytes it has."""

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, `length` of them or as many as there are up to the end, each verified; none beyond the end.

        Raises Corrupt, naming the file and the bundle, Denied, Unavailable; of an external entry also Conflict
        (`source-changed`) and NotFound (`source-not-found`), naming the URL. ValueError for a number below zero.
        """


class ChunkedFile:
    """See `ServedFile`. Only the chunks are fetched that the stretch touches; those behind it too, ahead of being asked for, when
    reads follow each other: twice as many each time, up to what `DecodedChunks` allows."""

    def __init__(self, bundle: Bundle, entry: TreeEntry, decoded: DecodedChunks) -> None:
        self.path = entry.path
        self.size = entry.size_bytes
        self._bundle = bundle
        self._decoded = decoded
        self._chunks = FileChunks(entry, decoded.contents)
        self._lock = threading.Lock()
        self._expected = -1
        self._window = 0
        self._ahead = 0

    def read(self, offset: int, length: int) -> bytes:
        """See `ServedFile`."""
        begin, end = checked_range(offset, length, self.size)
        if begin == end:
            return b""
        with naming(self._bundle, self.path):
            pieces = [self._read(at, min(at + _STEP_BYTES, end)) for at in range(begin, end, _STEP_BYTES)]
        with suppress(DatamonError):  # whoever needs those bytes asks for them, and is told
            self._read_ahead(begin, end)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read(self, begin: int, end: int) -> bytes:
        located = self._chunks.between(begin, end)
        contents = self._decoded.contents(_rows(located))
        if len(contents) == 1:
            at = located[0].begin
            return contents[0][begin - at : end - at]
        pieces = [memoryview(content) for content in contents]
        pieces[-1] = pieces[-1][: end - located[-1].begin]
        pieces[0] = pieces[0][begin - located[0].begin :]
        return b"".join(pieces)

    def _read_ahead(self, begin: int, end: int) -> None:
        window = self._moved(begin, end)
        if window is None:
            return
        first, last = window
        self._decoded.prefetch(_rows(self._chunks.between(first, last)))

    def _moved(self, begin: int, end: int) -> tuple[int, int] | None:
        """The stretch that is to be read ahead, after a read of these bytes; None when there is none."""
        with self._lock:
            follows = self._expected >= 0 and abs(begin - self._expected) <= _NEAR_BYTES
            self._expected = max(end, self._expected) if follows else end
            if not follows:
                # The first read of a file begins nothing yet, for many read only its head.
                self._window, self._ahead = 0, end
                return None
            first = max(self._ahead, self._expected)
            if first - self._expected > self._window // 2:
                return None
            self._window = min(max(2 * self._window, _FIRST_WINDOW_BYTES), self._decoded.ahead_bytes)
            last = min(self._expected + self._window, self.size)
            if last <= first:
                return None
            self._ahead = last
            return first, last


def checked_range(offset: int, length: int, size: int) -> tuple[int, int]:
    """Where a read begins and ends. Raises ValueError for a number below zero."""
    if offset < 0 or length < 0:
        raise ValueError(f"a read of {length} bytes at {offset}: neither may be below zero")
    return offset, max(offset, min(offset + length, size))


def _rows(located: list[Located]) -> list[RecipeRow]:
    return [RecipeRow(each.chunk, each.length) for each in located]
