"""Which chunks of an upload are new, and their way into its packs."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from datamon.store import layout
from datamon.store.backend import Backend, Settling
from datamon.store.chunk_index import ChunkIndex, encode_segment
from datamon.store.hashing import Hashing
from datamon.store.ids import ChunkId, SessionId
from datamon.store.pack_writer import PackWriter
from datamon.store.packs import PackRow, encode_frame


class Known:
    """What a session asks of the store's index, and what it adds to it. Chunks that only `condemned` packs hold count as absent.

    `look` makes the index know of new segments and lost packs; `new_segment` gives a KSUID.
    """

    def __init__(
        self,
        blob: Backend,
        index: ChunkIndex,
        look: Callable[[], object],
        condemned: frozenset[str],
        new_segment: Callable[[], str],
    ) -> None:
        self._blob = blob
        self._index = index
        self._look = look
        self._condemned = condemned
        self._new_segment = new_segment
        self._looked = False
        self.packs: set[str] = set()
        """The names of the packs that hold what was found."""

    def look(self) -> None:
        """Asked once, before the first question: new segments and lost packs are looked for."""
        if not self._looked:
            self._look()
            self._looked = True

    def has(self, chunk: ChunkId) -> bool:
        """Whether the store has the chunk where it may be relied on. Any thread may ask."""
        place = self._index.find(chunk, self._condemned)
        if place is None:
            return False
        self.packs.add(place.pack)
        return True

    def settle(self, session: SessionId) -> None:
        """The segments that answered are durable, whoever put them; the packs that they name were durable before them."""
        if self._looked and isinstance(self._blob, Settling):
            self._blob.settle(layout.index(session))

    def put_segment(self, packs: Mapping[str, Sequence[PackRow]]) -> None:
        """The rows are in a segment that is durable and looked up by this process, and so are those of others beside it that
        answered."""
        key = layout.index(self._new_segment())
        segment = encode_segment(packs)
        self._blob.put(key, segment)
        self._index.add(key, segment)


class Framed(NamedTuple):
    """A chunk that is hashed, and compressed unless the store had it."""

    chunk: ChunkId
    length: int
    frame: bytes | None


class Intake:
    """The new chunks of one session. One thread keeps them; others may help to find out which are new and compress them."""

    def __init__(self, known: Known, new: set[ChunkId], writer: PackWriter, hashing: Hashing) -> None:
        self.hashing = hashing
        self._known = known
        self._new = new
        self._writer = writer
        self.is_sound = True
        """Whether the writer did all that it was told; if not, the session can only be given up."""
        self.chunk_count_new = 0
        self.bytes_new = 0

    def look(self) -> None:
        """To be called before the first chunk comes."""
        self._known.look()

    def has(self, chunk: ChunkId) -> bool:
        """Whether the store or this session has the chunk. Any thread may ask; a no may be out of date in others than the one
        that keeps."""
        return chunk in self._new or self._known.has(chunk)

    def framed(self, content: memoryview) -> Framed:
        """The chunk with these bytes, ready for `keep_framed`. Any thread may call this."""
        chunk = self.hashing.chunk(content)
        return Framed(chunk, len(content), None if self.has(chunk) else encode_frame(content, [len(content)]))

    def keep_framed(self, framed: Framed) -> None:
        """The chunk is in the store after the session's close."""
        chunk, length, frame = framed
        if frame is not None and self._begins(chunk, length):
            self._writer.add_frame(chunk, length, frame)
            self.is_sound = True

    def keep_alone(self, chunk: ChunkId, content: bytes) -> None:
        """The chunk, of which the store has said that it lacks it, is there after the session's close."""
        if self._begins(chunk, len(content)):
            self._writer.add(chunk, content)
            self.is_sound = True

    def keep_small(self, chunk: ChunkId, content: bytes | memoryview, group: str) -> None:
        """The chunk is in the store after the session's close: if it lacked it, in a frame with others of its group. `content` is
        not needed any more after this."""
        if chunk not in self._new and not self._known.has(chunk):
            self._begins(chunk, len(content))
            self._writer.add_small(chunk, content, group)
            self.is_sound = True

    def _begins(self, chunk: ChunkId, length: int) -> bool:
        """Whether this session does not have the chunk yet; then it is about to."""
        if chunk in self._new:
            return False
        self.is_sound = False
        self._new.add(chunk)
        self.chunk_count_new += 1
        self.bytes_new += length
        return True
