"""Manifest segments: where a tree is cut, how its rows are kept, and how they are read again (docs/format.md, "Manifests")."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from datamon.errors import Corrupt
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.columns import TreeColumns
from datamon.store.entries import PERMISSION_BITS
from datamon.store.ids import ContentId, SegmentId
from datamon.store.named import get_named, put_named
from datamon.store.overlap import overlapped
from datamon.store.roots import SegmentRow
from datamon.store.rows import (
    Rows,
    check_row_paths,
    content_rows,
    entry_batch,
    recipe_rows,
    stat_batch,
    stat_rows,
    stretch,
)
from datamon.store.segment_files import bad_record, decode_entries, decode_stats, encode_rows

FEWEST_ROWS = 1_024
MOST_ROWS = 16_384
CUT_BITS = 12
"""A path ends a segment with a chance of one in 2 to this power."""
_WINDOW_ROWS = 65_536
"""So many rows, and what is left of a segment, are turned into bytes at a time."""

CONTENT_CONTEXT = "datamon 1 content segment"
SEGMENT_CONTEXT = "datamon 1 segment"
STAT_CONTEXT = "datamon 1 stat segment"


def segment_end(paths: Sequence[str], begin: int) -> int:
    """Where the segment ends that begins at row `begin`. Cuts depend on paths alone, so that a change of the tree moves only the
    cuts beside it."""
    mask = (1 << CUT_BITS) - 1
    most = min(begin + MOST_ROWS, len(paths))
    for row in range(begin + FEWEST_ROWS - 1, min(begin + MOST_ROWS - 1, len(paths))):
        if not int.from_bytes(blake3(paths[row].encode()).digest(8), "little") & mask:
            return row + 1
    return most


def segment_ends(paths: Sequence[str]) -> Iterator[int]:
    """Where each segment of a tree with these paths ends."""
    end = 0
    while end < len(paths):
        end = segment_end(paths, end)
        yield end


def content_hash(rows: memoryview) -> ContentId:
    """The id of what entries hold, of their canonical bytes: paths, kinds, execute bits, bytes and targets, but no times, modes
    or recipes."""
    return ContentId(blake3(rows, derive_key_context=CONTENT_CONTEXT).hexdigest())


def segment_hash(content: ContentId, recipes: memoryview) -> SegmentId:
    """The id of a segment: its content hash with its recipes' canonical bytes."""
    hasher = blake3(bytes.fromhex(content), derive_key_context=SEGMENT_CONTEXT)
    return SegmentId(hasher.update(recipes).hexdigest())


def stat_hash(rows: memoryview) -> SegmentId:
    """The id of a segment of modes and times, of their canonical bytes."""
    return SegmentId(blake3(rows, derive_key_context=STAT_CONTEXT).hexdigest())


def write_segments(metadata: Backend, columns: TreeColumns, condemned: frozenset[str]) -> tuple[SegmentRow, ...]:
    """Keeps the segments of these rows, which are sorted, durable when this returns; what is there already, and not condemned, is
    not written again."""

    def keep(draft: _Draft) -> SegmentRow:
        put_named(metadata, layout.segment(draft.row.id), lambda: encode_rows(draft.entries), condemned)
        put_named(metadata, layout.stat_segment(draft.row.stat), lambda: encode_rows(draft.stats), condemned)
        return draft.row

    return tuple(overlapped(metadata, keep, _drafts(columns)))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A segment that is to be kept."""

    row: SegmentRow
    entries: pa.RecordBatch
    stats: pa.RecordBatch


def _drafts(columns: TreeColumns) -> Iterator[_Draft]:
    begin, ends = 0, []
    for end in segment_ends(columns.path):
        ends.append(end)
        if end - begin >= _WINDOW_ROWS or end == len(columns):
            yield from _window(columns, begin, ends)
            begin, ends = end, []


def _window(columns: TreeColumns, begin: int, ends: Sequence[int]) -> Iterator[_Draft]:
    """The segments that end at `ends`, of which the first begins at `begin`: their canonical bytes are made together."""
    entries, stats = entry_batch(columns, begin, ends[-1]), stat_batch(columns, begin, ends[-1])
    held, recipes, states = content_rows(entries), recipe_rows(entries), stat_rows(stats)
    first = 0
    for end in (end - begin for end in ends):
        content = content_hash(stretch(held, first, end))
        row = SegmentRow(
            id=segment_hash(content, stretch(recipes, first, end)),
            content=content,
            stat=stat_hash(stretch(states, first, end)),
            first=columns.path[begin + first],
            last=columns.path[begin + end - 1],
            rows=end - first,
            size_bytes=sum(columns.size_bytes[begin + first : begin + end]),
        )
        yield _Draft(row, entries.slice(first, end - first), stats.slice(first, end - first))
        first = end


@dataclass(frozen=True, slots=True)
class Held:
    """What the entries of a segment hold, without modes and times, and each row's canonical bytes."""

    batch: pa.RecordBatch
    canonical: pa.BinaryArray


def read_segment(metadata: Backend, row: SegmentRow) -> Rows:
    """The rows of a segment, verified against its ids, in order, no path among them leaving the tree.

    Raises Corrupt (`missing-bytes`, `bad-record`, `bad-bytes`), Invalid (`unsafe-path`).
    """
    return Rows.joined(read_held(metadata, row).batch, read_stats(metadata, row))


def read_held(metadata: Backend, row: SegmentRow) -> Held:
    """What the entries of a segment hold, verified as by `read_segment`; their modes and times are not read."""
    return get_named(metadata, layout.segment(row.id), lambda content, where: _held(content, where, row))


def read_stats(metadata: Backend, row: SegmentRow) -> pa.RecordBatch:
    """The modes and times of a segment's entries, verified as by `read_segment`."""
    return get_named(metadata, layout.stat_segment(row.stat), lambda content, where: _stats(content, where, row))


def _held(content: bytes, where: str, row: SegmentRow) -> Held:
    batch = decode_entries(content, where, row.rows)
    canonical, recipes = content_rows(batch), recipe_rows(batch)
    if canonical.null_count:
        raise bad_record(where, "it has an entry of an unknown kind")
    found = content_hash(stretch(canonical, 0, row.rows))
    if found != row.content or segment_hash(found, stretch(recipes, 0, row.rows)) != row.id:
        raise _bad_bytes(where)
    path = batch.column("path")
    if (path[0].as_py(), path[-1].as_py()) != (row.first, row.last):
        raise bad_record(where, "its paths are not those that its root says")
    check_row_paths(batch)
    return Held(batch, canonical)


def _stats(content: bytes, where: str, row: SegmentRow) -> pa.RecordBatch:
    batch = decode_stats(content, where, row.rows)
    if stat_hash(stretch(stat_rows(batch), 0, row.rows)) != row.stat:
        raise _bad_bytes(where)
    if pc.max(batch.column("mode")).as_py() > PERMISSION_BITS:
        raise bad_record(where, "it has a mode that is none")
    return batch


def _bad_bytes(where: str) -> Corrupt:
    return Corrupt(
        "bad-bytes", f"the rows of {where} do not have the hash they are named by; restore it from a copy", where=where
    )
