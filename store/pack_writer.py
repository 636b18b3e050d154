"""Filling packs with frames and putting each as soon as it is full: one pack is in memory at a time."""

from contextlib import suppress

from blake3 import blake3

from datamon.errors import Denied, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.ids import ChunkId, SessionId
from datamon.store.packs import FRAME_BYTES, FRAME_CHUNKS, PackRow, encode_footer, encode_frame, frame_rows

_WAITING_BYTES = 4 * 2**20
"""So many bytes of small files may wait for company in their frames, whatever the number of extensions."""


class PackWriter:
    """The packs of one session, `<session>-<8 digits>` from 1. For one thread at a time.

    After a call that raised, only `discard` may be called: what the backend kept is not known any more.
    """

    def __init__(self, blob: Backend, session: SessionId, pack_bytes: int) -> None:
        self._blob = blob
        self._session = session
        self._pack_bytes = pack_bytes
        self._frames: list[bytes] = []
        self._size = 0
        self._rows: list[PackRow] = []
        self._waiting: dict[str, list[tuple[ChunkId, bytes]]] = {}
        self._waiting_bytes: dict[str, int] = {}
        self._waiting_total = 0
        self._begun = 0
        self.packs: dict[str, list[PackRow]] = {}
        """The packs that are durable, with their rows."""

    def add(self, chunk: ChunkId, content: bytes) -> None:
        """`chunk` gets a frame of its own; it is durable after `close`, if not sooner."""
        self._write_frame([(chunk, content)])

    def add_small(self, chunk: ChunkId, content: bytes, group: str) -> None:
        """`chunk` shares a frame with others of its group; it is durable after `close`, if not sooner."""
        size = self._waiting_bytes.get(group, 0)
        if size + len(content) > FRAME_BYTES or len(self._waiting.get(group, ())) == FRAME_CHUNKS:
            self._seal(group)
            size = 0
        self._waiting.setdefault(group, []).append((chunk, content))
        self._waiting_bytes[group] = size + len(content)
        self._waiting_total += len(content)
        if self._waiting_total > _WAITING_BYTES:
            self._seal_all()

    def close(self) -> None:
        """Everything added is durable. Raises what the backend raises."""
        self._seal_all()
        self._put_pack()

    def discard(self) -> None:
        """Takes away the packs that were put, as far as the backend lets us: no index names them. What stays is for gc."""
        for number in range(1, self._begun + 1):
            with suppress(Unavailable, Denied):
                self._blob.delete(layout.pack(layout.pack_name(self._session, number)))
        self._frames, self._rows, self._waiting, self._waiting_bytes = [], [], {}, {}

    def _seal_all(self) -> None:
        for group in sorted(self._waiting):
            self._seal(group)

    def _seal(self, group: str) -> None:
        self._waiting_total -= self._waiting_bytes.pop(group)
        self._write_frame(self._waiting.pop(group))

    def _write_frame(self, chunks: list[tuple[ChunkId, bytes]]) -> None:
        frame = encode_frame([content for _, content in chunks])
        if self._size and self._size + len(frame) > self._pack_bytes:
            self._put_pack()
        self._rows.extend(frame_rows(self._size, len(frame), [(chunk, len(content)) for chunk, content in chunks]))
        self._frames.append(frame)
        self._size += len(frame)

    def _put_pack(self) -> None:
        if not self._frames:
            return
        self._begun += 1
        name = layout.pack_name(self._session, self._begun)
        self._frames.append(encode_footer(self._rows, blake3(b"".join(self._frames)).digest()))
        self._blob.put(layout.pack(name), b"".join(self._frames))
        self.packs[name] = self._rows
        self._frames, self._rows, self._size = [], [], 0
