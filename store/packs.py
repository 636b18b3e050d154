"""The byte format of packs: frames, footer, trailer (docs/format.md, "Packs"). Pure: bytes in, bytes out."""

import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import NamedTuple

import zstandard
from blake3 import blake3

from datamon.errors import Corrupt
from datamon.store.backend import Span
from datamon.store.chunks import MAXIMUM_BYTES
from datamon.store.hashing import Hashing
from datamon.store.ids import ChunkId

FRAME_BYTES = 131_072
"""Chunks of small files share frames of at most so many raw bytes."""
FRAME_CHUNKS = 65_535
"""So many chunks at most have room in a frame's count."""

_MAGIC = b"DMF1"
_PACK_MAGIC = b"DMPACK01"
_RAW, _ZSTD = 0, 1
_HEADER = struct.Struct("<4sBBHII")
_ROW = struct.Struct("<32sIIII")
_TRAILER = struct.Struct("<II16s16s8s")
_DIGEST_BYTES = 16
_ZSTD_LEVEL = 1
_WORTH = 0.97
"""zstd is kept where it leaves at most this share of the bytes."""

_local = threading.local()
"""One compressor and decompressor for each thread: they are not made for several."""


class PackRow(NamedTuple):
    """Where a chunk lies in a pack: its frame's `offset` and `stored` length there (header included), and the chunk's own
    place `inner` and `length` in the frame's raw bytes. All in bytes."""

    chunk: ChunkId
    offset: int
    stored: int
    inner: int
    length: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame: its raw bytes and the lengths of the chunks in them."""

    raw: bytes
    lengths: tuple[int, ...]


def encode_frame(raw: bytes | bytearray | memoryview, lengths: Sequence[int]) -> bytes:
    """A frame of chunks of these lengths, which follow each other in `raw`, with bytes of its own: zstd, or raw where that saves
    less than 3 %."""
    stored: bytes | bytearray | memoryview = _compressor().compress(raw)
    codec = _ZSTD
    if len(stored) > _WORTH * len(raw):
        codec, stored = _RAW, raw
    header = _HEADER.pack(_MAGIC, codec, 0, len(lengths), len(stored), len(raw))
    return b"".join((header, struct.pack(f"<{len(lengths)}I", *lengths), stored))


def decode_frame(frame: bytes, where: str) -> Frame:
    """What `frame` holds. Raises Corrupt (`bad-pack`), naming `where`, unless it is exactly one frame; whether the chunks are
    the right ones only their ids can tell."""
    header = _header(frame, where)
    lengths = _lengths(frame, header, where)
    raw = frame[header.begin :]
    if header.codec == _ZSTD:
        raw = _decompressed(raw, header.raw_bytes, where)
    if len(raw) != header.raw_bytes:
        raise _broken(where, "a frame is shorter than it says")
    return Frame(raw, lengths)


def frame_raw_bytes(frame: memoryview, where: str) -> int:
    """How many raw bytes `frame` says it holds: never more than a frame may. Raises Corrupt (`bad-pack`), naming `where`."""
    return _header(frame, where).raw_bytes


def decode_frame_into(frame: memoryview, room: memoryview, where: str) -> None:
    """The raw bytes of `frame` fill `room`, which has as many. Any of them may be wrong: only the ids of the chunks tell.
    Raises Corrupt (`bad-pack`), naming `where`. Room that is used again costs a third less than new bytes for each frame."""
    header = _header(frame, where)
    _lengths(frame, header, where)
    stored = frame[header.begin :]
    if header.codec == _ZSTD:
        _decompress_into(stored, room, where)
    elif len(stored) == len(room):
        room[:] = stored
    else:
        raise _broken(where, "a frame is shorter than it says")


class _Header(NamedTuple):
    """What a frame says of itself: its codec, how many chunks and raw bytes it holds, and where its stored bytes begin."""

    codec: int
    chunks: int
    raw_bytes: int
    begin: int


def _header(frame: bytes | memoryview, where: str) -> _Header:
    if len(frame) < _HEADER.size:
        raise _broken(where, "it ends inside a frame")
    magic, codec, unused, count, stored, raw_bytes = _HEADER.unpack_from(frame)
    begin = _HEADER.size + 4 * count
    if magic != _MAGIC or codec not in (_RAW, _ZSTD) or unused or begin + stored != len(frame):
        raise _broken(where, "a frame's header is wrong")
    if raw_bytes > max(FRAME_BYTES, MAXIMUM_BYTES):
        raise _broken(where, "the lengths in a frame are wrong")
    return _Header(codec, count, raw_bytes, begin)


def _lengths(frame: bytes | memoryview, header: _Header, where: str) -> tuple[int, ...]:
    lengths = struct.unpack_from(f"<{header.chunks}I", frame, _HEADER.size)
    if sum(lengths) != header.raw_bytes:
        raise _broken(where, "the lengths in a frame are wrong")
    return lengths


def frame_rows(
    frame_offset: int, frame_bytes: int, chunks: Sequence[ChunkId], lengths: Sequence[int]
) -> Iterator[PackRow]:
    """The rows of a frame whose chunks have these ids and lengths."""
    begins = accumulate(lengths, initial=0)
    return map(PackRow, chunks, repeat(frame_offset), repeat(frame_bytes), begins, lengths)


def end_bytes(rows: int) -> int:
    """How many bytes footer and trailer of a pack with so many rows have."""
    return rows * _ROW.size + _TRAILER.size


def encode_footer(rows: Sequence[PackRow], frames_digest: bytes) -> bytes:
    """The footer and the trailer that end a pack with these rows, of whose frames this is the BLAKE3."""
    footer = b"".join(_ROW.pack(*row) for row in rows)
    digests = (blake3(footer).digest()[:_DIGEST_BYTES], frames_digest[:_DIGEST_BYTES])
    return footer + _TRAILER.pack(len(footer), len(rows), *digests, _PACK_MAGIC)


def read_footer(read: Callable[[Span], bytes], where: str) -> list[PackRow]:
    """The rows of a pack of which `read` gives a stretch. Raises Corrupt (`bad-pack`), naming `where`, when the footer or the
    trailer is not what was written; `rescan` may still find chunks in the frames."""
    trailer = read(Span(-_TRAILER.size, _TRAILER.size))
    if len(trailer) < _TRAILER.size:
        raise _broken(where, "it is too short")
    footer_bytes, count, digest, _, magic = _TRAILER.unpack(trailer)
    if magic != _PACK_MAGIC or footer_bytes != count * _ROW.size:
        raise _broken(where, "its end is not a pack's")
    footer = read(Span(-_TRAILER.size - footer_bytes, footer_bytes))
    if len(footer) != footer_bytes or blake3(footer).digest()[:_DIGEST_BYTES] != digest:
        raise _broken(where, "its footer is damaged")
    return [PackRow(ChunkId(chunk), *rest) for chunk, *rest in _ROW.iter_unpack(footer)]


def check_pack(content: bytes, where: str) -> list[PackRow]:
    """The rows of a whole pack of which no byte is other than it was written. Raises Corrupt (`bad-pack`), naming `where`."""

    def read(span: Span) -> bytes:
        start = max(0, len(content) + span.start)
        return content[start : start + span.length]

    rows = read_footer(read, where)
    footer_bytes, _, _, digest, _ = _TRAILER.unpack(content[-_TRAILER.size :])
    frames = memoryview(content)[: -_TRAILER.size - footer_bytes]
    if blake3(frames).digest()[:_DIGEST_BYTES] != digest:
        raise _broken(where, "its frames have other bytes than were written")
    return rows


def rescan(content: bytes, hashing: Hashing) -> list[PackRow]:
    """The rows of all frames that are whole in `content`, a pack of which any part may be damaged or missing. Chunk ids are
    computed again, so a row never promises bytes that are not there; a frame that holds a pack's bytes may give rows too."""
    rows: list[PackRow] = []
    at = content.find(_MAGIC)
    while at >= 0:
        end, found = _frame_at(content, at, hashing)
        rows.extend(found)
        at = content.find(_MAGIC, end)
    return rows


