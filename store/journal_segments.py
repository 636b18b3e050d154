"""Segments of merged journal records, as sealed Parquet bytes (docs/format.md, "Merged journals")."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
from pyarrow import parquet

from datamon.store.seal import seal, unseal
from datamon.store.segment_files import bad_record

_SCHEMA = pa.schema(
    [
        pa.field("merge", pa.int64(), nullable=False),
        pa.field("writer", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),
        pa.field("record", pa.binary(), nullable=False),
    ]
)
_BATCH_ROWS = 2_048


class MergedRecord(NamedTuple):
    """A record that was merged: by which merge, whose it was, its number there, and its canonical JSON."""

    merge: int
    writer: str
    number: int
    record: bytes


def encode_merged(rows: Iterable[MergedRecord]) -> bytes:
    """The bytes of a segment with these rows, in their order."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], _SCHEMA)
    sink = pa.BufferOutputStream()
    parquet.write_table(
        table, sink, row_group_size=_BATCH_ROWS * 4, compression="zstd", compression_level=3, use_dictionary=["writer"]
    )
    return seal(sink.getvalue().to_pybytes())


def decode_merged(content: bytes, where: str) -> Iterator[MergedRecord]:
    """The rows of a segment, a batch of them in memory at one time. Raises Corrupt (`bad-bytes`, `bad-record`)."""
    try:
        file = parquet.ParquetFile(pa.BufferReader(unseal(content, where)))
        for batch in file.iter_batches(_BATCH_ROWS, columns=_SCHEMA.names, use_threads=False):
            yield from map(MergedRecord, *(column.to_pylist() for column in batch.columns))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise bad_record(where, str(error).partition("\n")[0]) from error
