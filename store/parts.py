"""The content of a directory inside a manifest, as if it were a manifest of its own."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from datamon.store import segments
from datamon.store.ids import ContentId
from datamon.store.rows import Rows, content_rows, stretch


def content_below(directory: str, pieces: Iterable[Rows]) -> Iterator[ContentId]:
    """The content hashes of the segments that a manifest of what lies below `directory` would have; `pieces` are the rows at and
    below it, in order."""
    for segment in cut_rows(_relative(directory, rows.batch) for rows in pieces):
        yield segments.content_hash(stretch(content_rows(segment), 0, len(segment)))


def _relative(directory: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows below the directory, their paths relative to it."""
    below = batch.filter(pc.starts_with(batch.column("path"), directory + "/"))
    paths = pc.utf8_slice_codeunits(below.column("path"), start=len(directory) + 1)
    return below.set_column(0, below.schema.field(0), paths)


def cut_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows of a sorted tree, which come in any pieces, in segments."""
    waiting: list[pa.RecordBatch] = []
    for batch in filter(len, batches):
        waiting.append(batch)
        while sum(map(len, waiting)) >= segments.MOST_ROWS:
            yield _first_segment(waiting)
    while waiting:
        yield _first_segment(waiting)


def _first_segment(waiting: list[pa.RecordBatch]) -> pa.RecordBatch:
    """The first segment of the rows that wait; the others wait on."""
    rows = pa.concat_batches(waiting)
    end = segments.segment_end(rows.column("path").slice(0, segments.MOST_ROWS).to_pylist(), 0)
    waiting[:] = [rows.slice(end)] if end < len(rows) else []
    return rows.slice(0, end)
