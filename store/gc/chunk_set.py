"""Sets of chunk ids that hold millions."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from datamon.store import arrays

_PREFIX_BYTES = 8
_PARTS_FROM = 1_000_000
_PARTS = 16
_PART_SHIFT = arrays.value(60, pa.uint64())
_NONE = arrays.numbers([], pa.uint64())


def prefixes(chunks: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The first 8 bytes of each chunk id, as a number."""
    cut = pc.binary_slice(chunks, 0, _PREFIX_BYTES)
    whole = cut.combine_chunks() if isinstance(cut, pa.ChunkedArray) else cut
    return whole.view(pa.uint64())


class ChunkSet:
    """Chunk ids by their first 8 bytes, so that 16 million take 128 MB. What was added is in it; another chunk that begins like
    one of them counts as being in it too: gc then keeps a chunk too many, never one too few.

    A large set lies in parts by its values' first bits: a look-up table of one part at a time fits in the caches, and one of all
    would take as much memory as everything else together.
    """

    def __init__(self) -> None:
        self._parts = [_NONE]
        self._added: list[pa.Array] = []
        self._added_rows = 0

    def __len__(self) -> int:
        return sum(map(len, self._settled()))

    def add(self, chunks: pa.Array) -> None:
        """These chunks, an array of 32 bytes each, are in the set."""
        if len(chunks):
            self._add(prefixes(chunks))

    def union(self, other: "ChunkSet") -> "ChunkSet":
        """The chunks of both."""
        if not len(other):
            return self
        both = ChunkSet()
        for part in (*self._settled(), *other._settled()):
            both._add(part)
        return both

    def holds(self, beginnings: pa.Array) -> pa.BooleanArray:
        """For each prefix (as `prefixes` gives them) whether a chunk of the set begins so."""
        parts = self._settled()
        if len(parts) == 1:
            return pc.is_in(beginnings, value_set=parts[0])
        found = pc.is_null(beginnings)
        for mask, known in zip(_by_part(beginnings), parts, strict=True):
            found = pc.replace_with_mask(found, mask, pc.is_in(beginnings.filter(mask), value_set=known))
        return found

    def _add(self, beginnings: pa.Array) -> None:
        self._added.append(beginnings)
        self._added_rows += len(beginnings)
        if self._added_rows > max(_PARTS_FROM, 2 * sum(map(len, self._parts))):
            self._settled()

    def _settled(self) -> list[pa.Array]:
        """The parts, each value once."""
        if self._added:
            added = pa.concat_arrays(self._added)
            self._added, self._added_rows = [], 0
            if len(self._parts) == 1 and len(self._parts[0]) + len(added) >= _PARTS_FROM:
                added = pa.concat_arrays([*self._parts, added])
                self._parts = [_NONE] * _PARTS
            split = map(added.filter, _by_part(added)) if len(self._parts) > 1 else [added]
            self._parts = [pc.unique(pa.concat_arrays(pair)) for pair in zip(self._parts, split, strict=True)]
        return self._parts


def _by_part(beginnings: pa.Array) -> Iterator[pa.BooleanArray]:
    """For each part which of the values belong to it."""
    parts = pc.shift_right(beginnings, _PART_SHIFT)
    return (pc.equal(parts, arrays.value(part, pa.uint64())) for part in range(_PARTS))
