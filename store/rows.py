"""Rows of manifests as Arrow columns, and their canonical bytes, by which segments are named (docs/format.md, "Manifests").

Canonical bytes are made a column at a time: a row in Python costs ten times as much. Arrow keeps numbers in the machine's byte
order, which is little-endian wherever pyarrow runs.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datamon.store import arrays
from datamon.store.columns import TreeColumns
from datamon.store.entries import HeldEntry, TreeEntry, check_paths
from datamon.store.ids import HASH_BYTES, ContentId, ManifestId

ENTRY_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("executable", pa.bool_(), nullable=False),
        pa.field("size", pa.uint64(), nullable=False),
        pa.field("content", pa.binary(HASH_BYTES), nullable=False),
        pa.field("target", pa.string()),
        pa.field("recipe", pa.binary()),
    ]
)
STAT_SCHEMA = pa.schema(
    [pa.field("mode", pa.uint32(), nullable=False), pa.field("mtime", pa.int64(), nullable=False)],
)
_SCHEMA = pa.schema([*ENTRY_SCHEMA, *STAT_SCHEMA])
NAMED_SCHEMA = pa.schema(
    [pa.field("manifest", pa.string(), nullable=False), *(f for f in _SCHEMA if f.name != "recipe")]
)
"""Rows of several manifests together."""
KINDS = arrays.strings(["file", "dir", "symlink", "external"])
# Two bytes a row, by kind and execute bit: 0 and 1 are a file's, 2 and 3 a directory's, and so on.
_CODES = arrays.binaries([b"f\0", b"f\1", b"d\0", b"d\1", b"l\0", b"l\1", b"x\0", b"x\1"])
_BINARY = pa.binary()
# As a value of Arrow's: `pyarrow.compute` too imports pandas, for each value of Python's that it is given.
_NOTHING, _BETWEEN = arrays.binaries([b"", b"/\n/"])
_NO_RECIPE_BYTES = -1
"""A null recipe's length, which as u32 is 4,294,967,295."""


def entry_batch(columns: TreeColumns, begin: int, end: int) -> pa.RecordBatch:
    """Rows `begin` to `end` of the columns, with ENTRY_SCHEMA."""
    lists = (
        columns.path,
        columns.kind,
        columns.executable,
        columns.size_bytes,
        columns.content,
        columns.target,
        columns.recipe,
    )
    return _batch(lists, begin, end, ENTRY_SCHEMA)


def stat_batch(columns: TreeColumns, begin: int, end: int) -> pa.RecordBatch:
    """Rows `begin` to `end` of the columns, with STAT_SCHEMA."""
    return _batch((columns.mode, columns.mtime_ns), begin, end, STAT_SCHEMA)


def _batch(lists: tuple[list[Any], ...], begin: int, end: int, schema: pa.Schema) -> pa.RecordBatch:
    pairs = zip(lists, schema, strict=True)
    return pa.RecordBatch.from_arrays(
        [arrays.of(values[begin:end], field.type) for values, field in pairs], schema=schema
    )


def content_rows(batch: pa.RecordBatch) -> pa.BinaryArray:
    """The canonical bytes of what each row holds: path, kind, execute bit, size, content, target; null for an unknown kind."""
    path = batch.column("path")
    kind = pc.index_in(batch.column("kind"), KINDS)
    code = pc.add(pc.add(kind, kind), batch.column("executable").cast(pa.int32()))
    return pc.binary_join_element_wise(
        _fixed(pc.binary_length(path)),
        path.cast(_BINARY),
        _CODES.take(code),
        _fixed(batch.column("size")),
        batch.column("content").cast(_BINARY),
        *_measured(batch.column("target").cast(_BINARY), 0),
        _NOTHING,
    )


def recipe_rows(batch: pa.RecordBatch) -> pa.BinaryArray:
    """The canonical bytes of each row's recipe."""
    columns = _measured(batch.column("recipe"), _NO_RECIPE_BYTES)
    if len(columns) == 1:
        return pa.repeat(*columns, len(batch))
    return pc.binary_join_element_wise(*columns, _NOTHING)


def _measured(values: pa.BinaryArray, absent: int) -> tuple[pa.BinaryArray, pa.BinaryArray] | tuple[pa.Scalar]:
    """The bytes of each value's length, and the values; a null is empty and has the length `absent`. Of values that are all null,
    as most are, only the bytes of that length."""
    if values.null_count == len(values):
        return (arrays.binaries([absent.to_bytes(4, "little", signed=True)])[0],)
    length = pc.fill_null(pc.binary_length(values), arrays.numbers([absent], pa.int32())[0])
    return _fixed(length), pc.fill_null(values, _NOTHING)


