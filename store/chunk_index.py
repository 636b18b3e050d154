"""Which pack holds a chunk: Parquet segments in the blob backend, looked up in memory (docs/format.md, "Chunk index")."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.packs import PackRow
from datamon.store.seal import seal, unseal

_SCHEMA = pa.schema(
    [
        pa.field("chunk", pa.binary(HASH_BYTES), nullable=False),
        pa.field("pack", pa.string(), nullable=False),
        pa.field("offset", pa.uint32(), nullable=False),
        pa.field("stored", pa.uint32(), nullable=False),
        pa.field("inner", pa.uint32(), nullable=False),
        pa.field("length", pa.uint32(), nullable=False),
    ]
)
_NUMBERS = ("offset", "stored", "inner", "length")
_SEGMENT_BITS = 32


class Place(NamedTuple):
    """Where a chunk lies: the pack's name and the chunk's row there."""

    pack: str
    row: PackRow


@dataclass(frozen=True, slots=True)
class _Segment:
    """A loaded segment: its columns, sorted by chunk; `pack_numbers` point into `packs`."""

    packs: Sequence[str]
    chunks: memoryview
    pack_numbers: memoryview
    numbers: tuple[memoryview, ...]

    def __len__(self) -> int:
        return len(self.pack_numbers)

    def chunk(self, row: int) -> ChunkId:
        return ChunkId(bytes(self.chunks[row * HASH_BYTES : (row + 1) * HASH_BYTES]))

    def place(self, row: int) -> Place:
        offset, stored, inner, length = (column[row] for column in self.numbers)
        return Place(self.packs[self.pack_numbers[row]], PackRow(self.chunk(row), offset, stored, inner, length))

    def find(self, chunk: ChunkId) -> int | None:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.chunk(middle) < chunk:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.chunk(low) == chunk else None


def encode_segment(packs: Mapping[str, Sequence[PackRow]]) -> bytes:
    """An index segment for these packs' rows."""
    rows = sorted((row, pack) for pack, pack_rows in packs.items() for row in pack_rows)
    columns = [
        pa.array([row.chunk for row, _ in rows], pa.binary(HASH_BYTES)),
        pa.array([pack for _, pack in rows], pa.string()),
        *(pa.array([getattr(row, name) for row, _ in rows], pa.uint32()) for name in _NUMBERS),
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_arrays(columns, schema=_SCHEMA),
        sink,
        compression="zstd",
        use_dictionary=["pack"],
    )
    encoded: bytes = sink.getvalue().to_pybytes()
    return seal(encoded)


class ChunkIndex:
    """The look-up over all segments of a blob backend. Any thread may call it.

    Segments are loaded by `refresh` and stay loaded. What lies in a pack that is known to be absent is not found.
    """

    def __init__(self, blob: Backend) -> None:
        self._blob = blob
        self._lock = threading.RLock()
        self._segments: list[_Segment] = []
        self._loaded: set[str] = set()
        self._rows: dict[
            ChunkId, int
        ] = {}  # segment number and row in one integer: a tuple would be four times as large
        self._absent: frozenset[str] = frozenset()
        self.is_loaded = False

    def refresh(self) -> None:
        """Segments that were put before this call are looked up afterwards. One listing, and a read for each new segment.
        Raises Corrupt (`bad-record`) when one cannot be read."""
        with self._lock:
            for stored in self._blob.list(layout.INDEX):
                if stored.key not in self._loaded:
                    try:
                        self.add(stored.key, self._blob.get(stored.key))
                    except NotFound:
                        continue  # taken away since the listing, with what it said in another segment
            self.is_loaded = True

    def add(self, key: str, content: bytes) -> None:
        """The segment `content`, which lies under `key`, is looked up afterwards."""
        segment = _decode_segment(key, content)
        with self._lock:
            if key in self._loaded:
                return
            begin = len(self._segments) << _SEGMENT_BITS
            self._segments.append(segment)
            self._rows.update(
                zip(map(segment.chunk, range(len(segment))), range(begin, begin + len(segment)), strict=True)
            )
            self._loaded.add(key)

    def find(self, chunk: ChunkId) -> Place | None:
        """Where `chunk` lies, as far as the loaded segments say; None when only packs known to be absent hold it."""
        found = self._rows.get(chunk)
        if found is None:
            return None
        place = self._segments[found >> _SEGMENT_BITS].place(found & ((1 << _SEGMENT_BITS) - 1))
        if place.pack not in self._absent:
            return place
        return next((other for other in self.places(chunk) if other.pack not in self._absent), None)

    def places(self, chunk: ChunkId) -> Iterator[Place]:
        """Every place of `chunk`, newest segment first: two uploads at one time may both have put it. Also those in packs that
        are known to be absent: they may have been brought back."""
        for segment in reversed(self._segments):
            row = segment.find(chunk)
            if row is not None:
                yield segment.place(row)

    def packs(self) -> frozenset[str]:
        """The names of all packs that the loaded segments name."""
        return frozenset(pack for segment in self._segments for pack in segment.packs)

    def chunks_in(self, packs: Iterable[str]) -> frozenset[ChunkId]:
        """All chunks that the loaded segments place in one of these packs."""
        wanted = frozenset(packs)
        return frozenset(
            segment.chunk(row)
            for segment in self._segments
            if not wanted.isdisjoint(segment.packs)
            for row in range(len(segment))
            if segment.packs[segment.pack_numbers[row]] in wanted
        )

    def set_absent(self, packs: Iterable[str]) -> None:
        """From now on these packs, and no others, are known to be absent."""
        self._absent = frozenset(packs)

    def add_absent(self, pack: str) -> None:
        """From now on this pack too is known to be absent."""
        with self._lock:
            self._absent |= {pack}


def _decode_segment(key: str, content: bytes) -> _Segment:
    try:
        # One thread, no prefetching: many small segments are read, each in well under a millisecond. `read_table` would load
        # pyarrow's data sets and their thread pool.
        table = pq.ParquetFile(pa.BufferReader(unseal(content, key))).read(use_threads=False)
        if not table.schema.equals(_SCHEMA):
            raise ValueError("other columns than expected")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Corrupt(
            "bad-record", f"the chunk index segment {key} cannot be read ({error}); restore it from a copy", key=key
        ) from error
    packs = table.column("pack").combine_chunks().dictionary_encode()
    return _Segment(
        packs=tuple(packs.dictionary.to_pylist()),
        chunks=_bytes_of(table.column("chunk").combine_chunks(), HASH_BYTES),
        pack_numbers=_bytes_of(packs.indices, 4).cast("i"),
        numbers=tuple(_bytes_of(table.column(name).combine_chunks(), 4).cast("I") for name in _NUMBERS),
    )


def _bytes_of(array: pa.Array, width: int) -> memoryview:
    """The bytes of an array of values of `width` bytes, without a copy."""
    values = array.buffers()[1]
    view = memoryview(values) if values is not None else memoryview(b"")
    return view[array.offset * width : (array.offset + len(array)) * width]
