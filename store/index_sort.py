"""Making levels of the local chunk index: from segments just read, and from other levels. See `index_level` for their bytes."""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, pairwise, repeat
from sys import byteorder
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from datamon.store import arrays
from datamon.store.index_level import (
    BLOCK_ROWS,
    COLUMNS,
    HALVES,
    MAGIC,
    ROW_BYTES,
    TRAILER,
    WIDTHS,
    Covered,
    Level,
    block_digest,
    column_starts,
    footer_digest,
)
from datamon.store.index_segments import NUMBERS, SCHEMA

SLICE_ROWS = 2**17
"""Levels are merged in slices of about so many rows, so that memory stays within some 50 MB whatever their size."""
_PREFIXES = 2**64


@dataclass(frozen=True, slots=True)
class Draft:
    """A level that is about to be written: how many rows, the names that they number, and the rows in slices, in order."""

    rows: int
    packs: Sequence[str]
    segments: Sequence[Covered]
    slices: Iterable[pa.Table]


def draft_segments(tables: Mapping[str, pa.Table], sizes: Mapping[str, int]) -> Draft:
    """A level of these segments' rows; later ones count as newer. Their sizes are as listed."""
    newest_first = list(tables)[::-1]
    rows = pa.concat_tables([pa.Table.from_batches([], SCHEMA), *(tables[key] for key in newest_first)])
    packs = rows.column("pack").combine_chunks().dictionary_encode()
    chunks = rows.column("chunk").combine_chunks()
    segments = [Covered(key, sizes[key], len(tables[key])) for key in newest_first]
    columns = {
        "prefix": _prefixes(chunks),
        "chunk": chunks,
        "pack": packs.indices.cast(pa.uint32()),
        **{name: rows.column(name) for name in NUMBERS},
        "segment": arrays.numbers(chain.from_iterable(repeat(n, s.rows) for n, s in enumerate(segments)), pa.uint32()),
    }
    table = _sorted(pa.table([columns[name] for name in COLUMNS], names=list(COLUMNS)))
    return Draft(len(table), packs.dictionary.to_pylist(), segments, [table])


def draft_merged(levels: Sequence[Level]) -> Draft:
    """A level of what is shown of `levels`, the newest first."""
    packs = {
        name: number for number, name in enumerate(sorted(frozenset().union(*(level.packs() for level in levels))))
    }
    segments = [
        segment for level in levels for number, segment in enumerate(level.segments) if number not in level.stale
    ]
    numbers = {segment.key: number for number, segment in enumerate(segments)}
    # What only stale rows name gets any number.
    to_packs = [arrays.numbers([packs.get(name, 0) for name in level.pack_names], pa.uint32()) for level in levels]
    to_segments = [arrays.numbers([numbers.get(s.key, 0) for s in level.segments], pa.uint32()) for level in levels]

    def renumbered(table: pa.Table, which: int) -> pa.Table:
        columns = {name: table.column(name) for name in COLUMNS}
        columns["pack"] = to_packs[which].take(columns["pack"])
        columns["segment"] = to_segments[which].take(columns["segment"])
        return pa.table(list(columns.values()), names=list(columns))

    def slices() -> Iterator[pa.Table]:
        for tables in _aligned(levels):
            yield _sorted(pa.concat_tables([renumbered(table, which) for which, table in enumerate(tables)]))

    return Draft(sum(level.rows_shown for level in levels), tuple(packs), segments, slices())


def segment_rows(levels: Sequence[Level]) -> Iterator[pa.Table]:
    """What is shown of `levels`, with the columns of segments, in stretches; the same row of two segments comes once."""
    for tables in _aligned(levels):
        rows = pa.concat_tables([_named(table, level) for level, table in zip(levels, tables, strict=True)])
        rows = rows.take(pc.sort_indices(rows.column("prefix"))).drop_columns("prefix")
        if pc.count_distinct(rows.column("chunk")).as_py() < len(rows):
            rows = rows.group_by(SCHEMA.names, use_threads=False).aggregate([]).cast(SCHEMA)
        yield rows


