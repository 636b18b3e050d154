"""Levels of the local chunk index: the rows of many segments, sorted by chunk, in one file or in memory.

A level is made once and never changes. Its bytes are columns, one after the other, in rows sorted by `prefix` (the first 8 bytes
of the chunk as a big-endian number); then a footer: the first prefix of each block of `BLOCK_ROWS` rows, two digests of each
block, and as JSON the names of packs and segments; then a trailer with the footer's digest. So a level of any size opens with one
small read, and what a look-up touches is verified when it is first touched: neither a yes nor a no ever comes from damaged bytes.
It belongs to this machine, as is shown by the order of its bytes.
"""

import json
import mmap
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from datamon.errors import Corrupt
from datamon.store import arrays
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.index_segments import Place
from datamon.store.packs import PackRow

BLOCK_ROWS: Final = 512
COLUMNS: Final = {
    "prefix": pa.uint64(),
    "chunk": pa.binary(HASH_BYTES),
    **dict.fromkeys(("pack", "offset", "stored", "inner", "length", "segment"), pa.uint32()),
}
"""`pack` and `segment` are numbers in the level's own lists of names."""
WIDTHS: Final = {name: kind.byte_width for name, kind in COLUMNS.items()}
ROW_BYTES: Final = sum(WIDTHS.values())
HALVES: Final = (("prefix",), tuple(COLUMNS)[1:])
"""The columns under each of a block's two digests: a no touches only the first."""
DIGEST_BYTES: Final = 16
TRAILER: Final = struct.Struct(f"<8sQQ{DIGEST_BYTES}s")
MAGIC: Final = b"DMLEVEL" + sys.byteorder[:1].encode()


class LevelDamaged(Corrupt):
    """A level is not what was written. It says nothing of the store, and never leaves the chunk index."""

    def __init__(self) -> None:
        super().__init__("bad-record", "a file of the local chunk index is damaged; delete it")


class Covered(NamedTuple):
    """A segment that a level has all rows of: its key, its size as listed, how many rows it has."""

    key: str
    size_bytes: int
    rows: int


