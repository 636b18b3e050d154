"""Sets of chunk ids that hold millions."""

import pyarrow as pa
import pyarrow.compute as pc

_PREFIX_BYTES = 8
_PARTS_FROM = 1_000_000
_PARTS = 16
_PART_SHIFT = pa.scalar(60, pa.uint64())


def prefixes(chunks: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The first 8 bytes of each chunk id, as a number."""
    cut = pc.binary_slice(chunks, 0, _PREFIX_BYTES)
    whole = cut.combine_chunks() if isinstance(cut, pa.ChunkedArray) else cut
    return whole.view(pa.uint64())


class ChunkSet:
    """Chunk ids by their first 8 bytes, so that 16 million take 128 MB. What was added is in it; another chunk that begins like
    one of them counts as being in it too: gc then keeps a chunk too many, never one too few."""

    def __init__(self) -> None:
        self._known = pa.array([], pa.uint64())
        self._added: list[pa.Array] = []
        self._added_rows = 0

    def __len__(self) -> int:
        return len(self._settled())

    def add(self, chunks: pa.Array) -> None:
        """These chunks, an array of 32 bytes each, are in the set."""
        if len(chunks):
            self._added.append(prefixes(chunks))
            self._added_rows += len(chunks)
            if self._added_rows > max(_PARTS_FROM, len(self._known)):
                self._settled()

    def union(self, other: "ChunkSet") -> "ChunkSet":
        """The chunks of both."""
        if not len(other):
            return self
        both = ChunkSet()
        both._known = pc.unique(pa.concat_arrays([self._settled(), other._settled()]))
        return both

    def holds(self, chunks: pa.Array) -> pa.BooleanArray:
        """For each prefix in `chunks` (as `prefixes` gives them), whether a chunk of the set begins so."""
        known = self._settled()
        if len(known) < _PARTS_FROM:
            return pc.is_in(chunks, value_set=known)
        # One part of the values at a time: a look-up table of all of them would take as much as everything else together.
        found = pc.is_null(chunks)
        parts, known_parts = pc.shift_right(chunks, _PART_SHIFT), pc.shift_right(known, _PART_SHIFT)
        for part in (pa.scalar(number, pa.uint64()) for number in range(_PARTS)):
            of_part = pc.equal(parts, part)
            inside = pc.is_in(chunks.filter(of_part), value_set=known.filter(pc.equal(known_parts, part)))
            found = pc.replace_with_mask(found, of_part, inside)
        return found

    def _settled(self) -> pa.Array:
        if self._added:
            self._known = pc.unique(pa.concat_arrays([self._known, *self._added]))
            self._added, self._added_rows = [], 0
        return self._known
