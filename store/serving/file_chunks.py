"""Which chunks hold a stretch of a file: of a long one, only those lists are read that say so."""

import struct
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from datamon.errors import Corrupt
from datamon.store.entries import TreeEntry
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.recipes import RecipeRow

_ROW = struct.Struct("<32sI")
_LENGTH_WORD, _ROW_WORDS = HASH_BYTES // 4, _ROW.size // 4
_LISTS_AT_ONCE = 16
"""So many lists at most are read together, on the way to a place whose list is not known yet: some 1 MB."""
_STRETCHES_KEPT = 2

GetLists = Callable[[Sequence[RecipeRow]], Sequence[bytes]]
"""Gives the bytes of chunks, verified."""


class Located(NamedTuple):
    """A chunk of a file, how many bytes it has, and where in the file they begin."""

    chunk: ChunkId
    length: int
    begin: int


class FileChunks:
    """The chunks of one file, by offset. Any thread may ask.

    A list in the store says how long its chunks are, and nothing says how long all chunks of a list are together. So the way to a
    place leads through all lists before it, or after it, whichever are fewer; the sums are kept, 8 bytes for some 100 MB.
    """

    def __init__(self, entry: TreeEntry, get: GetLists) -> None:
        self._size_bytes = entry.size_bytes
        self._get = get
        self._lock = threading.Lock()
        self._recipe = entry.recipe
        self._only = None if entry.recipe is not None else Located(_chunk(entry), entry.size_bytes, 0)
        self._lists: _Lists | None = None
        self._front: array[int] = array("Q", [0])
        self._back: array[int] = array("Q", [entry.size_bytes])
        self._stretches: dict[int, _Stretch] = {}

    def between(self, begin: int, end: int) -> list[Located]:
        """The chunks that hold the bytes from `begin` to `end`, in order; both lie in the file. Raises Corrupt (`bad-record`)
        when the lists do not make up the file, and what the giver of chunks raises."""
        if begin >= end:
            return []
        if self._only is not None:
            return [self._only]
        with self._lock:
            found: list[Located] = []
            while begin < end:
                found += self._stretch(self._number(begin)).between(begin, end)
                begin = found[-1].begin + found[-1].length
            return found

    def _opened(self) -> "_Lists":
        if self._lists is None:
            assert self._recipe is not None
            self._lists = _opened_lists(self._recipe, self._get)
        return self._lists

    def _number(self, offset: int) -> int:
        """The number of the stretch of rows in which the byte at `offset` lies."""
        count = len(self._opened().pieces)
        while self._front[-1] <= offset < self._back[-1]:
            self._come_nearer(offset, count)
        if offset < self._front[-1]:
            return bisect_right(self._front, offset) - 1
        # What begins a stretch from the end is in falling order.
        after = bisect_right(self._back, -offset - 1, key=lambda begin: -begin)
        return count - after

    def _come_nearer(self, offset: int, count: int) -> None:
        """More sums are known, of those stretches that lie on the shorter way to `offset`."""
        first, end = len(self._front) - 1, count - len(self._back) + 1
        low, high = self._front[-1], self._back[-1]
        if first >= end:
            raise _broken(
                f"its chunks have {low + self._size_bytes - high} bytes in all where it has {self._size_bytes}"
            )
        share = (offset - low) / (high - low)
        likely = int(share * (end - first))
        if share < 0.5:
            numbers = range(first, first + min(likely + 1, _LISTS_AT_ONCE, end - first))
            for size_bytes in self._opened().sums(numbers):
                self._front.append(self._front[-1] + size_bytes)
        else:
            numbers = range(end - min(end - first - likely, _LISTS_AT_ONCE, end - first), end)
            for size_bytes in reversed(self._opened().sums(numbers)):
                self._back.append(max(0, self._back[-1] - size_bytes))
        if len(self._front) - 1 + len(self._back) - 1 == count and self._front[-1] != self._back[-1]:
            have = self._front[-1] + self._size_bytes - self._back[-1]
            raise _broken(f"its chunks have {have} bytes in all where it has {self._size_bytes}")

    def _begin(self, number: int) -> int:
        """Where the stretch of this number begins, which is known."""
        if number < len(self._front):
            return self._front[number]
        return self._back[len(self._opened().pieces) - number]

    def _stretch(self, number: int) -> "_Stretch":
        known = self._stretches.get(number)
        if known is None:
            known = _Stretch(self._opened().rows(number), self._begin(number))
            while len(self._stretches) >= _STRETCHES_KEPT:
                del self._stretches[next(iter(self._stretches))]
            self._stretches[number] = known
        return known


