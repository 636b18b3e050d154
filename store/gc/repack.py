"""Repack: what is needed of sparse packs is copied into new ones, verified, before the old are condemned."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from datamon.errors import Corrupt, NotFound
from datamon.store import arrays, layout
from datamon.store.backend import Span
from datamon.store.gc.chunk_set import ChunkSet, prefixes
from datamon.store.gc.condemn import Overtaken
from datamon.store.opening import Store
from datamon.store.pack_session import PackSession
from datamon.store.packs import PackRow, decode_frame, read_footer
from datamon.store.progress import Progress
from datamon.store.reach import CHUNK_TYPE

_PACKS_AT_A_TIME = 32
"""One session copies out so many packs: the rows of what it wrote are in memory."""


def repack(store: Store, packs: Iterable[str], needed: ChunkSet, avoided: frozenset[str], progress: Progress) -> int:
    """Every chunk of `needed` that lies in one of `packs` lies in a pack that is not `avoided` when this returns, durable and in
    the index: in one that stands already, or in a new one. `avoided` contains `packs`. Returns how many bytes were copied,
    unpacked.

    Raises Corrupt when a chunk that is needed is not what was stored, in any of its places; Unavailable. What was copied until
    then is garbage of a session that commits nothing. Raises Overtaken when another collector has swept one of the packs.
    """
    waiting = iter(sorted(packs))
    copied_bytes = 0
    while batch := list(islice(waiting, _PACKS_AT_A_TIME)):
        with store.chunks.session(condemned=avoided) as session:
            for pack in batch:
                _copy(store, pack, needed, session)
                progress.advance(1, 0)
        copied_bytes += session.bytes_new
    return copied_bytes


def _copy(store: Store, pack: str, needed: ChunkSet, session: PackSession) -> None:
    """Offers the needed chunks of `pack` to the session, which keeps those that no other pack holds. Chunks that shared a frame
    with others share one again."""
    try:
        content = store.blob.get(layout.pack(pack))
    except NotFound as error:  # it was there: another collector has swept it
        raise Overtaken from error
    for rows, shared in _needed_frames(content, pack, needed):
        for chunk in _chunks(store, content, rows):
            if shared:
                session.put_file(io.BytesIO(chunk), extension="", size_hint=len(chunk))
            else:
                session.put_bytes(chunk)


def _needed_frames(content: bytes, pack: str, needed: ChunkSet) -> Iterator[tuple[list[PackRow], bool]]:
    """The rows of needed chunks, frame by frame, and whether the frame holds several chunks."""

    def read(span: Span) -> bytes:
        start = max(0, len(content) + span.start)
        return content[start : start + span.length]

    rows = read_footer(read, f"the pack {pack}")
    are_needed = needed.holds(prefixes(arrays.of([row.chunk for row in rows], CHUNK_TYPE))).to_pylist()
    marked = zip(rows, are_needed, strict=True)
    for _, frame in groupby(marked, key=lambda pair: pair[0].offset):
        in_frame = list(frame)
        wanted = [row for row, is_needed in in_frame if is_needed]
        if wanted:
            yield wanted, len(in_frame) > 1


def _chunks(store: Store, content: bytes, rows: Sequence[PackRow]) -> Iterator[bytes]:
    """The chunks of these rows of one frame, verified; where the pack is damaged, from another place."""
    first = rows[0]
    try:
        raw = decode_frame(content[first.offset : first.offset + first.stored], "the pack").raw
    except Corrupt:
        raw = b""
    for row in rows:
        chunk = raw[row.inner : row.inner + row.length]
        yield chunk if store.hashing.chunk(chunk) == row.chunk else store.chunks.get(row.chunk)
