"""What a manifest reaches: the keys that reading it needs, and the chunks of its files and of the lists in their recipes."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from datamon.errors import Corrupt
from datamon.store import arrays
from datamon.store.backend import Backend
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.named import keys_of
from datamon.store.overlap import overlapped
from datamon.store.roots import Manifest, SegmentRow
from datamon.store.segments import read_held

CHUNK_TYPE = pa.binary(HASH_BYTES)
_ROW_BYTES = HASH_BYTES + 4
_ROW_TYPE = pa.binary(_ROW_BYTES)
_FILE, _ZERO = arrays.value("file", pa.string()), arrays.value(0, pa.uint64())


class Reach:
    """What the manifests walked so far reach. What several share is walked once: a segment, and a piece of a recipe's list.
    Everything is read verified; `get` gives a chunk. For one thread."""

    def __init__(self, metadata: Backend, get: Callable[[ChunkId], bytes]) -> None:
        self.keys: set[str] = set()
        """The plain keys that reading these manifests needs."""
        self._metadata = metadata
        self._get = lru_cache(maxsize=4)(get)
        self._segments: set[str] = set()
        self._pieces: set[tuple[ChunkId, ChunkId | None, int]] = set()

    def walk(self, manifest: Manifest) -> Iterator[pa.Array]:
        """The ids of the chunks that this manifest reaches and none walked before it, some of them perhaps twice.

        Raises Corrupt, Invalid (`newer-format`) when a segment or a list of chunks cannot be read; what it did not come to then
        does not count as walked.
        """
        rows = [row for row in manifest.segments if row.id not in self._segments]
        for row, batch in zip(rows, overlapped(self._metadata, self._read, rows), strict=True):
            yield from self._chunks(batch)
            self._segments.add(row.id)
        self.keys.update(keys_of(manifest))

    def _read(self, row: SegmentRow) -> pa.RecordBatch:
        return read_held(self._metadata, row).batch

    def _chunks(self, batch: pa.RecordBatch) -> Iterator[pa.Array]:
        recipe = batch.column("recipe")
        file = pc.and_(pc.equal(batch.column("kind"), _FILE), pc.greater(batch.column("size"), _ZERO))
        yield batch.column("content").filter(pc.and_(file, pc.is_null(recipe)))
        recipes = recipe.drop_null().to_pylist()
        yield _ids(b"".join(each[1:] for each in recipes if each[:1] == b"\0"))
        for each in recipes:
            if each[:1] != b"\0":
                yield from self._listed(each)

    def _listed(self, recipe: bytes) -> Iterator[pa.Array]:
        """The chunks of a recipe whose list is kept as chunks, and the chunks of the list. Lists above the lowest are small."""
        if not recipe:
            raise _broken()
        rows = recipe[1:]
        for _ in range(recipe[0] - 1):
            pieces = _ids(rows)
            yield pieces
            rows = b"".join(self._get(ChunkId(piece)) for piece in pieces.to_pylist())
        yield _ids(rows)
        yield from self._lowest(rows)

    def _lowest(self, rows: bytes) -> Iterator[pa.Array]:
        """The chunks of a file whose list lies in the pieces that `rows` name.

        A row of the list may go on in the next piece, so what a piece names depends on the one behind it and on where in a row
        it begins: that is what is remembered.
        """
        pieces = [ChunkId(piece) for piece in _ids(rows).to_pylist()]
        lengths = [
            int.from_bytes(rows[end - 4 : end], "little") for end in range(_ROW_BYTES, len(rows) + 1, _ROW_BYTES)
        ]
        begins = accumulate(lengths, initial=0)
        for piece, following, begin in zip(pieces, [*pieces[1:], None], begins, strict=False):
            seen = (piece, following, begin % _ROW_BYTES)
            if seen not in self._pieces:
                named = self._get(piece)[-begin % _ROW_BYTES :]
                missing = -len(named) % _ROW_BYTES
                if missing and following is not None:
                    named += self._get(following)[:missing]
                yield _ids(named)
                self._pieces.add(seen)


def _ids(rows: bytes) -> pa.Array:
    """The chunk ids in rows of a list. Raises Corrupt (`bad-record`) when the last row is not whole."""
    if len(rows) % _ROW_BYTES:
        raise _broken()
    whole = pa.Array.from_buffers(_ROW_TYPE, len(rows) // _ROW_BYTES, [None, pa.py_buffer(rows)])
    return pc.binary_slice(whole, 0, HASH_BYTES)


def _broken() -> Corrupt:
    return Corrupt("bad-record", "the recipe of a file is not whole; restore the store from a copy")
