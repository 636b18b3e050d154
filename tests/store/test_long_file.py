"""A file of several chunks on its way in: its buffers are handed back only when nothing looks at them any more."""

import io
from functools import partial

import pytest

from datamon.store import workers
from datamon.store.backend.memory import MemoryBackend
from datamon.store.chunk_store import ChunkStore, read_file
from datamon.store.chunks import Rooms, read_into, stretches
from datamon.store.hashing import PLAIN
from datamon.store.long_file import LongFile
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes


class Scribbled(Rooms):
    """Memory on which something else is written as soon as it is handed back."""

    def __init__(self) -> None:
        super().__init__()
        self.handed_back = 0

    def give_back(self, content: memoryview) -> None:
        """See `Rooms`."""
        content[:] = bytes(len(content))
        self.handed_back += 1
        super().give_back(content)


@pytest.mark.parametrize("inline_bytes", [0, 1 << 40])
def test_a_buffer_that_is_handed_back_is_not_looked_at_again(
    inline_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "INLINE_BYTES", inline_bytes)
    content = random_bytes("handed back", 6_000_000) + b"compressible " * 300_000 + random_bytes("more", 6_000_000)
    blob = MemoryBackend()
    session = ChunkStore(blob, clock=SteppingClock()).session()
    session.intake.look()
    line = session.new_line()
    file = LongFile(session.intake, 4)
    rooms = Scribbled()
    for stretch in stretches(b"", read_into(io.BytesIO(content)), rooms.take):
        file.feed(stretch, line, partial(rooms.give_back, stretch.content))
    line.drain()
    stored = file.stored()
    session.close()
    assert rooms.handed_back
    assert (stored.content, stored.size_bytes) == (PLAIN.chunk(content).hex(), len(content))
    reader = ChunkStore(blob, clock=SteppingClock())
    assert b"".join(read_file(reader, stored.content, stored.size_bytes, stored.recipe)) == content
