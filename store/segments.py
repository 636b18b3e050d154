"""Manifest segments: where a tree is cut, the ids of its rows, and their Parquet bytes (docs/format.md, "Manifests")."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from blake3 import blake3

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, has_durably
from datamon.store.entries import PERMISSION_BITS, Kind, TreeEntry, check_paths
from datamon.store.ids import ContentId, SegmentId
from datamon.store.seal import seal, unseal

FEWEST_ROWS = 1_024
MOST_ROWS = 16_384
CUT_BITS = 12
"""A path ends a segment with a chance of one in 2 to this power."""

CONTENT_CONTEXT = "datamon 1 content segment"
SEGMENT_CONTEXT = "datamon 1 segment"
STAT_CONTEXT = "datamon 1 stat segment"

_LENGTH = struct.Struct("<I")
_FIXED = struct.Struct("<cBQ32sI")
_STAT = struct.Struct("<Iq")
_NO_RECIPE = _LENGTH.pack(0xFFFFFFFF)
_KIND_CODE: dict[str, bytes] = {"file": b"f", "dir": b"d", "symlink": b"l", "external": b"x"}
_CUT_MASK = (1 << CUT_BITS) - 1


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """What a root says of one segment: its ids, first and last path, rows and the bytes of its files."""

    id: SegmentId
    content: ContentId
    stat: SegmentId
    first: str
    last: str
    rows: int
    size_bytes: int


def cut(entries: Iterable[TreeEntry]) -> Iterator[list[TreeEntry]]:
    """The entries in segments. Cuts depend on paths alone, so that a change of the tree moves only the cuts beside it."""
    segment: list[TreeEntry] = []
    for entry in entries:
        segment.append(entry)
        length = len(segment)
        if length >= FEWEST_ROWS and (length == MOST_ROWS or _is_cut(entry.path)):
            yield segment
            segment = []
    if segment:
        yield segment


def _is_cut(path: str) -> bool:
    return not int.from_bytes(blake3(path.encode()).digest(8), "little") & _CUT_MASK


def content_hash(entries: Iterable[TreeEntry]) -> ContentId:
    """The id of what these entries hold: paths, kinds, execute bits, bytes and targets, but no times, modes or recipes."""
    parts: list[bytes] = []
    for entry in entries:
        path = entry.path.encode()
        target = entry.target.encode() if entry.target else b""
        content = bytes.fromhex(entry.content)
        fixed = _FIXED.pack(_KIND_CODE[entry.kind], entry.executable, entry.size_bytes, content, len(target))
        parts += (_LENGTH.pack(len(path)), path, fixed, target)
    return ContentId(blake3(b"".join(parts), derive_key_context=CONTENT_CONTEXT).hexdigest())


def segment_hash(content: ContentId, recipes: Iterable[bytes | None]) -> SegmentId:
    """The id of a segment: its content hash with its recipes."""
    parts = [bytes.fromhex(content)]
    for recipe in recipes:
        if recipe is None:
            parts.append(_NO_RECIPE)
        else:
            parts += (_LENGTH.pack(len(recipe)), recipe)
    return SegmentId(blake3(b"".join(parts), derive_key_context=SEGMENT_CONTEXT).hexdigest())


def stat_hash(entries: Iterable[TreeEntry]) -> SegmentId:
    """The id of a segment of modes and times."""
    rows = b"".join(_STAT.pack(entry.mode, entry.mtime_ns) for entry in entries)
    return SegmentId(blake3(rows, derive_key_context=STAT_CONTEXT).hexdigest())


def write_segment(metadata: Backend, entries: Sequence[TreeEntry]) -> SegmentRow:
    """Keeps both segments of these entries, durable when this returns; what is there already is not written again."""
    content = content_hash(entries)
    row = SegmentRow(
        id=segment_hash(content, (entry.recipe for entry in entries)),
        content=content,
        stat=stat_hash(entries),
        first=entries[0].path,
        last=entries[-1].path,
        rows=len(entries),
        size_bytes=sum(entry.size_bytes for entry in entries),
    )
    if not has_durably(metadata, layout.segment(row.id)):
        metadata.put(layout.segment(row.id), _encode_entries(entries))
    if not has_durably(metadata, layout.stat_segment(row.stat)):
        metadata.put(layout.stat_segment(row.stat), _encode_stats(entries))
    return row


def read_segment(metadata: Backend, row: SegmentRow) -> list[TreeEntry]:
    """The entries of a segment, verified against its ids, in order, no path among them leaving the tree.

    Raises Corrupt (`missing-bytes`, `bad-record`, `bad-bytes`), Invalid (`unsafe-path`).
    """
    where, stat_where = layout.segment(row.id), layout.stat_segment(row.stat)
    columns = _decode(_fetch(metadata, where), _entry_schema(), where)
    stats = _decode(_fetch(metadata, stat_where), _stat_schema(), stat_where)
    if not len(columns["path"]) == len(stats["mode"]) == row.rows:
        raise _bad_record(where, "it has not as many rows as its root says")
    if not set(columns["kind"]) <= _KIND_CODE.keys():
        raise _bad_record(where, "it has an entry of an unknown kind")
    entries = [
        TreeEntry(
            path, cast(Kind, kind), size, ContentId(content.hex()), target or None, recipe, executable, mode, mtime
        )
        for path, kind, executable, size, content, target, recipe, mode, mtime in zip(
            *columns.values(), *stats.values(), strict=True
        )
    ]
    _verify(entries, row, where)
    return entries


def _verify(entries: list[TreeEntry], row: SegmentRow, where: str) -> None:
    content = content_hash(entries)
    if content != row.content or segment_hash(content, (entry.recipe for entry in entries)) != row.id:
        raise _bad_bytes(where)
    if stat_hash(entries) != row.stat or any(entry.mode > PERMISSION_BITS for entry in entries):
        raise _bad_bytes(layout.stat_segment(row.stat))
    if (entries[0].path, entries[-1].path) != (row.first, row.last):
        raise _bad_record(where, "its paths are not those that its root says")
    check_paths([entry.path for entry in entries])


def _fetch(metadata: Backend, where: str) -> bytes:
    try:
        return metadata.get(where)
    except NotFound as error:
        raise Corrupt(
            "missing-bytes", f"the manifest segment {where} is gone; restore it from a copy of the store", where=where
        ) from error


def _bad_bytes(where: str) -> Corrupt:
    return Corrupt(
        "bad-bytes", f"the rows of {where} do not have the hash they are named by; restore it from a copy", where=where
    )


def _bad_record(where: str, fault: str) -> Corrupt:
    return Corrupt("bad-record", f"the segment {where} cannot be read ({fault}); restore it from a copy", where=where)


# pyarrow takes 0.2 s to import and most commands read no manifest, so these functions import it when they run.


@cache
def _entry_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("executable", pa.bool_(), nullable=False),
            pa.field("size", pa.uint64(), nullable=False),
            pa.field("content", pa.binary(32), nullable=False),
            pa.field("target", pa.string()),
            pa.field("recipe", pa.binary()),
        ]
    )


@cache
def _stat_schema() -> Any:
    import pyarrow as pa

    return pa.schema([pa.field("mode", pa.uint32(), nullable=False), pa.field("mtime", pa.int64(), nullable=False)])


def _encode_entries(entries: Sequence[TreeEntry]) -> bytes:
    columns: list[list[Any]] = [
        [entry.path for entry in entries],
        [entry.kind for entry in entries],
        [entry.executable for entry in entries],
        [entry.size_bytes for entry in entries],
        [bytes.fromhex(entry.content) for entry in entries],
        [entry.target for entry in entries],
        [entry.recipe for entry in entries],
    ]
    return _encode(columns, _entry_schema(), {"path": "DELTA_BYTE_ARRAY"})


def _encode_stats(entries: Sequence[TreeEntry]) -> bytes:
    columns: list[list[Any]] = [[entry.mode for entry in entries], [entry.mtime_ns for entry in entries]]
    return _encode(columns, _stat_schema(), {"mtime": "DELTA_BINARY_PACKED"})


def _encode(columns: list[list[Any]], schema: Any, encodings: dict[str, str]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    sink = pa.BufferOutputStream()
    parquet.write_table(
        pa.Table.from_arrays(arrays, schema=schema),
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in ("kind", "mode") if name in schema.names],
        column_encoding=encodings,
        write_statistics=False,
    )
    return seal(sink.getvalue().to_pybytes())


def _decode(content: bytes, schema: Any, where: str) -> dict[str, list[Any]]:
    """The columns of a Parquet file, in the schema's order. Raises Corrupt (`bad-record`) when it has others."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = (
            parquet.ParquetFile(pa.BufferReader(unseal(content, where))).read(use_threads=False).select(schema.names)
        )
        if any(table[field.name].null_count for field in schema if not field.nullable):
            raise _bad_record(where, "a column has gaps")
        return {field.name: table[field.name].cast(field.type).to_pylist() for field in schema}
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise _bad_record(where, str(error).partition("\n")[0]) from error
