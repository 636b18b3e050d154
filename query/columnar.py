"""Answers as files of columns: Parquet and Arrow. Types are kept; times are instants in UTC."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Literal

import pyarrow
from pyarrow import parquet

from datamon.query.answer import Answer
from datamon.query.arrow_types import array_of, column_of

Form = Literal["parquet", "arrow"]
_AT_ONCE = 50_000
"""Rows of a batch, which are in memory twice."""


def write_columns(answer: Answer, form: Form, sink: IO[bytes]) -> None:
    """All rows of an answer are in `sink`, as one Parquet file or one Arrow IPC stream; columns of one name are told apart by
    `_2`, `_3`. Raises Invalid (`bad-argument`) for a value that has no form there."""
    types = [column_of(kind, "UTC").type for kind in answer.types]
    schema = pyarrow.schema(list(zip(_distinct(answer.columns), types, strict=True)))
    with _writer(form, sink, schema) as writer:
        for batch in _batches(answer, schema):
            writer.write_batch(batch)


def _writer(form: Form, sink: IO[bytes], schema: pyarrow.Schema) -> AbstractContextManager[Any]:
    if form == "arrow":
        writer: AbstractContextManager[Any] = pyarrow.ipc.new_stream(sink, schema)
    else:
        writer = parquet.ParquetWriter(sink, schema, compression="zstd")
    return writer


def _batches(answer: Answer, schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
    for start in range(0, len(answer.rows), _AT_ONCE):
        rows = answer.rows[start : start + _AT_ONCE]
        arrays = [array_of([row[n] for row in rows], kind, "UTC") for n, kind in enumerate(answer.types)]
        yield pyarrow.record_batch(arrays, schema=schema)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, each once.

    >>> _distinct(["id", "id", "id_2"])
    ['id', 'id_3', 'id_2']
    """
    taken = set(names)
    given: list[str] = []
    for name in names:
        fresh, number = name, 1
        while fresh in given or (number > 1 and fresh in taken):
            number += 1
            fresh = f"{name}_{number}"
        given.append(fresh)
    return given