class Level:
    """The rows of `segments`. `place` is its file, None in memory. Any thread may call it.

    Its columns number `segments` and `pack_names`. Rows of `stale` segments are not shown. Raises LevelDamaged when it is no
    level, and every method does when bytes that it touches are not what was written.
    """

    def __init__(self, content: memoryview, place: Path | None = None, stale: frozenset[int] = frozenset()) -> None:
        self._content = content
        self.place = place
        self.stale = stale
        try:
            self.rows, footer = _footer(content)
            blocks = -(-self.rows // BLOCK_ROWS)
            self._fences = array("Q", bytes(footer[: 8 * blocks]))
            self._digests = bytes(footer[8 * blocks : (8 + 2 * DIGEST_BYTES) * blocks])
            names = json.loads(bytes(footer[(8 + 2 * DIGEST_BYTES) * blocks :]))
            self.pack_names: tuple[str, ...] = tuple(names["packs"])
            self.segments = tuple(Covered(*segment) for segment in names["segments"])
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise LevelDamaged() from error
        starts = column_starts(self.rows)
        views = {name: content[at : at + WIDTHS[name] * self.rows] for name, at in starts.items()}
        self._columns = views
        self._prefixes = views["prefix"].cast("Q")
        self._numbers = tuple(views[name].cast("I") for name in ("offset", "stored", "inner", "length"))
        self._pack_numbers, self._segment_numbers = views["pack"].cast("I"), views["segment"].cast("I")
        # What was made in this process is known to be right.
        self._checked = (bytearray(blocks), bytearray(blocks)) if place else (bytearray(b"\1" * blocks),) * 2

    @cached_property
    def rows_shown(self) -> int:
        """How many rows are not stale."""
        return self.rows - sum(self.segments[number].rows for number in self.stale)

    def covers(self) -> dict[str, int]:
        """The segments that are not stale: the size by key."""
        return {each.key: each.size_bytes for n, each in enumerate(self.segments) if n not in self.stale}

    def without(self, stale: frozenset[int]) -> "Level":
        """The same rows with other stale segments."""
        return self if stale == self.stale else Level(self._content, self.place, stale)

    def places(self, chunk: ChunkId) -> Iterator[Place]:
        """Every place of `chunk`, those of newer segments first."""
        prefix = int.from_bytes(chunk[:8], "big")
        row = self.position(prefix)
        while row < self.rows and self._prefix(row) == prefix:
            place = self._place(row, chunk)
            if place is not None:
                yield place
            row += 1

    def position(self, prefix: int) -> int:
        """The first row whose prefix is not below `prefix`; the number of rows when there is none."""
        block = bisect_left(self._fences, prefix) - 1
        if block < 0:
            return 0
        if not self._checked[0][block]:
            self._check(0, block)
        begin = block * BLOCK_ROWS
        return bisect_left(self._prefixes, prefix, begin, min(begin + BLOCK_ROWS, self.rows))

    def packs(self) -> frozenset[str]:
        """The names of the packs that rows name which are shown."""
        if not self.stale:
            return frozenset(self.pack_names)
        used = pc.unique(self.table().column("pack"))
        return frozenset(self.pack_names[number] for number in used.to_pylist())

    def naming(self, packs: frozenset[str]) -> pa.Table:
        """The rows that are shown and name one of these packs."""
        numbers = [number for number, name in enumerate(self.pack_names) if name in packs]
        rows = self.table(0, self.rows if numbers else 0)
        return rows.filter(pc.is_in(rows.column("pack"), arrays.numbers(numbers, pa.uint32())))

    def verify(self) -> None:
        """Nothing raises afterwards."""
        for block in range(len(self._fences)):
            for half in range(len(HALVES)):
                if not self._checked[half][block]:
                    self._check(half, block)

    def write(self, target: BinaryIO) -> None:
        """Copies the level to `target`."""
        target.write(self._content)

    def table(self, begin: int = 0, end: int | None = None) -> pa.Table:
        """The rows from `begin` to `end` that are shown, as `COLUMNS`, without a copy where nothing is stale."""
        end = self.rows if end is None else end
        for block in range(begin // BLOCK_ROWS, -(-end // BLOCK_ROWS)):
            for half in (0, 1):
                if not self._checked[half][block]:
                    self._check(half, block)
        columns = [
            pa.Array.from_buffers(kind, end - begin, [None, pa.py_buffer(self._bytes(name, begin, end))])
            for name, kind in COLUMNS.items()
        ]
        table = pa.table(columns, names=list(COLUMNS))
        if not self.stale:
            return table
        stale = arrays.numbers(sorted(self.stale), pa.uint32())
        return table.filter(pc.invert(pc.is_in(table.column("segment"), stale)))

    def _place(self, row: int, chunk: ChunkId) -> Place | None:
        """The place that `row` says, when it is shown and that of `chunk`."""
        if not self._checked[1][row // BLOCK_ROWS]:
            self._check(1, row // BLOCK_ROWS)
        if bytes(self._bytes("chunk", row, row + 1)) != chunk or self._segment_numbers[row] in self.stale:
            return None
        offset, stored, inner, length = self._numbers
        return Place(
            self.pack_names[self._pack_numbers[row]],
            PackRow(chunk, offset[row], stored[row], inner[row], length[row]),
        )

    def _prefix(self, row: int) -> int:
        """The row's prefix. The first of a block is also a fence, so that a block not asked for need not be verified."""
        if row % BLOCK_ROWS == 0:
            return self._fences[row // BLOCK_ROWS]
        if not self._checked[0][row // BLOCK_ROWS]:
            self._check(0, row // BLOCK_ROWS)
        return self._prefixes[row]

    def _bytes(self, column: str, begin: int, end: int) -> memoryview:
        width = WIDTHS[column]
        return self._columns[column][begin * width : end * width]

    def _check(self, half: int, block: int) -> None:
        begin, end = block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, self.rows)
        at = (2 * block + half) * DIGEST_BYTES
        if (
            block_digest(self._bytes(name, begin, end) for name in HALVES[half])
            != self._digests[at : at + DIGEST_BYTES]
        ):
            raise LevelDamaged()
        self._checked[half][block] = 1


def open_level(place: Path) -> Level:
    """The level in a file. Raises OSError, and LevelDamaged when there is none in it."""
    with open(place, "rb") as source:
        try:
            content = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise LevelDamaged() from error
    return Level(memoryview(content), place)


def column_starts(rows: int) -> dict[str, int]:
    """Where each column begins in a level of so many rows."""
    starts, at = {}, 0
    for name, width in WIDTHS.items():
        starts[name] = at
        at += width * rows
    return starts


def block_digest(columns: Iterable[memoryview]) -> bytes:
    """The digest of these columns of one block."""
    digest = blake3()
    for column in columns:
        digest.update(column)
    return digest.digest(DIGEST_BYTES)


def footer_digest(rows: int, footer: bytes | memoryview) -> bytes:
    """What the trailer says of the rows and the footer."""
    return blake3(rows.to_bytes(8, "little")).update(footer).digest(DIGEST_BYTES)


def _footer(content: memoryview) -> tuple[int, memoryview]:
    """How many rows there are, and the footer, verified."""
    magic, rows, length, digest = TRAILER.unpack(content[-TRAILER.size :])
    footer = content[rows * ROW_BYTES : -TRAILER.size]
    if magic != MAGIC or len(content) != rows * ROW_BYTES + length + TRAILER.size:
        raise LevelDamaged()
    if footer_digest(rows, footer) != digest:
        raise LevelDamaged()
    return rows, footer
