"""Reading many chunks at once: their frames in few requests, each decompressed once, and each chunk verified by its id."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, Span
from datamon.store.chunk_index import Place
from datamon.store.hashing import Hashing
from datamon.store.ids import ChunkId
from datamon.store.packs import PackRow, decode_frame_into, frame_raw_bytes

SPAN_BYTES = 16 * 2**20
"""One request asks for no more than so many bytes."""
GAP_BYTES = 64 * 1024
"""Bytes that nobody wants are read along when there are no more than this between two frames: a request costs more."""
SMALL_BYTES = 32 * 1024
"""Chunks of fewer bytes are verified by the thread that uses them: for another one to do it, the two would have to take turns
so often that it costs more than it saves."""


class Wanted(NamedTuple):
    """A chunk that is wanted, how many bytes it has, and where it lies as far as the index said."""

    chunk: ChunkId
    length: int
    place: Place | None


class Piece(NamedTuple):
    """Bytes that were read: `room` from `begin` to `end`."""

    room: memoryview
    begin: int
    end: int


class _At(NamedTuple):
    """Where a frame lies: its pack's name, its offset and its length there, in bytes."""

    pack: str
    offset: int
    stored: int


@dataclass(frozen=True, slots=True)
class Reading:
    """From where chunks are read, and how they are named. `gone` is told each pack that is not there."""

    blob: Backend
    hashing: Hashing
    gone: Callable[[str], None]

    def pieces(self, wanted: Sequence[Wanted], room: memoryview) -> list[Piece | None]:
        """For each wanted chunk its bytes, or None where its place does not have them: another may. They are right by its length
        and, from `SMALL_BYTES` on, by its id; of smaller ones `is_right` has still to be asked.

        They lie in `room` as long as it lasts, in the order in which their frames are wanted, and otherwise in room of their own.
        Raises Denied, Unavailable.
        """
        decoded = _Decoded(room, _read_frames(self.blob, _frames_of(wanted), self.gone), self.blob.url)
        pieces: list[Piece | None] = []
        at: _At | None = None
        raw: Piece | None = None
        for each in wanted:
            if each.place is None:
                pieces.append(None)
                continue
            pack, row = each.place
            if (
                at is None or row.offset != at.offset or pack != at.pack
            ):  # neighbours share frames, and look-ups are slow
                at = _At(pack, row.offset, row.stored)
                raw = decoded.raw(at)
            pieces.append(None if raw is None else self._piece(raw, each, row))
        return pieces

    def _piece(self, raw: Piece, wanted: Wanted, row: PackRow) -> Piece | None:
        begin = raw.begin + row.inner
        end = begin + row.length
        if wanted.length != row.length or end > raw.end:
            return None
        piece = Piece(raw.room, begin, end)
        return piece if row.length < SMALL_BYTES or is_right(piece, wanted, self.hashing) else None


def is_right(piece: Piece, wanted: Wanted, hashing: Hashing) -> bool:
    """Whether these bytes are the wanted chunk's, by its id."""
    return hashing.chunk(piece.room[piece.begin : piece.end]) == wanted.chunk


class _Decoded:
    """The raw bytes of frames, each decoded when it is first asked for."""

    def __init__(self, room: memoryview, frames: dict[_At, memoryview], url: str) -> None:
        self._room = room
        self._end = 0
        self._frames = frames
        self._url = url
        self._raw: dict[_At, Piece | None] = {}

    def raw(self, at: _At) -> Piece | None:
        """The raw bytes of the frame there; None when it is missing or damaged."""
        if at not in self._raw:
            self._raw[at] = self._decode(at)
        return self._raw[at]

    def _decode(self, at: _At) -> Piece | None:
        frame = self._frames.pop(at, None)
        if frame is None:
            return None
        where = f"the pack {at.pack} in {self._url}"
        try:
            raw = self._take(frame_raw_bytes(frame, where))
            decode_frame_into(frame, raw.room[raw.begin : raw.end], where)
        except Corrupt:
            return None
        return raw

    def _take(self, size_bytes: int) -> Piece:
        begin, self._end = self._end, self._end + size_bytes
        if self._end <= len(self._room):
            return Piece(self._room, begin, self._end)
        self._end = begin
        return Piece(memoryview(bytearray(size_bytes)), 0, size_bytes)


def _frames_of(wanted: Sequence[Wanted]) -> set[_At]:
    places = (each.place for each in wanted if each.place is not None)
    return {_At(pack, row.offset, row.stored) for pack, row in places}


def _read_frames(blob: Backend, frames: Iterable[_At], gone: Callable[[str], None]) -> dict[_At, memoryview]:
    """The stored bytes of the frames; those that are not there are left out."""
    found: dict[_At, memoryview] = {}
    for run in _runs(sorted(frames)):
        begin = run[0].offset
        span = Span(begin, max(at.offset + at.stored for at in run) - begin)
        try:
            stored = memoryview(blob.get(layout.pack(run[0].pack), span))
        except NotFound:
            gone(run[0].pack)
            continue
        except Corrupt:
            continue  # the backend itself knows these bytes to be damaged; each chunk's own may still be whole
        for at in run:
            found[at] = stored[at.offset - begin : at.offset - begin + at.stored]
    return found


def _runs(frames: Iterable[_At]) -> Iterator[list[_At]]:
    """The frames, which are sorted, in runs that one request each can read."""
    run: list[_At] = []
    end = 0
    for at in frames:
        if run and (
            at.pack != run[0].pack or at.offset > end + GAP_BYTES or at.offset + at.stored > run[0].offset + SPAN_BYTES
        ):
            yield run
            run = []
        run.append(at)
        end = at.offset + at.stored
    if run:
        yield run
