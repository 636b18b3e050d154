"""Filling packs with frames: chunks of small files share frames, and a full pack goes on its way."""

from collections.abc import Callable, Sequence
from functools import partial

from datamon.store.ids import ChunkId
from datamon.store.pack_delivery import FullPack, PackDelivery
from datamon.store.packs import FRAME_BYTES, FRAME_CHUNKS, PackRow, encode_frame, end_bytes, frame_rows
from datamon.store.workers import Line, Workers

_WAITING_BYTES = 2 * 2**20
"""So many bytes of small files may wait for company in their frames, whatever the number of extensions."""
_UNDER_WAY_BYTES = 2 * 2**20
"""So many bytes of frames may be compressed ahead of the pack they go into."""
_TOGETHER_BYTES = 512 * 1024
"""So many bytes of small files are compressed by one thread at a time."""
_PACK_ROWS = 131_072
"""A pack of very small files ends at so many rows."""


class _Group:
    """Chunks that wait to share a frame, and their bytes one after the other."""

    def __init__(self) -> None:
        self.chunks: list[ChunkId] = []
        self.lengths: list[int] = []
        self.raw = bytearray()

    def add(self, chunk: ChunkId, content: bytes | memoryview) -> None:
        """One chunk more."""
        self.chunks.append(chunk)
        self.lengths.append(len(content))
        self.raw += content


def _frames_of(groups: Sequence[_Group]) -> list[bytes]:
    return [encode_frame(group.raw, group.lengths) for group in groups]


class PackWriter:
    """The packs of one session. For one thread at a time, which `workers` help; the order of calls alone decides what lies where.

    After a call that raised, only `discard` may be called. `forget` is told rows that every session can look up by now.
    """

    def __init__(
        self,
        delivery: PackDelivery,
        pack_bytes: int,
        workers: Workers,
        forget: Callable[[Sequence[PackRow]], object],
    ) -> None:
        self._delivery = delivery
        self._pack_bytes = pack_bytes
        self._forget = forget
        self._line = Line(workers, _UNDER_WAY_BYTES)
        self._groups: dict[str, _Group] = {}
        self._waiting_bytes = 0
        self._sealed: list[_Group] = []
        self._sealed_bytes = 0
        self._begin_pack()

    def add(self, chunk: ChunkId, content: bytes) -> None:
        """`chunk` gets a frame of its own; it is durable after `close`, if not sooner."""
        alone = _Group()
        alone.add(chunk, content)
        self._take(alone)

    def add_frame(self, chunk: ChunkId, length: int, frame: bytes) -> None:
        """The frame, which holds `chunk` alone, of so many bytes, goes into a pack as it is."""
        self._encode()
        self._line.follow(partial(self._write, [chunk], [length], frame))

    def add_small(self, chunk: ChunkId, content: bytes | memoryview, group: str) -> None:
        """`chunk` shares a frame with others of its group; it is durable after `close`, if not sooner. `content` is not needed
        any more after this."""
        found = self._groups.get(group)
        if found is not None and (len(found.raw) + len(content) > FRAME_BYTES or len(found.chunks) == FRAME_CHUNKS):
            self._seal(group)
            found = None
        if found is None:
            found = self._groups[group] = _Group()
        found.add(chunk, content)
        self._waiting_bytes += len(content)
        if self._waiting_bytes > _WAITING_BYTES:
            self._seal_all()

    def close(self) -> None:
        """Everything added is durable, and index segments name it. Raises what the backend raises."""
        self._seal_all()
        self._encode()
        self._line.drain()
        self._delivery.finish(self._take_pack() if self._rows else None)

    def discard(self) -> None:
        """Gives up; see `PackDelivery.discard`."""
        self._line.drop()
        self._groups.clear()
        self._sealed.clear()
        self._begin_pack()
        self._delivery.discard()

    def _seal_all(self) -> None:
        for group in sorted(self._groups):
            self._seal(group)

    def _seal(self, group: str) -> None:
        sealed = self._groups.pop(group)
        self._waiting_bytes -= len(sealed.raw)
        self._take(sealed)

    def _take(self, sealed: _Group) -> None:
        self._sealed.append(sealed)
        self._sealed_bytes += len(sealed.raw)
        if self._sealed_bytes >= _TOGETHER_BYTES:
            self._encode()

    def _encode(self) -> None:
        """What is sealed becomes frames: several at a time, since handing work over costs as much as a frame does."""
        groups, size_bytes = self._sealed, self._sealed_bytes
        if groups:
            self._sealed, self._sealed_bytes = [], 0
            self._line.push(size_bytes, partial(_frames_of, groups), partial(self._write_all, groups))

    def _write_all(self, groups: Sequence[_Group], frames: Sequence[bytes]) -> None:
        for group, frame in zip(groups, frames, strict=True):
            self._write(group.chunks, group.lengths, frame)

    def _write(self, chunks: Sequence[ChunkId], lengths: Sequence[int], frame: bytes) -> None:
        rows = len(self._rows) + len(chunks)
        if self._frames and (self._size + len(frame) + end_bytes(rows) > self._pack_bytes or rows > _PACK_ROWS):
            self._forget(self._delivery.put(self._take_pack()))
        self._rows.extend(frame_rows(self._size, len(frame), chunks, lengths))
        self._frames.append(frame)
        self._size += len(frame)

    def _take_pack(self) -> FullPack:
        pack = FullPack(self._frames, self._size, self._rows)
        self._begin_pack()
        return pack

    def _begin_pack(self) -> None:
        self._frames: list[bytes] = []
        self._size = 0
        self._rows: list[PackRow] = []
