"""Chunks in and out of the blob backend: deduplicated on the way in, verified on the way out."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Span, decoded_copy, get_decoded
from datamon.store.chunk_index import ChunkIndex, Place
from datamon.store.clock import Clock
from datamon.store.hashing import PLAIN, Hashing
from datamon.store.ids import ChunkId, ContentId, SessionId, new_ksuid
from datamon.store.index_merge import merge_segments
from datamon.store.intake import Known
from datamon.store.pack_session import Making, PackSession
from datamon.store.packs import Frame, decode_frame
from datamon.store.reading import Piece, Reading, Wanted
from datamon.store.recipes import MOST_ROWS, RecipeRow, recipe_rows

_MOST_LOOKS = 10
_FRAMES_KEPT_BYTES = 16 * 2**20


class ChunkStore:
    """The chunks of one blob backend. Any thread may call it; nothing is asked of the backend before the first call.

    `cache` is a folder of this machine for the index; `hashing` is the store's. `pack_bytes` and `recipe_rows` are for tests;
    readers need neither.
    """

    def __init__(
        self,
        blob: Backend,
        *,
        clock: Clock,
        cache: Path | None = None,
        pack_bytes: int | None = None,
        recipe_rows: int = MOST_ROWS,
        hashing: Hashing = PLAIN,
    ) -> None:
        self.hashing = hashing
        self._blob = blob
        self._clock = clock
        self._pack_bytes = pack_bytes
        self._recipe_rows = recipe_rows
        self._index = ChunkIndex(blob, cache)
        self._frames = _RecentFrames(_FRAMES_KEPT_BYTES)

    def session(self, condemned: frozenset[str] = frozenset()) -> PackSession:
        """A new upload's writer. It leaves out chunks that the index names when it first looks, in packs that are there then and
        not `condemned`: so an upload puts again what was lost, or is about to be."""
        session = SessionId(new_ksuid(self._clock()))
        segments = chain([session], iter(lambda: new_ksuid(self._clock()), None))
        known = Known(self._blob, self._index, self.packs_absent, condemned, segments.__next__)
        making = Making(self._pack_bytes or self._blob.pack_bytes, self._recipe_rows, self.hashing)
        return PackSession(session, self._blob, known, making)

    def get(self, chunk: ChunkId) -> bytes:
        """The bytes of `chunk`, verified by its id. Every place it has is tried before an error is raised, after a look for new
        index segments. Raises Corrupt, with `chunk` and where known `pack` as facts: `missing-bytes` when its pack is gone or
        no index names it, `bad-pack` when its frame cannot be read, `bad-bytes` when they are not what was stored."""
        found, fault = self._first_good(chunk)
        tried: list[Place] | None = None
        looks = 0
        while found is None and looks < _MOST_LOOKS and tried != (places := self._refreshed_places(chunk)):
            # A collector may have copied the chunk elsewhere, and again while we looked.
            tried, looks = places, looks + 1
            found, fault = self._first_good(chunk, fault)
        if found is not None:
            return found
        raise fault or Corrupt(
            "missing-bytes",
            f"no pack in {self._blob.url} holds the chunk {chunk.hex()}; restore the store from a copy",
            chunk=chunk.hex(),
        )

    @property
    def is_far(self) -> bool:
        """Whether each read waits for an answer from elsewhere: a backend that appends is a file system of this machine."""
        return not isinstance(self._blob, Appending)

    def locate(self, chunk: ChunkId, without: frozenset[str] = frozenset()) -> Place | None:
        """Where `chunk` lies, as far as the index says; None when it names no pack that holds it, or only some that it
        is sought `without`. One look for new segments at most, when none are loaded yet: what it does not know, `get` looks for
        again."""
        if not self._index.is_loaded:
            self._index.refresh()
        return self._index.find(chunk, without)

    def read(self, wanted: Sequence[Wanted], room: memoryview) -> list[Piece | None]:
        """The bytes of many chunks, as `Reading.pieces` gives them. What is None or not right, `get` looks for in every other
        place and names the fault of. Raises Denied, Unavailable."""
        return Reading(self._blob, self.hashing, self._index.add_absent).pieces(wanted, room)

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

    def merge_index(self, without: frozenset[str]) -> None:
        """The index has few segments, and none of them names a pack in `without`: these are gone. As `merge_segments` does."""
        self._index.refresh()
        merge_segments(self._blob, self._index, self._clock, without=without)
        self._index.refresh()

    def unplaced(self, chunks: Iterable[ChunkId], condemned: frozenset[str]) -> Iterator[ChunkId]:
        """Those of the chunks that no pack holds save such as are condemned; a look for new segments comes before each no."""
        for chunk in chunks:
            if not self._is_placed(chunk, condemned):
                self._index.refresh()
                if not self._is_placed(chunk, condemned):
                    yield chunk

    def _refreshed_places(self, chunk: ChunkId) -> list[Place]:
        self._index.refresh()
        return list(self._index.places(chunk))

    def _is_placed(self, chunk: ChunkId, condemned: frozenset[str]) -> bool:
        return any(place.pack not in condemned for place in self._index.places(chunk))

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
        frame = self._frame(place)
        try:
            return self._chunk_in(frame, place)
        except Corrupt:
            key, row = layout.pack(place.pack), place.row
            copied = decoded_copy(
                self._blob,
                key,
                lambda stored: self._chunk_in(decode_frame(stored, key), place),
                Span(row.offset, row.stored),
            )
            if copied is None:
                raise
            return copied

    def _chunk_in(self, frame: Frame, place: Place) -> bytes:
        row, content = place.row, frame.raw
        if len(content) != row.length or row.inner:
            content = content[row.inner : row.inner + row.length]
        if self.hashing.chunk(content) != row.chunk:
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
            frame = get_decoded(
                self._blob,
                layout.pack(place.pack),
                lambda stored: decode_frame(stored, where),
                Span(row.offset, row.stored),
            )
        except NotFound as error:
            self._index.add_absent(place.pack)
            raise Corrupt("missing-bytes", f"{where} is gone; restore it from a copy", **facts) from error
        except Corrupt as error:
            raise Corrupt(error.code, error.message, **facts) from error
        if len(frame.lengths) > 1:
            self._frames.keep((place.pack, row.offset), frame)
        return frame


def read_file(chunks: ChunkStore, content: ContentId, size_bytes: int, recipe: bytes | None) -> Iterator[bytes]:
    """The bytes of a stored file, in pieces. Each piece is verified by its chunk's id before it is given, and all of them by the
    file's content id and size: Corrupt (`bad-bytes`) may come after the last piece, so what was written must not be used before
    the iterator has ended. Raises Corrupt as `ChunkStore.get` does; the caller knows the file's name and adds it."""
    whole = chunks.hashing.whole()
    count = 0
    for row in file_rows(chunks, content, size_bytes, recipe):
        piece = get_row(chunks, row)
        whole.update(piece)
        count += len(piece)
        yield piece
    if whole.hexdigest() != content or count != size_bytes:
        raise wrong_content(content)


def wrong_content(content: ContentId) -> Corrupt:
    """The error for a file whose chunks are right each and are not together what they should be."""
    message = f"the chunks of the content {content} do not make it up; restore the store from a copy"
    return Corrupt("bad-bytes", message, content=content)


def file_rows(chunks: ChunkStore, content: ContentId, size_bytes: int, recipe: bytes | None) -> Iterator[RecipeRow]:
    """The chunks of a file in order; lists of them are read as they are needed. Raises Corrupt."""
    if recipe is not None:
        return recipe_rows(recipe, lambda row: get_row(chunks, row))
    if size_bytes == 0:
        return iter(())
    return iter((RecipeRow(ChunkId(bytes.fromhex(content)), size_bytes),))


def get_row(chunks: ChunkStore, row: RecipeRow) -> bytes:
    """The bytes of a chunk that a file's list names. Raises Corrupt as `ChunkStore.get`, and when its length is another."""
    piece = chunks.get(row.chunk)
    if len(piece) != row.length:
        raise Corrupt(
            "bad-bytes",
            f"the chunk {row.chunk.hex()} has {len(piece)} bytes where {row.length} are listed; restore the store from a copy",
            chunk=row.chunk.hex(),
        )
    return piece


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