def _frame_at(content: bytes, at: int, hashing: Hashing) -> tuple[int, list[PackRow]]:
    """Where to look on after the frame that begins at `at`, and its rows; none when it is damaged."""
    if at + _HEADER.size > len(content):
        return at + 1, []
    _, _, _, count, stored, _ = _HEADER.unpack_from(content, at)
    end = at + _HEADER.size + 4 * count + stored
    try:
        frame = decode_frame(content[at:end], "the pack")
    except Corrupt:
        return at + 1, []
    begins = accumulate(frame.lengths, initial=0)
    chunks = [hashing.chunk(frame.raw[b : b + length]) for b, length in zip(begins, frame.lengths, strict=False)]
    return end, list(frame_rows(at, end - at, chunks, frame.lengths))


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    compressor: zstandard.ZstdCompressor = _local.compressor
    return compressor


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor()
    decompressor: zstandard.ZstdDecompressor = _local.decompressor
    return decompressor


def _decompressed(stored: bytes, raw_bytes: int, where: str) -> bytes:
    try:
        # The size is compared first: damaged bytes must not make us ask for memory without bound.
        if zstandard.frame_content_size(stored) != raw_bytes:
            raise _broken(where, "a frame's size is wrong")
        return _decompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise _broken(where, "a frame cannot be decompressed") from error


def _decompress_into(stored: memoryview, room: memoryview, where: str) -> None:
    try:
        # With the right size in its header and room for all of it, zstd writes straight to the room.
        if zstandard.frame_content_size(stored) != len(room):
            raise _broken(where, "a frame's size is wrong")
        with _decompressor().stream_reader(stored) as reader:
            count = reader.readinto(room)
    except zstandard.ZstdError as error:
        raise _broken(where, "a frame cannot be decompressed") from error
    if count != len(room):
        raise _broken(where, "a frame is shorter than it says")


def _broken(where: str, fault: str) -> Corrupt:
    return Corrupt("bad-pack", f"{where} is damaged: {fault}; restore it from a copy", where=where)
