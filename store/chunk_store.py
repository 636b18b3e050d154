"""Chunks in and out of the blob backend: deduplicated on the way in, verified on the way out."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from blake3 import blake3

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, Settling, Span
from datamon.store.chunk_index import ChunkIndex, Place, encode_segment
from datamon.store.chunks import MAXIMUM_BYTES, WHOLE_BYTES, chunk_id, cut_long, read_head
from datamon.store.clock import Clock
from datamon.store.ids import ChunkId, ContentId, SessionId, new_ksuid
from datamon.store.pack_writer import PackWriter
from datamon.store.packs import Frame, decode_frame
from datamon.store.recipes import MOST_ROWS, RecipeRow, encode_recipe, recipe_rows

_FRAMES_KEPT_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a manifest needs of a file's bytes: their content id, how many they are, the recipe (None for one chunk or none)."""

    content: ContentId
    size_bytes: int
    recipe: bytes | None


class ChunkStore:
    """The chunks of one blob backend. Any thread may call it; nothing is asked of the backend before the first call.

    `pack_bytes` and `recipe_rows` are for tests; readers need neither.
    """

    def __init__(
        self, blob: Backend, *, clock: Clock, pack_bytes: int | None = None, recipe_rows: int = MOST_ROWS
    ) -> None:
        self._blob = blob
        self._clock = clock
        self._pack_bytes = pack_bytes
        self._recipe_rows = recipe_rows
        self._index = ChunkIndex(blob)
        self._frames = _RecentFrames(_FRAMES_KEPT_BYTES)

    def session(self) -> "PackSession":
        """A new upload's writer. It leaves out chunks that the index names when it first looks, in packs that are there then:
        so an upload puts again what was lost."""
        session = SessionId(new_ksuid(self._clock()))
        writer = PackWriter(self._blob, session, self._pack_bytes or self._blob.pack_bytes)
        return PackSession(session, writer, _Known(self._blob, self._index, self.packs_absent), self._recipe_rows)

    def get(self, chunk: ChunkId) -> bytes:
        """The bytes of `chunk`, verified by its id. Every place it has is tried before an error is raised, after a look for new
        index segments. Raises Corrupt, with `chunk` and where known `pack` as facts: `missing-bytes` when its pack is gone or
        no index names it, `bad-pack` when its frame cannot be read, `bad-bytes` when they are not what was stored."""
        found, fault = self._first_good(chunk)
        if found is None:
            self._index.refresh()
            found, fault = self._first_good(chunk, fault)
        if found is not None:
            return found
        raise fault or Corrupt(
            "missing-bytes",
            f"no pack in {self._blob.url} holds the chunk {chunk.hex()}; restore the store from a copy",
            chunk=chunk.hex(),
        )

    def has(self, chunk: ChunkId) -> bool:
        """Whether the index says that a pack holds `chunk`; a look for new segments comes before a no (one listing). Packs that
        this process found absent do not count; whether the others are there is not asked: see `packs_absent`."""
        if self._index.find(chunk) is None:
            self._index.refresh()
        return self._index.find(chunk) is not None

    def packs_absent(self) -> frozenset[str]:
        """The names of packs that the index names and the backend lacks. Their chunks count as absent from now on. Every
        session asks this when it first looks. One listing of the index and one of the packs."""
        self._index.refresh()
        named = self._index.packs()  # before the listing: a pack is put before the index that names it
        present = {stored.key.rpartition("/")[2] for stored in self._blob.list(layout.PACKS)}
        absent = named - present
        self._index.set_absent(absent)
        return absent

    def chunks_in(self, packs: Iterable[str]) -> frozenset[ChunkId]:
        """The ids of all chunks that the index places in one of these packs."""
        if not self._index.is_loaded:
            self._index.refresh()
        return self._index.chunks_in(packs)

    def _first_good(self, chunk: ChunkId, fault: Corrupt | None = None) -> tuple[bytes | None, Corrupt | None]:
        """The bytes from the first place that has them right, else None and the first error met."""
        first = self._index.find(chunk)
        if first is not None:
            try:
                return self._read(first), fault
            except Corrupt as error:
                fault = fault or error
        for place in self._index.places(chunk):
            if place != first:
                try:
                    return self._read(place), fault
                except Corrupt as error:
                    fault = fault or error
        return None, fault

    def _read(self, place: Place) -> bytes:
        row = place.row
        frame = self._frame(place)
        content = frame.raw
        if len(content) != row.length or row.inner:
            content = content[row.inner : row.inner + row.length]
        if chunk_id(content) != row.chunk:
            raise Corrupt(
                "bad-bytes",
                f"the pack {place.pack} in {self._blob.url} has other bytes than were stored; restore it from a copy",
                chunk=row.chunk.hex(),
                pack=place.pack,
            )
        return content

    def _frame(self, place: Place) -> Frame:
        row = place.row
        kept = self._frames.get((place.pack, row.offset))
        if kept is not None:
            return kept
        where = f"the pack {place.pack} in {self._blob.url}"
        facts = {"chunk": row.chunk.hex(), "pack": place.pack}
        try:
            stored = self._blob.get(layout.pack(place.pack), Span(row.offset, row.stored))
        except NotFound as error:
            self._index.add_absent(place.pack)
            raise Corrupt("missing-bytes", f"{where} is gone; restore it from a copy", **facts) from error
        try:
            frame = decode_frame(stored, where)
        except Corrupt as error:
            raise Corrupt(error.code, error.message, **facts) from error
        if len(frame.lengths) > 1:
            self._frames.keep((place.pack, row.offset), frame)
        return frame


