"""Recipes: which chunks make a file of more than one chunk, in levels (docs/format.md, "Chunks")."""

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from datamon.errors import Corrupt
from datamon.store.chunks import WHOLE_BYTES, Cutter
from datamon.store.ids import ChunkId

MOST_ROWS = 32
"""A list of more rows than this is itself kept as chunks."""

_ROW = struct.Struct("<32sI")
_LIST_BYTES = 1 << 20
"""So much of a list is in memory: enough to cut it, however long the list grows."""


@dataclass(frozen=True, slots=True)
class RecipeRow:
    """One chunk of a list: its id and how many bytes it has."""

    chunk: ChunkId
    length: int

    def encode(self) -> bytes:
        """As it stands in a list: 36 bytes."""
        return _ROW.pack(self.chunk, self.length)


class RecipeWriter:
    """The recipe of one file, from its rows one after the other. Lists of more than `most_rows` rows are cut and given to
    `keep`, the first of them while rows still come; so memory does not grow with the file."""

    def __init__(self, keep: Callable[[bytes], RecipeRow], most_rows: int = MOST_ROWS) -> None:
        self._keep = keep
        self._most_bytes = most_rows * _ROW.size
        self._lists = [_List()]

    def add(self, chunk: ChunkId, length: int) -> None:
        """The file goes on with this chunk of so many bytes."""
        self._add(0, _ROW.pack(chunk, length))

    def finish(self) -> bytes:
        """The recipe. Nothing can be added any more."""
        level = 0
        while level + 1 < len(self._lists) or len(self._lists[level].rows) > self._most_bytes:
            self._keep_pieces(level, is_last=True)
            level += 1
        return bytes([level]) + self._lists[level].rows

    def _add(self, level: int, row: bytes) -> None:
        if level == len(self._lists):
            self._lists.append(_List())
        rows = self._lists[level].rows
        rows += row
        if len(rows) >= _LIST_BYTES:
            self._keep_pieces(level, is_last=False)

    def _keep_pieces(self, level: int, *, is_last: bool) -> None:
        for piece in self._lists[level].take(is_last=is_last):
            self._add(level + 1, self._keep(piece).encode())


class _List:
    """The rows of one level that are not cut yet."""

    def __init__(self) -> None:
        self.rows = bytearray()
        self._cutter: Cutter | None = None

    def take(self, *, is_last: bool) -> list[bytes]:
        """The next chunks of the list: as many as are sure, or all with `is_last`."""
        if is_last and self._cutter is None and len(self.rows) <= WHOLE_BYTES:
            ends = [len(self.rows)]
        else:
            self._cutter = self._cutter or Cutter()
            with memoryview(self.rows) as view:
                ends = self._cutter.ends(view, is_last=is_last)
        pieces = [bytes(self.rows[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
        del self.rows[: ends[-1] if ends else 0]
        return pieces


def recipe_rows(recipe: bytes, get: Callable[[RecipeRow], bytes]) -> Iterator[RecipeRow]:
    """The rows of level 0, in the order of the file; `get` gives a list's chunk, verified. Lists are read as they are needed.
    Raises Corrupt (`bad-record`) when `recipe` is none."""
    if not recipe:
        raise _broken()
    rows: Iterable[RecipeRow] = _parsed([recipe[1:]])
    for _ in range(recipe[0]):
        rows = _parsed(map(get, rows))
    return iter(rows)


def _parsed(pieces: Iterable[bytes]) -> Iterator[RecipeRow]:
    """The rows of a list that comes in pieces, which may end inside a row."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % _ROW.size
        for chunk, length in _ROW.iter_unpack(rest[:whole]):
            yield RecipeRow(ChunkId(chunk), length)
        rest = rest[whole:]
    if rest:
        raise _broken()


def _broken() -> Corrupt:
    return Corrupt("bad-record", "the recipe of a file is not whole; restore the store from a copy")