def _named(table: pa.Table, level: Level) -> pa.Table:
    """The rows with names instead of numbers, and their prefix."""
    packs = arrays.strings(level.pack_names).take(table.column("pack"))
    columns = [table.column("chunk"), packs, *map(table.column, NUMBERS)]
    return pa.Table.from_arrays(columns, schema=SCHEMA).append_column("prefix", table.column("prefix"))


def _aligned(levels: Sequence[Level]) -> Iterator[list[pa.Table]]:
    """The rows of each level between the same two prefixes, for one stretch after the other. A prefix is that of a hash, so even
    stretches have about `SLICE_ROWS` rows each."""
    stretches = -(-sum(level.rows for level in levels) // SLICE_ROWS) or 1
    bounds = [n * _PREFIXES // stretches for n in range(1, stretches)]
    cuts = [[0, *map(level.position, bounds), level.rows] for level in levels]
    for ends in zip(*map(pairwise, cuts), strict=True):
        yield [level.table(begin, end) for level, (begin, end) in zip(levels, ends, strict=True)]


def write_level(draft: Draft, target: BinaryIO) -> None:
    """The level stands in `target`, which is empty and can seek. Raises what `target` raises."""
    starts = column_starts(draft.rows)
    fences, digests = bytearray(), bytearray()
    row = 0
    for table in _in_blocks(draft.slices):
        columns = {name: _values(table.column(name), WIDTHS[name]) for name in COLUMNS}
        for name, values in columns.items():
            target.seek(starts[name] + row * WIDTHS[name])
            target.write(values)
        for begin in range(0, len(table), BLOCK_ROWS):
            fences += columns["prefix"][begin * 8 : begin * 8 + 8]
            for half in HALVES:
                digests += block_digest(_block(columns[name], begin, WIDTHS[name]) for name in half)
        row += len(table)
    if row != draft.rows:
        raise ValueError(f"{row} rows where {draft.rows} were promised")
    names = json.dumps({"packs": list(draft.packs), "segments": draft.segments}).encode()
    footer = bytes(fences + digests) + names
    target.seek(draft.rows * ROW_BYTES)
    target.write(footer)
    target.write(TRAILER.pack(MAGIC, draft.rows, len(footer), footer_digest(draft.rows, footer)))


def level_in_memory(draft: Draft) -> Level:
    """The level, kept by this process only."""
    target = BytesIO()
    write_level(draft, target)
    return Level(target.getbuffer())


def _sorted(table: pa.Table) -> pa.Table:
    """The rows by prefix; the sort is stable, so that the newest place of a chunk stays first."""
    return table.take(pc.sort_indices(table.column("prefix")))


def _in_blocks(slices: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of one piece, all but the last of whole blocks."""
    rest = pa.Table.from_batches([], pa.schema(list(COLUMNS.items())))
    for table in slices:
        joined = pa.concat_tables([rest, table])
        whole = len(joined) // BLOCK_ROWS * BLOCK_ROWS
        if whole:
            yield joined.slice(0, whole).combine_chunks()
        rest = joined.slice(whole)
    if len(rest):
        yield rest.combine_chunks()


def _prefixes(chunks: pa.Array) -> pa.Array:
    prefixes = array("Q", bytes(_values(pc.binary_slice(chunks, 0, 8), 8)))
    if byteorder == "little":
        prefixes.byteswap()
    return pa.Array.from_buffers(pa.uint64(), len(chunks), [None, pa.py_buffer(prefixes)])


def _values(column: pa.Array | pa.ChunkedArray, width: int) -> memoryview:
    """The bytes of a column of values of `width` bytes, without a copy."""
    piece = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = piece.buffers()[1]
    view = memoryview(values).cast("B") if values is not None else memoryview(b"")
    return view[piece.offset * width : (piece.offset + len(piece)) * width]


def _block(values: memoryview, begin: int, width: int) -> memoryview:
    return values[begin * width : (begin + BLOCK_ROWS) * width]
