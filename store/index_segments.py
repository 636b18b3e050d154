"""Segments of the chunk index: sealed Parquet tables that say which pack holds a chunk (docs/format.md, "Chunk index")."""

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datamon.errors import Corrupt
from datamon.store import arrays
from datamon.store.ids import HASH_BYTES
from datamon.store.packs import PackRow
from datamon.store.seal import seal, unseal

NUMBERS = ("offset", "stored", "inner", "length")
SCHEMA = pa.schema(
    [
        pa.field("chunk", pa.binary(HASH_BYTES), nullable=False),
        pa.field("pack", pa.string(), nullable=False),
        *(pa.field(name, pa.uint32(), nullable=False) for name in NUMBERS),
    ]
)
"""The columns of a segment."""


class Place(NamedTuple):
    """Where a chunk lies: the pack's name and the chunk's row there."""

    pack: str
    row: PackRow


def encode_segment(packs: Mapping[str, Sequence[PackRow]]) -> bytes:
    """An index segment for these packs' rows."""
    rows = [row for pack_rows in packs.values() for row in pack_rows]
    chunks, *numbers = zip(*rows, strict=True) if rows else [()] * 5
    of_packs = chain.from_iterable(repeat(number, len(pack_rows)) for number, pack_rows in enumerate(packs.values()))
    columns = [
        arrays.fixed(chunks, HASH_BYTES),
        arrays.strings(list(packs)).take(arrays.numbers(of_packs, pa.uint32())),
    ]
    columns += [arrays.numbers(column, pa.uint32()) for column in numbers]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    return encode_table(table.take(pc.sort_indices(table.column("chunk"))))


def encode_table(table: pa.Table) -> bytes:
    """An index segment of these rows, which are sorted by `chunk`."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=["pack"])
    encoded: bytes = sink.getvalue().to_pybytes()
    return seal(encoded)


def decode_segment(key: str, content: bytes) -> pa.Table:
    """The rows of the segment `content`, which lies under `key`. Raises Corrupt (`bad-bytes`, `bad-record`)."""
    try:
        # One thread, no prefetching: many small segments are read, each in well under a millisecond. `read_table` would load
        # pyarrow's data sets and their thread pool.
        table = pq.ParquetFile(pa.BufferReader(unseal(content, key))).read(use_threads=False)
        if not table.schema.equals(SCHEMA):
            raise ValueError("other columns than expected")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Corrupt(
            "bad-record", f"the chunk index segment {key} cannot be read ({error}); restore it from a copy", key=key
        ) from error
    return table