def stat_rows(batch: pa.RecordBatch) -> pa.BinaryArray:
    """The canonical bytes of each row's mode and time."""
    return pc.binary_join_element_wise(_fixed(batch.column("mode")), _fixed(batch.column("mtime")), _NOTHING)


def stretch(rows: pa.BinaryArray, begin: int, end: int) -> memoryview:
    """The bytes of rows `begin` to `end`, one behind the other, without a copy."""
    _, offsets, content = rows.buffers()
    bounds = memoryview(offsets).cast("i")
    return memoryview(content)[bounds[rows.offset + begin] : bounds[rows.offset + end]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a manifest, verified: a record batch with the columns of both schemas."""

    batch: pa.RecordBatch

    @staticmethod
    def joined(entries: pa.RecordBatch, stats: pa.RecordBatch) -> "Rows":
        """The rows of a segment and of its modes and times."""
        return Rows(pa.RecordBatch.from_arrays([*entries.columns, *stats.columns], schema=_SCHEMA))

    def __len__(self) -> int:
        return len(self.batch)

    def paths(self) -> list[str]:
        """The path of each row."""
        paths: list[str] = self.batch.column("path").to_pylist()
        return paths

    def at(self, row: int) -> TreeEntry:
        """One row as an entry."""
        return Rows(self.batch.slice(row, 1)).entries()[0]

    def at_or_below(self, prefix: str) -> "Rows":
        """The rows of the path `prefix` and of what lies below it."""
        path = self.batch.column("path")
        return Rows(
            self.batch.filter(
                pc.or_(pc.equal(path, arrays.value(prefix, pa.string())), pc.starts_with(path, prefix + "/"))
            )
        )

    def of_manifest(self, manifest: ManifestId) -> pa.RecordBatch:
        """The rows with NAMED_SCHEMA: without recipes, and each with this id in front."""
        columns = [self.batch.column(name) for name in NAMED_SCHEMA.names[1:]]
        return pa.RecordBatch.from_arrays([pa.repeat(manifest, len(self)), *columns], schema=NAMED_SCHEMA)

    def entries(self) -> list[TreeEntry]:
        """The rows as entries."""
        names = ("path", "kind", "size", "target", "recipe", "executable", "mode", "mtime")
        path, kind, size, target, recipe, executable, mode, mtime = (
            self.batch.column(name).to_pylist() for name in names
        )
        held = (each or None for each in target)
        fields = zip(path, kind, size, _contents(self.batch), held, recipe, executable, mode, mtime, strict=True)
        return [TreeEntry(*row) for row in fields]


def check_row_paths(batch: pa.RecordBatch) -> None:
    """As `check_paths`, for the paths of these rows; one by one only where all together look wrong."""
    path = batch.column("path")
    whole = pa.ListArray.from_arrays(arrays.numbers([0, len(path)], pa.int32()), path.cast(_BINARY))
    joined = b"/" + pc.binary_join(whole, _BETWEEN)[0].as_py() + b"/"
    unsafe = b"\0" in joined or b"//" in joined or (b"/." in joined and (b"/./" in joined or b"/../" in joined))
    if unsafe or pc.any(pc.greater_equal(path.slice(0, len(path) - 1), path.slice(1))).as_py():
        check_paths(path.to_pylist())


def held_entries(batch: pa.RecordBatch) -> list[HeldEntry]:
    """What the rows hold; `batch` has the columns of ENTRY_SCHEMA."""
    names = ("path", "kind", "size", "target", "executable")
    path, kind, size, target, executable = (batch.column(name).to_pylist() for name in names)
    held = (each or None for each in target)
    return [HeldEntry(*row) for row in zip(path, kind, size, _contents(batch), held, executable, strict=True)]


def _contents(batch: pa.RecordBatch) -> list[ContentId]:
    content = batch.column("content")
    begin, end = content.offset * HASH_BYTES, (content.offset + len(content)) * HASH_BYTES
    digits = memoryview(content.buffers()[1])[begin:end].hex()  # all at once, and then cut: a fifth of the time
    return [ContentId(digits[at : at + 2 * HASH_BYTES]) for at in range(0, len(digits), 2 * HASH_BYTES)]


def _fixed(numbers: pa.Array) -> pa.BinaryArray:
    """The bytes of each number."""
    return numbers.view(pa.binary(numbers.type.bit_width // 8)).cast(_BINARY)
