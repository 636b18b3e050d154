"""Chunks of one store that another lacks: read in the order in which they lie, verified, and put into its packs."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from datamon.store.chunk_store import ChunkStore
from datamon.store.chunks import WHOLE_BYTES
from datamon.store.ids import ChunkId
from datamon.store.pack_session import PackSession
from datamon.store.progress import Progress
from datamon.store.read_ahead import BATCH_BYTES, BATCH_FRAMES, Batch, read_ahead
from datamon.store.reading import SMALL_BYTES, Piece, Wanted, is_right

SORTED_BYTES = 64 * 2**20
SORTED_CHUNKS = 16_384
"""So many missing bytes, or chunks, are put in the order of their places at a time, which bounds memory."""


def send_chunks(needed: Iterable[pa.Array], source: ChunkStore, session: PackSession, progress: Progress) -> None:
    """The chunks of these ids, which may come twice, are in the store of `session` after its close: those that it lacked were
    read from `source` and verified. What is needed is asked for as the work goes on.

    Raises Corrupt as `ChunkStore.get` does; Denied, Unavailable.
    """
    line = session.new_line()
    try:
        with closing(read_ahead(source, _batches(_missing(needed, source, session, progress)))) as batches:
            for batch, pieces in batches:
                for wanted, piece in zip(batch.wanted, pieces, strict=True):
                    content = _right(source, wanted, piece)
                    progress.advance(0, len(content))
                    if len(content) <= WHOLE_BYTES:
                        session.intake.keep_small(wanted.chunk, content, "")
                    else:  # a copy: the room that it lies in is used again before its turn comes
                        framing = partial(session.intake.framed, memoryview(bytes(content)))
                        line.push(len(content), framing, session.intake.keep_framed)
        line.drain()
    finally:
        line.drop()


def _missing(
    needed: Iterable[pa.Array], source: ChunkStore, session: PackSession, progress: Progress
) -> Iterator[Wanted]:
    """What the session's store lacks, with its place in the source."""
    session.intake.look()
    for chunks in needed:
        for chunk in map(ChunkId, chunks.to_pylist()):
            place = source.locate(chunk)
            length = place.row.length if place is not None else 0
            if session.intake.has(chunk):
                progress.advance(0, length)
            else:
                yield Wanted(chunk, length, place)


@dataclass
class _Window:
    """Missing chunks that are put in order together."""

    wanted: dict[ChunkId, Wanted] = field(default_factory=dict)
    size_bytes: int = 0

    def add(self, wanted: Wanted) -> None:
        """One more, if it is not there."""
        if wanted.chunk not in self.wanted:
            self.wanted[wanted.chunk] = wanted
            self.size_bytes += wanted.length

    @property
    def is_full(self) -> bool:
        """Whether it is to be sent."""
        return self.size_bytes >= SORTED_BYTES or len(self.wanted) >= SORTED_CHUNKS

    def in_order(self) -> Iterator[Wanted]:
        """Its chunks as they lie; first those of which the index names no place."""
        return iter(sorted(self.wanted.values(), key=_lies_at))


def _lies_at(wanted: Wanted) -> tuple[str, int, int]:
    if wanted.place is None:
        return ("", 0, 0)
    return (wanted.place.pack, wanted.place.row.offset, wanted.place.row.inner)


def _batches(missing: Iterable[Wanted]) -> Iterator[Batch]:
    window = _Window()
    for wanted in missing:
        window.add(wanted)
        if window.is_full:
            yield from _cut(window.in_order())
            window = _Window()
    yield from _cut(window.in_order())


def _cut(wanted: Iterator[Wanted]) -> Iterator[Batch]:
    """Batches that each are read by one thread; chunks that share a frame are in one."""
    batch: list[Wanted] = []
    size_bytes, frames, frame = 0, 0, None
    for each in wanted:
        here = None if each.place is None else (each.place.pack, each.place.row.offset)
        if here != frame or here is None:
            if size_bytes >= BATCH_BYTES or frames >= BATCH_FRAMES:
                yield Batch(batch)
                batch, size_bytes, frames = [], 0, 0
            frames += 1
        frame = here
        batch.append(each)
        size_bytes += each.length
    if batch:
        yield Batch(batch)


def _right(source: ChunkStore, wanted: Wanted, piece: Piece | None) -> memoryview:
    """The chunk's bytes, verified: those that were read, or others, wherever else the source has them."""
    if piece is not None and (wanted.length >= SMALL_BYTES or is_right(piece, wanted, source.hashing)):
        return piece.room[piece.begin : piece.end]
    return memoryview(source.get(wanted.chunk))
