"""One upload's writer: what is new of the bytes it is given goes into packs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from blake3 import blake3

from datamon.store import layout
from datamon.store.backend import Backend, Settling
from datamon.store.chunk_index import ChunkIndex, encode_segment
from datamon.store.chunks import MAXIMUM_BYTES, WHOLE_BYTES, chunk_id, cut_long, read_head
from datamon.store.ids import ChunkId, ContentId, SessionId
from datamon.store.pack_writer import PackWriter
from datamon.store.recipes import RecipeRow, encode_recipe


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a manifest needs of a file's bytes: their content id, how many they are, the recipe (None for one chunk or none)."""

    content: ContentId
    size_bytes: int
    recipe: bytes | None


class PackSession:
    """One upload's writer. For one thread at a time; a pack's worth of bytes is in memory.

    Nothing of it is seen by others before `close`, and nothing refers to it before a commit entry names `id`. After a call that
    raised an error of the backend, the session can only be given up: every other call raises ValueError.
    """

    def __init__(self, session: SessionId, writer: PackWriter, known: "Known", recipe_rows: int) -> None:
        self.id = session
        self.chunk_count_new = 0
        """Chunks that the store did not have, lists of recipes included."""
        self.bytes_new = 0
        """Their bytes, before compression."""
        self._writer = writer
        self._known = known
        self._recipe_rows = recipe_rows
        self._new: set[ChunkId] = set()
        self._state = "open"

    def put_file(self, stream: BinaryIO, *, extension: str, size_hint: int) -> StoredFile:
        """Reads `stream` to its end and keeps its bytes, durable after `close`. Small files share frames with others of
        `extension`. `size_hint` is how many bytes are expected; any number may come. What the stream raises comes through and
        leaves the session usable."""
        self._check_open()
        head = read_head(stream, size_hint)
        if len(head) <= WHOLE_BYTES:
            chunk = chunk_id(head)
            if head:
                self._keep(chunk, head, extension)
            return StoredFile(ContentId(chunk.hex()), len(head), None)
        return self._put_long(head, stream)

    def put_bytes(self, content: bytes) -> ChunkId:
        """Keeps `content` as one chunk, durable after `close`. Raises ValueError when it is longer than the longest chunk."""
        self._check_open()
        if len(content) > MAXIMUM_BYTES:
            raise ValueError(f"{len(content)} bytes are more than a chunk may have")
        chunk = chunk_id(content)
        self._keep(chunk, content, None)
        return chunk

    def close(self) -> None:
        """All chunks are durable: first the packs, then an index segment that names them. Must come before a manifest that needs
        them is put. A second call does nothing."""
        if self._state == "closed":
            return
        self._check_open()
        self._state = "failed"
        self._writer.close()
        self._state = "closing"
        if self._writer.packs:
            self._known.put_segment(self.id, encode_segment(self._writer.packs))
        else:
            self._known.settle(self.id)
        self._state = "closed"

    def discard(self) -> None:
        """Gives up. Packs that were put are taken away again as far as that is possible and nobody can know of them yet. Raises
        nothing; after `close` it does nothing."""
        if self._state in ("open", "failed"):
            self._writer.discard()
            self._state = "discarded"

    def _put_long(self, head: bytes, stream: BinaryIO) -> StoredFile:
        rows = bytearray()
        size_bytes = 0
        whole = blake3()
        for piece in cut_long(head, stream):
            whole.update(piece)
            size_bytes += len(piece)
            rows += self._keep_row(piece).encode()
        content = ContentId(whole.hexdigest())
        if rows[:32].hex() == content:
            return StoredFile(content, size_bytes, None)
        return StoredFile(content, size_bytes, encode_recipe(bytes(rows), self._keep_row, self._recipe_rows))

    def _keep_row(self, content: bytes) -> RecipeRow:
        chunk = chunk_id(content)
        self._keep(chunk, content, None)
        return RecipeRow(chunk, len(content))

    def _keep(self, chunk: ChunkId, content: bytes, group: str | None) -> None:
        """Adds the chunk unless the store has it or this session added it."""
        if chunk in self._new or self._known.has(chunk):
            return
        self._state = "failed"
        if group is None:
            self._writer.add(chunk, content)
        else:
            self._writer.add_small(chunk, content, group)
        self._state = "open"
        self._new.add(chunk)
        self.chunk_count_new += 1
        self.bytes_new += len(content)

    def _check_open(self) -> None:
        if self._state != "open":
            raise ValueError(f"the session {self.id} is {self._state}")


class Known:
    """What a session asks of the store's index, and what it adds to it."""

    def __init__(self, blob: Backend, index: ChunkIndex, look: Callable[[], object]) -> None:
        self._blob = blob
        self._index = index
        self._look = look
        self._looked = False

    def has(self, chunk: ChunkId) -> bool:
        """Whether the store has the chunk; new segments and lost packs are looked for once, at the first question."""
        if not self._looked:
            self._look()
            self._looked = True
        return self._index.find(chunk) is not None

    def settle(self, session: SessionId) -> None:
        """The segments that answered are durable, whoever put them; the packs that they name were durable before them."""
        if self._looked and isinstance(self._blob, Settling):
            self._blob.settle(layout.index(session))

    def put_segment(self, session: SessionId, segment: bytes) -> None:
        """The segment is durable and looked up by this process, and so are those of others beside it that answered."""
        key = layout.index(session)
        self._blob.put(key, segment)
        self._index.add(key, segment)
