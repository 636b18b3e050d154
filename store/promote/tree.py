"""A bundle's tree goes from one store to another that names bytes alike: what is there is not sent, what is sent is verified."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from datamon.store import layout
from datamon.store.manifest import write_root
from datamon.store.named import put_named
from datamon.store.opening import Store
from datamon.store.overlap import overlapped
from datamon.store.progress import Progress
from datamon.store.promote.chunks import send_chunks
from datamon.store.put_tree import StoredTree
from datamon.store.reach import Reach
from datamon.store.roots import Manifest, SegmentRow
from datamon.store.segment_files import encode_rows
from datamon.store.segments import read_held, read_stats

_WALKED_TOGETHER = 16
"""Segments whose chunks are looked for together: as many as are read at a time."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One manifest on its way from a store to another, which has what lies under the metadata keys `standing`, and the chunks
    that this needs, for as long as it takes."""

    source: Store
    target: Store
    manifest: Manifest
    standing: frozenset[str]
    condemned: frozenset[str]
    progress: Progress


def send_tree(sending: Sending) -> StoredTree:
    """The manifest and all that it needs is durable in the target, but not committed; beside what stands there, nothing of it
    relies on what is condemned. In memory are a few segments and a few packs' worth of bytes, however large the tree is.

    What was sent stays when this fails: the next attempt does not send it again.

    Raises Corrupt, Invalid (`newer-format`, `unsafe-path`), Denied, Unavailable.
    """
    manifest, target = sending.manifest, sending.target
    rows = [row for row in manifest.segments if layout.segment(row.id) not in sending.standing]
    sending.progress.begin("promote", sum(row.rows for row in rows), sum(row.size_bytes for row in rows))
    with target.chunks.session(sending.condemned) as session:
        send_chunks(_needed(sending, rows), sending.source.chunks, session, sending.progress)
    for _ in overlapped(target.metadata, lambda row: _send_segment(sending, row), manifest.segments):
        pass
    write_root(target.metadata, manifest.segments, condemned=sending.condemned)
    sending.progress.end()
    return StoredTree(manifest, session.id if session.packs else None, session.reused)


def _needed(sending: Sending, rows: Sequence[SegmentRow]) -> Iterator[pa.Array]:
    """The ids of the chunks that these segments reach."""
    reach = Reach(sending.source.metadata, sending.source.chunks.get)
    for begin in range(0, len(rows), _WALKED_TOGETHER):
        several = tuple(rows[begin : begin + _WALKED_TOGETHER])
        yield from reach.walk(replace(sending.manifest, segments=several))
        sending.progress.advance(sum(row.rows for row in several), 0)


def _send_segment(sending: Sending, row: SegmentRow) -> None:
    """The segment is durable in the target, with its modes and times."""
    here, there = sending.source.metadata, sending.target.metadata
    entries, stats = layout.segment(row.id), layout.stat_segment(row.stat)
    if entries not in sending.standing:
        put_named(there, entries, lambda: encode_rows(read_held(here, row).batch), sending.condemned)
    if stats not in sending.standing:
        put_named(there, stats, lambda: encode_rows(read_stats(here, row)), sending.condemned)
