"""Cutting bytes into chunks where their content says so (docs/format.md, "Chunks").

The cuts are FastCDC 2020 (Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage
Systems", IEEE TPDS 2020) by pyfastcdc. They are part of the format: `tests/store/vectors/chunking.json` holds them fixed.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

from pyfastcdc import FastCDC

AVERAGE_BYTES = 65_536
MINIMUM_BYTES = 16_384
MAXIMUM_BYTES = 262_144
NORMALIZATION: Final = 2
SEED = 0
WHOLE_BYTES = 65_536
"""A file of at most this many bytes is one chunk."""
STRETCH_BYTES = 2 * 2**20
"""So much is read at once of a file that is cut."""
ROOM_BYTES = MAXIMUM_BYTES + STRETCH_BYTES
"""Memory for one stretch, with what is left of the one before it."""


class Stretch(NamedTuple):
    """Chunks that follow each other: their bytes, in a buffer of their own, and where each ends."""

    content: memoryview
    ends: list[int]

    def chunks(self) -> Iterator[memoryview]:
        """The bytes of each chunk, without a copy."""
        begin = 0
        for end in self.ends:
            yield self.content[begin:end]
            begin = end


class Cutter:
    """Where the chunks of one file end. For one thread at a time."""

    def __init__(self) -> None:
        self._kernel = FastCDC(
            AVERAGE_BYTES,
            min_size=MINIMUM_BYTES,
            max_size=MAXIMUM_BYTES,
            normalized_chunking=NORMALIZATION,
            seed=SEED,
        )

    def ends(self, content: memoryview, *, is_last: bool) -> list[int]:
        """Where the chunks end in `content`, which begins where a chunk begins. Unless `is_last`, only those that no byte behind
        `content` can change: what lies behind the last of them is to come again, with more behind it."""
        pieces = self._kernel.cut_buf(content)
        ends: list[int] = []
        end = 0
        while end < len(content) and (is_last or end + MAXIMUM_BYTES <= len(content)):
            end += next(pieces).length
            ends.append(end)
        return ends


def cut(stream: BinaryIO) -> Iterator[bytes]:
    """The chunks of all that `stream` still has, in order; together they are it, and each is a `bytes` of its own."""
    head = read_head(stream)
    if len(head) > WHOLE_BYTES:
        for stretch in stretches(head, read_into(stream), _new_room):
            yield from map(bytes, stretch.chunks())
    elif head:
        yield head


def read_head(stream: BinaryIO, expected_bytes: int = WHOLE_BYTES) -> bytes:
    """The next bytes of `stream`: all of them when they are at most `WHOLE_BYTES`, else more than that. `expected_bytes` only
    saves asking for more room than a small file needs."""
    head = stream.read(min(max(0, expected_bytes), WHOLE_BYTES) + 1)
    while len(head) <= WHOLE_BYTES and (more := stream.read(WHOLE_BYTES + 1 - len(head))):
        head += more
    return head


def read_into(stream: BinaryIO) -> Callable[[memoryview], int]:
    """How `stretches` reads `stream`."""

    def read(buffer: memoryview) -> int:
        piece = stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    return read


class Rooms:
    """Memory for stretches, used again: new memory each time costs half as much as reading."""

    def __init__(self) -> None:
        self._spare: list[bytearray] = []

    def take(self) -> memoryview:
        """`ROOM_BYTES` that nothing else uses."""
        return memoryview(self._spare.pop() if self._spare else bytearray(ROOM_BYTES))

    def give_back(self, content: memoryview) -> None:
        """`content`, which lies in memory that was taken, is not needed any more."""
        assert isinstance(content.obj, bytearray)
        self._spare.append(content.obj)


def stretches(head: bytes, read: Callable[[memoryview], int], take: Callable[[], memoryview]) -> Iterator[Stretch]:
    """The chunks of `head` and then of all that `read` gives, together more than `WHOLE_BYTES`. `read` fills a buffer from its
    start and returns how many bytes, 0 only at the end. Each stretch lies at the start of `ROOM_BYTES` that `take` gave."""
    cutter = Cutter()
    rest = head
    is_last = False
    while not is_last:
        room = take()[: len(rest) + STRETCH_BYTES]
        room[: len(rest)] = rest
        filled = _fill(room, len(rest), read)
        is_last = filled < len(room)
        ends = cutter.ends(room[:filled], is_last=is_last)
        end = ends[-1] if ends else 0
        rest = bytes(room[end:filled])
        yield Stretch(room[:end], ends)


def _new_room() -> memoryview:
    return memoryview(bytearray(ROOM_BYTES))


def _fill(buffer: memoryview, filled: int, read: Callable[[memoryview], int]) -> int:
    """How many bytes are in `buffer` when it is full, or nothing more comes."""
    while filled < len(buffer) and (count := read(buffer[filled:])):
        filled += count
    return filled
