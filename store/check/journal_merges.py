"""The merges of a journal under check: their log, and the segments that hold what was merged."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, get_decoded
from datamon.store.check.findings import Finding, damage, told_by
from datamon.store.codec import Record, decode
from datamon.store.journal_merges import Merges, Segment, decode_merges

_NEXT = "run `datamon repair --from` with a copy of the store"


def last_number(metadata: Backend) -> int:
    """The number of the last merge."""
    return sum(1 for _ in metadata.list(layout.MERGES))


def read_merged(metadata: Backend, last: dict[str, int]) -> Iterator[Record | Finding]:
    """Every merged record, and what of them is missing or damaged; `last` has the last number of each writer afterwards. Of the
    merges only the last one is needed."""
    keys = [stored.key for stored in metadata.list(layout.MERGES)]
    merges = Merges()
    if keys:
        try:
            merges = get_decoded(metadata, keys[-1], partial(decode_merges, where=keys[-1]))
        except Corrupt as error:
            yield told_by(error, keys[-1])
            return
    for segment in merges.segments:
        yield from _read_segment(metadata, segment, last)
    yield from _orphans(metadata, merges)


def _orphans(metadata: Backend, merges: Merges) -> Iterator[Finding]:
    """Segments that were put for the next merge, whose records are nowhere else: that merge was lost."""
    for stored in metadata.list(layout.MERGED, after=f"{layout.MERGED}{merges.number + 1:020d}"):
        from datamon.store.journal_segments import decode_merged  # brings pyarrow, which few journals need

        with suppress(Corrupt, NotFound):
            content = metadata.get(stored.key)
            newest = [row for row in decode_merged(content, stored.key) if row.merge > merges.number]
            if all(metadata.has(layout.journal_record(row.writer, row.number)) for row in newest):
                continue
            key = layout.merge(merges.number + 1)
            message = (
                f"{stored.key} was put for {key}, which is not there: it was stopped, or is lost; {_NEXT}, or without"
            )
            yield Finding("entry-missing", "notice", message, key)
            return


def missing_records(metadata: Backend, writer: str, last: int, number: int) -> Iterator[Finding]:
    """The records of a writer that are missing between two numbers."""
    for missing in range(last + 1, number):
        key = layout.journal_record(writer, missing)
        yield damage("missing-bytes", f"{metadata.url}/{key} is missing; {_NEXT}", key)


def _read_segment(metadata: Backend, segment: Segment, last: dict[str, int]) -> Iterator[Record | Finding]:
    from datamon.store.journal_segments import decode_merged  # brings pyarrow, which few journals need

    try:
        rows = get_decoded(metadata, segment.key, lambda content: list(decode_merged(content, segment.key)))
    except NotFound:
        yield damage("missing-bytes", f"{metadata.url}/{segment.key} is missing; {_NEXT}", segment.key)
        return
    except Corrupt as error:
        yield told_by(error, segment.key)
        return
    for row in rows:
        yield from missing_records(metadata, row.writer, last.get(row.writer, 0), row.number)
        last[row.writer] = max(last.get(row.writer, 0), row.number)
        yield decode(row.record, segment.key)
