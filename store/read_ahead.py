"""Reading ahead: several threads read, decompress and verify batches of chunks while one uses them, in bounded memory."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from datamon.store.chunk_store import ChunkStore
from datamon.store.chunks import MAXIMUM_BYTES
from datamon.store.entries import TreeEntry
from datamon.store.reading import Piece, Wanted
from datamon.store.workers import Outcome, Workers, core_workers

BATCH_BYTES = 2 * 2**20
"""A batch ends at the first frame after so many wanted bytes: less, and the threads would mostly wait for each other."""
BATCH_FRAMES = 32
"""A batch wants chunks of so many frames at most, since of a shared frame perhaps one small chunk is wanted."""
_FAR_BATCH_BYTES = 16 * 2**20
_FAR_BATCH_FRAMES = 256
"""On a far store each batch is at least one request, and a pack should be few of them."""
BATCH_FILES = 4096
"""A batch is for so many files at most, however small they are."""
_FAR_THREADS = 4
"""On a far store threads mostly wait."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """When a batch is full: at so many wanted bytes, or frames."""

    size_bytes: int
    frames: int


def batch_size(chunks: ChunkStore) -> BatchSize:
    """How large the batches are that are read of this store."""
    if chunks.is_far:
        return BatchSize(_FAR_BATCH_BYTES, _FAR_BATCH_FRAMES)
    return BatchSize(BATCH_BYTES, BATCH_FRAMES)


class Share(NamedTuple):
    """What a file has in a batch: the chunks `begin` to `end` of it, which are its `first` and its `last` ones or not."""

    entry: TreeEntry
    begin: int
    end: int
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks that are read together, and the files that they are for."""

    wanted: list[Wanted] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """How many bytes are wanted."""
        return sum(wanted.length for wanted in self.wanted)


Pieces = Sequence[Piece | None]
"""The bytes of a batch's chunks, as `ChunkStore.read` gives them."""


def read_ahead(chunks: ChunkStore, batches: Iterator[Batch]) -> Generator[tuple[Batch, Pieces]]:
    """The batches with their bytes, in their order; the bytes are there until the next batch is asked for.

    To be closed: then no thread of it is left. A batch for each thread and one more are held, whatever is read. Raises as
    `ChunkStore.read` does.
    """
    threads = max(core_workers(), _FAR_THREADS if chunks.is_far else 0)
    room_bytes = batch_size(chunks).size_bytes + MAXIMUM_BYTES
    rooms: list[bytearray] = []
    under_way: deque[tuple[Batch, bytearray, Outcome[list[Piece | None]]]] = deque()
    workers = Workers(threads)
    try:
        while True:
            while len(under_way) <= threads and (batch := next(batches, None)) is not None:
                room = rooms.pop() if rooms else bytearray(room_bytes)
                read = partial(chunks.read, batch.wanted, memoryview(room))
                under_way.append((batch, room, workers.submit(batch.size_bytes, read)))
            if not under_way:
                return
            batch, room, reading = under_way.popleft()
            yield batch, reading.result()
            rooms.append(room)
    finally:
        for _, _, reading in under_way:
            reading.cancel()
        workers.stop()
