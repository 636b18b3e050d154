"""One upload's writer: what is new of the bytes it is given goes into packs."""

from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from datamon.store.backend import Backend
from datamon.store.chunks import MAXIMUM_BYTES, WHOLE_BYTES, Rooms, read_head, read_into, stretches
from datamon.store.hashing import Hashing
from datamon.store.ids import ChunkId, SessionId
from datamon.store.intake import Intake, Known
from datamon.store.long_file import LongFile, StoredFile
from datamon.store.pack_delivery import PackDelivery
from datamon.store.pack_writer import PackWriter
from datamon.store.workers import Line, Workers, core_workers

__all__ = ["PackSession", "StoredFile"]

_READ_AHEAD_BYTES = 4 * 2**20
_MOST_AHEAD_BYTES = 32 * 2**20
"""So many bytes that were read, for each worker and in all, may be on their way to the packs."""


@dataclass(frozen=True, slots=True)
class Making:
    """How a session makes what it keeps: when a pack is full, how many rows a recipe's list has, how bytes are named."""

    pack_bytes: int
    recipe_rows: int
    hashing: Hashing


class PackSession:
    """One upload's writer. For one thread at a time; it has threads of its own, and some packs' worth of bytes in memory, however
    much it is given. The order of what it is given decides what its packs hold.

    No bundle refers to what it puts before a commit entry names `id`; other sessions may rely on what an index segment names
    already. After a call that raised an error of the backend, the session can only be given up: every other call raises
    ValueError.
    """

    def __init__(self, session: SessionId, blob: Backend, known: Known, making: Making) -> None:
        self.id = session
        self._making = making
        self.rooms = Rooms()
        self.workers = Workers(core_workers())
        self.reading = Workers(1)
        self._known = known
        new: set[ChunkId] = set()
        self._delivery = PackDelivery(blob, session, known.put_segment)
        self._writer = PackWriter(
            self._delivery,
            making.pack_bytes,
            self.workers,
            lambda rows: new.difference_update(row.chunk for row in rows),
        )
        self._intake = Intake(known, new, self._writer, making.hashing)
        self._state = "open"

    @property
    def intake(self) -> Intake:
        """Where chunks go. Raises ValueError when the session takes nothing more."""
        self._check_open()
        return self._intake

    @property
    def chunk_count_new(self) -> int:
        """Chunks that the store did not have, lists of recipes included."""
        return self._intake.chunk_count_new

    @property
    def bytes_new(self) -> int:
        """Their bytes, before compression."""
        return self._intake.bytes_new

    @property
    def packs(self) -> frozenset[str]:
        """The names of the packs that this session wrote; all of them once it is closed."""
        return self._delivery.packs

    @property
    def reused(self) -> frozenset[str]:
        """The names of packs of other sessions that hold chunks this session was given and left out."""
        return frozenset(name for name in self._known.packs if not name.startswith(self.id))

    def new_line(self) -> Line:
        """A line of this session's workers, for bytes that are read."""
        return Line(self.workers, min(_MOST_AHEAD_BYTES, _READ_AHEAD_BYTES * self.workers.count))

    def new_long_file(self) -> LongFile:
        """A file of several chunks, none of which came yet."""
        return LongFile(self.intake, self._making.recipe_rows)

    def put_file(self, stream: BinaryIO, *, extension: str, size_hint: int) -> StoredFile:
        """Reads `stream` to its end and keeps its bytes, durable after `close`. Small files share frames with others of
        `extension`. `size_hint` is how many bytes are expected; any number may come. What the stream raises comes through and
        leaves the session usable."""
        self._check_open()
        head = read_head(stream, size_hint)
        if len(head) > WHOLE_BYTES:
            return self._put_long(head, stream)
        chunk = self._intake.hashing.chunk(head)
        if head:
            self._intake.look()
            self._intake.keep_small(chunk, head, extension)
        return StoredFile(chunk, len(head), None)

    def put_bytes(self, content: bytes) -> ChunkId:
        """Keeps `content` as one chunk, durable after `close`. Raises ValueError when it is longer than the longest chunk."""
        self._check_open()
        if len(content) > MAXIMUM_BYTES:
            raise ValueError(f"{len(content)} bytes are more than a chunk may have")
        chunk = self._intake.hashing.chunk(content)
        self._intake.look()
        if not self._intake.has(chunk):
            self._intake.keep_alone(chunk, content)
        return chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes when the block ended well; otherwise, and when that fails, discards."""
        try:
            if kind is None:
                self.close()
        finally:
            self.discard()  # does nothing after `close`

    def close(self) -> None:
        """All chunks are durable: first the packs, then index segments that name them. Must come before a manifest that needs
        them is put. A second call does nothing."""
        if self._state == "closed":
            return
        self._check_open()
        self._state = "failed"
        self._writer.close()
        self.workers.stop()
        if self.packs:
            _give_memory_back()
        else:
            self._known.settle(self.id)
        self._state = "closed"

    def discard(self) -> None:
        """Gives up. Packs that are finished stay, for the next session to rely on, unless the backend refused something: then
        those that nobody can know of are taken away again, as far as it lets us. No thread is left. Raises nothing; after `close`
        it does nothing."""
        if self._state in ("open", "failed"):
            self._state = "discarded"
            try:
                self._writer.discard()
            finally:
                self.workers.stop()

    def _put_long(self, head: bytes, stream: BinaryIO) -> StoredFile:
        self._intake.look()
        line = self.new_line()
        file = self.new_long_file()
        try:
            for stretch in stretches(head, read_into(stream), self.rooms.take):
                file.feed(stretch, line, partial(self.rooms.give_back, stretch.content))
            line.drain()
        finally:
            line.drop()
        return file.stored()

    def _check_open(self) -> None:
        state = self._state if self._intake.is_sound else "failed"
        if state != "open":
            raise ValueError(f"the session {self.id} is {state}")


def _give_memory_back() -> None:
    """What was freed goes back to the operating system: a manifest is made next, and needs memory of its own."""
    for pool in (pa.default_memory_pool(), pa.system_memory_pool()):
        pool.release_unused()
