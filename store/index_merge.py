"""Merging the segments of the chunk index in a blob backend, so that there are few and nothing in them names swept packs.

The merged segment is durable before those it stands for are deleted, so a crash anywhere leaves rows twice, never none. Its key
is greater than theirs: a backend that lists in order of keys and no longer shows them does show it. Merging at the same time as
another process is harmless too: what both read they both keep.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from datamon.errors import NotFound
from datamon.store import arrays, layout
from datamon.store.backend import Backend, Stored
from datamon.store.chunk_index import ChunkIndex
from datamon.store.clock import Clock
from datamon.store.ids import ksuid_time_ns, new_ksuid
from datamon.store.index_segments import SCHEMA, decode_segment, encode_table

_MOST_BYTES = 16 * 2**20
"""A segment of this size, some 400,000 rows, is not merged further; no merge reads more than about twice that at once."""
_FEWEST = 8
"""So many segments of about one size make one of the next."""
_LEVEL_BITS = 3
_SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge changed: the keys of segments that were put, and of those that are deleted."""

    put: tuple[str, ...]
    deleted: tuple[str, ...]


def merge_segments(blob: Backend, index: ChunkIndex, clock: Clock, *, without: frozenset[str] = frozenset()) -> Merged:
    """Afterwards there are few segments of each size, and none of them, as far as `index` knows, names a pack in `without`: such
    rows are left out. `index` has been refreshed and must be again, to see it. Raises Corrupt when a segment cannot be read."""
    naming = index.segments_naming(without) if without else frozenset()
    put: list[str] = []
    deleted: list[str] = []
    for group in _groups(list(blob.list(layout.INDEX)), naming):
        keys, tables = _read(blob, group)
        rows = _joined(tables, without)
        if keys and len(rows):
            key = layout.index(_later_ksuid(keys, clock))
            blob.put(key, encode_table(rows))
            put.append(key)
        for key in keys:
            blob.delete(key)
        deleted += keys
    return Merged(tuple(put), tuple(deleted))


def _groups(listed: Sequence[Stored], naming: frozenset[str]) -> Iterator[Sequence[Stored]]:
    """Which segments become one: those that must be written again, and where a size has enough of them, all of it."""
    small = sorted((each for each in listed if each.size_bytes < _MOST_BYTES), key=_level)
    for _, group in groupby(small, _level):
        alike = list(group)
        if len(alike) >= _FEWEST or any(each.key in naming for each in alike):
            yield from _within(alike if len(alike) >= _FEWEST else [each for each in alike if each.key in naming])
    yield from ([each] for each in listed if each.size_bytes >= _MOST_BYTES and each.key in naming)


def _level(segment: Stored) -> int:
    return segment.size_bytes.bit_length() // _LEVEL_BITS


def _within(segments: Iterable[Stored]) -> Iterator[Sequence[Stored]]:
    """The segments in lots of about `_MOST_BYTES` each."""
    lot: list[Stored] = []
    for segment in segments:
        lot.append(segment)
        if sum(each.size_bytes for each in lot) >= _MOST_BYTES:
            yield lot
            lot = []
    if lot:
        yield lot


def _read(blob: Backend, group: Iterable[Stored]) -> tuple[list[str], list[pa.Table]]:
    """Those of the group that are still there: another process may be merging too."""
    keys, tables = [], []
    for each in group:
        try:
            tables.append(decode_segment(each.key, blob.get(each.key)))
        except NotFound:
            continue
        keys.append(each.key)
    return keys, tables


def _joined(tables: Iterable[pa.Table], without: frozenset[str]) -> pa.Table:
    """The rows of all, each once, by chunk; none of the packs `without`."""
    rows = pa.concat_tables([pa.Table.from_batches([], SCHEMA), *tables])
    rows = rows.filter(pc.invert(pc.is_in(rows.column("pack"), arrays.strings(sorted(without)))))
    rows = rows.group_by(SCHEMA.names, use_threads=False).aggregate([]).cast(SCHEMA)
    return rows.take(pc.sort_indices(rows.column("chunk")))


def _later_ksuid(keys: Sequence[str], clock: Clock) -> str:
    """One that is greater than those in the keys."""
    newest = max(key.removeprefix(layout.INDEX).partition(".")[0] for key in keys)
    ksuid = new_ksuid(clock())
    return ksuid if ksuid > newest else new_ksuid(ksuid_time_ns(newest) + _SECOND_NS)
