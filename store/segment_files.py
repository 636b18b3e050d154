"""Segments of manifests as sealed Parquet bytes."""

from typing import Any

import pyarrow as pa
from pyarrow import parquet

from datamon.errors import Corrupt
from datamon.store.rows import ENTRY_SCHEMA, STAT_SCHEMA
from datamon.store.seal import seal, unseal

_DICTIONARIES = frozenset({"kind", "mode"})
_ENCODINGS = {"path": "DELTA_BYTE_ARRAY", "mtime": "DELTA_BINARY_PACKED"}


def encode_rows(batch: pa.RecordBatch) -> bytes:
    """The bytes of a segment. Another Parquet writer may give others: ids are hashes of the rows, not of these."""
    names = batch.schema.names
    sink = pa.BufferOutputStream()
    parquet.write_table(
        pa.Table.from_batches([batch]),
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in names if name in _DICTIONARIES],
        column_encoding={name: _ENCODINGS[name] for name in names if name in _ENCODINGS},
        write_statistics=False,
    )
    return seal(sink.getvalue().to_pybytes())


def decode_entries(content: bytes, where: str, rows: int) -> pa.RecordBatch:
    """The rows of a segment of entries, which are so many. Raises Corrupt (`bad-bytes`, `bad-record`)."""
    return _decode(content, ENTRY_SCHEMA, where, rows)


def decode_stats(content: bytes, where: str, rows: int) -> pa.RecordBatch:
    """The rows of a segment of modes and times, which are so many. Raises Corrupt (`bad-bytes`, `bad-record`)."""
    return _decode(content, STAT_SCHEMA, where, rows)


def bad_record(where: str, fault: str) -> Corrupt:
    """The error for a segment whose bytes are those stored and make no sense."""
    return Corrupt("bad-record", f"the segment {where} cannot be read ({fault}); restore it from a copy", where=where)


def _decode(content: bytes, schema: Any, where: str, rows: int) -> pa.RecordBatch:
    try:
        source = pa.BufferReader(unseal(content, where))
        table = parquet.ParquetFile(source).read(use_threads=False).select(schema.names)
        if table.num_rows != rows:
            raise bad_record(where, "it has not as many rows as its root says")
        if any(table[field.name].null_count for field in schema if not field.nullable):
            raise bad_record(where, "a column has gaps")
        [batch] = table.cast(schema).combine_chunks().to_batches()
        batch.validate(full=True)  # text that is no UTF-8 must not come out as an error of Python's
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise bad_record(where, str(error).partition("\n")[0]) from error
    return batch
