"""Cutting bytes into chunks where their content says so, and naming chunks (docs/format.md, "Chunks").

The cuts are FastCDC 2020 (Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage
Systems", IEEE TPDS 2020) by pyfastcdc. They are part of the format: `tests/store/vectors/chunking.json` holds them fixed.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from blake3 import blake3
from pyfastcdc import FastCDC

from datamon.store.ids import ChunkId

AVERAGE_BYTES = 65_536
MINIMUM_BYTES = 16_384
MAXIMUM_BYTES = 262_144
NORMALIZATION: Final = 2
SEED = 0
WHOLE_BYTES = 65_536
"""A file of at most this many bytes is one chunk."""


def chunk_id(content: bytes) -> ChunkId:
    """The name of the chunk with these bytes.

    >>> chunk_id(b"").hex()[:16]
    'af1349b9f5f9a1a6'
    """
    return ChunkId(blake3(content).digest())


def cut(stream: BinaryIO) -> Iterator[bytes]:
    """The chunks of all that `stream` still has, in order; together they are it, and each is a `bytes` of its own."""
    head = read_head(stream)
    if len(head) > WHOLE_BYTES:
        yield from cut_long(head, stream)
    elif head:
        yield head


def read_head(stream: BinaryIO, expected_bytes: int = WHOLE_BYTES) -> bytes:
    """The next bytes of `stream`: all of them when they are at most `WHOLE_BYTES`, else more than that. `expected_bytes` only
    saves asking for more room than a small file needs."""
    head = stream.read(min(max(0, expected_bytes), WHOLE_BYTES) + 1)
    while len(head) <= WHOLE_BYTES and (more := stream.read(WHOLE_BYTES + 1 - len(head))):
        head += more
    return head


def cut_long(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """The chunks of `head` and then all that `stream` still has, together more than `WHOLE_BYTES`."""
    cutter = FastCDC(
        AVERAGE_BYTES,
        min_size=MINIMUM_BYTES,
        max_size=MAXIMUM_BYTES,
        normalized_chunking=NORMALIZATION,
        seed=SEED,
    )
    for piece in cutter.cut_stream(_Joined(head, stream)):
        yield bytes(piece.data)  # a copy: the cutter uses its buffer again


class _Joined:
    """`head`, then `stream`, for the cutter. It reads until nothing comes, so that short reads do no harm."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream

    def readinto(self, buffer: memoryview) -> int:
        """Fills `buffer` from its start; returns how many bytes, 0 only at the end."""
        count = self._head.readinto(buffer)
        if count:
            return count
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