class PackSession:
    """One upload's writer. For one thread at a time; a pack's worth of bytes is in memory.

    Nothing of it is seen by others before `close`, and nothing refers to it before a commit entry names `id`. After a call that
    raised an error of the backend, the session can only be given up: every other call raises ValueError.
    """

    def __init__(self, session: SessionId, writer: PackWriter, known: "_Known", recipe_rows: int) -> None:
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


def read_file(chunks: ChunkStore, content: ContentId, size_bytes: int, recipe: bytes | None) -> Iterator[bytes]:
    """The bytes of a stored file, in pieces. Each piece is verified by its chunk's id before it is given, and all of them by the
    file's content id and size: Corrupt (`bad-bytes`) may come after the last piece, so what was written must not be used before
    the iterator has ended. Raises Corrupt as `ChunkStore.get` does; the caller knows the file's name and adds it."""
    whole = blake3()
    count = 0
    for row in _file_rows(chunks, content, size_bytes, recipe):
        piece = _get_row(chunks, row)
        whole.update(piece)
        count += len(piece)
        yield piece
    if whole.hexdigest() != content or count != size_bytes:
        raise Corrupt(
            "bad-bytes",
            f"the chunks of the content {content} do not make it up; restore the store from a copy",
            content=content,
        )


def _file_rows(chunks: ChunkStore, content: ContentId, size_bytes: int, recipe: bytes | None) -> Iterator[RecipeRow]:
    if recipe is not None:
        return recipe_rows(recipe, lambda row: _get_row(chunks, row))
    if size_bytes == 0:
        return iter(())
    return iter((RecipeRow(ChunkId(bytes.fromhex(content)), size_bytes),))


def _get_row(chunks: ChunkStore, row: RecipeRow) -> bytes:
    piece = chunks.get(row.chunk)
    if len(piece) != row.length:
        raise Corrupt(
            "bad-bytes",
            f"the chunk {row.chunk.hex()} has {len(piece)} bytes where {row.length} are listed; restore the store from a copy",
            chunk=row.chunk.hex(),
        )
    return piece


class _Known:
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


class _RecentFrames:
    """The shared frames decoded last, so that the small files in one are not decompressed one by one."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._frames: OrderedDict[tuple[str, int], Frame] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, place: tuple[str, int]) -> Frame | None:
        """The frame at this pack and offset, if it is still here."""
        with self._lock:
            frame = self._frames.get(place)
            if frame is not None:
                self._frames.move_to_end(place)
            return frame

    def keep(self, place: tuple[str, int], frame: Frame) -> None:
        """`frame` is here until others need its room."""
        with self._lock:
            if place in self._frames:
                return
            self._frames[place] = frame
            self._bytes += len(frame.raw)
            while self._bytes > self._most_bytes:
                _, oldest = self._frames.popitem(last=False)
                self._bytes -= len(oldest.raw)