class _Stretch:
    """Rows that follow each other, as bytes, and where each one's chunk ends in the file."""

    def __init__(self, rows: bytes, begin: int) -> None:
        self._rows = rows
        self._bounds = array("Q", accumulate(_lengths(rows), initial=begin))

    def between(self, begin: int, end: int) -> list[Located]:
        """The chunks of it that hold bytes from `begin` to `end`, at least one."""
        first = bisect_right(self._bounds, begin) - 1
        found: list[Located] = []
        for row in range(first, len(self._bounds) - 1):
            at = self._bounds[row]
            if at >= end:
                break
            chunk, length = _ROW.unpack_from(self._rows, row * _ROW.size)
            found.append(Located(ChunkId(chunk), length, at))
        return found


class _Lists:
    """The list of a file's chunks, in pieces that may end inside a row. A piece's stretch is the rows that end in it."""

    def __init__(self, pieces: Sequence[RecipeRow], get: GetLists) -> None:
        self.pieces = pieces
        self._get = get
        self._begins = array("Q", accumulate((piece.length for piece in pieces), initial=0))
        if self._begins[-1] % _ROW.size:
            raise _broken("the list of its chunks ends inside a row")

    def rows(self, number: int) -> bytes:
        """The rows of the stretch of this number."""
        return self._stretches(range(number, number + 1))[0]

    def sums(self, numbers: range) -> list[int]:
        """How many bytes the chunks of each of these stretches have."""
        return [sum(_lengths(rows)) for rows in self._stretches(numbers)]

    def _stretches(self, numbers: range) -> list[bytes]:
        lead = 1 if self._begins[numbers.start] % _ROW.size else 0
        contents = self._get(self.pieces[numbers.start - lead : numbers.stop])
        if lead:
            before, contents = contents[0], contents[1:]
        else:
            before = b""
        made = []
        for number, content in zip(numbers, contents, strict=True):
            inside = self._begins[number] % _ROW.size
            if len(before) < inside:
                raise _broken("the list of its chunks is cut into pieces that are too small")
            joined = before[len(before) - inside :] + content
            made.append(joined[: len(joined) - len(joined) % _ROW.size])
            before = content
        return made


class _Inline(_Lists):
    """A list that stands in the entry itself."""

    def __init__(self, rows: bytes) -> None:
        super().__init__([RecipeRow(ChunkId(bytes(HASH_BYTES)), len(rows))], lambda _: [rows])


def _opened_lists(recipe: bytes, get: GetLists) -> _Lists:
    """The list of level 0, after those above it, which are some thousand times shorter, were read."""
    if not recipe:
        raise _broken("its recipe is empty")
    levels, rows = recipe[0], recipe[1:]
    if levels == 0:
        return _Inline(rows)
    for _ in range(levels - 1):
        rows = b"".join(get(_parsed(rows)))
    return _Lists(_parsed(rows), get)


def _parsed(rows: bytes) -> list[RecipeRow]:
    if len(rows) % _ROW.size:
        raise _broken("the list of its chunks ends inside a row")
    return [RecipeRow(ChunkId(chunk), length) for chunk, length in _ROW.iter_unpack(rows)]


def _lengths(rows: bytes) -> Sequence[int]:
    """The length of each row's chunk: a word of four bytes, in the byte order of every machine that pyarrow runs on."""
    return memoryview(rows).cast("I")[_LENGTH_WORD::_ROW_WORDS]


def _chunk(entry: TreeEntry) -> ChunkId:
    return ChunkId(bytes.fromhex(entry.content))


def _broken(fault: str) -> Corrupt:
    return Corrupt("bad-record", f"the recipe of a file is not whole: {fault}; restore the store from a copy")
