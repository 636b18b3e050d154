"""What lies in a store, as listings and index segments say it: never a cache, since what is missed here is deleted."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from datamon.errors import NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend, get_decoded
from datamon.store.index_segments import decode_segment
from datamon.store.opening import Store

_COLUMNS = ("chunk", "pack", "length")
_NAMED = (layout.MANIFESTS, layout.SEGMENTS, layout.STATS)
_ROWS = pa.schema([("chunk", pa.binary(32)), ("pack", pa.dictionary(pa.int32(), pa.string())), ("length", pa.uint32())])
_LISTINGS = 100


@dataclass(frozen=True, slots=True)
class Inventory:
    """`rows` are those of the chunk index (chunk, pack, length); `packs` and `keys` the sizes in bytes by name and by key of the
    packs, and of the roots, segments and stats of manifests, that are there."""

    rows: pa.Table
    packs: Mapping[str, int]
    keys: Mapping[str, int]

    def packs_named(self) -> frozenset[str]:
        """The packs that the index names, there or not."""
        return frozenset(pc.unique(self.rows.column("pack")).to_pylist())

    def size_of(self, names: Iterable[str]) -> int:
        """The bytes of these packs and keys as they are stored; what is not there has none."""
        return sum(self.packs.get(name, 0) + self.keys.get(name, 0) for name in names)


@dataclass(slots=True)
class Stocktaker:
    """Takes inventories of one store; a segment of the index that it read once it does not read again."""

    store: Store
    _segments: dict[str, pa.Table] = field(default_factory=dict)

    def take(self) -> Inventory:
        """What is there. The index first: a pack that it names was put before, and is listed unless it is gone.
        Raises Corrupt when a segment of the index cannot be read, Unavailable."""
        rows = self._rows()
        packs = {stored.key.rpartition("/")[2]: stored.size_bytes for stored in self.store.blob.list(layout.PACKS)}
        keys = {stored.key: stored.size_bytes for prefix in _NAMED for stored in self.store.metadata.list(prefix)}
        return Inventory(rows, packs, keys)

    def _rows(self) -> pa.Table:
        self._segments = read_segments(self.store.blob, self._segments)
        tables = [pa.Table.from_batches([], _ROWS), *self._segments.values()]
        return pa.concat_tables(tables).unify_dictionaries()


def read_segments(blob: Backend, known: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The segments of the index by key, of which those `known` are not read again. One that another collector merged away between
    the listing and its read is looked for in a new listing. Raises Corrupt, Unavailable."""
    segments = dict(known)
    for _ in range(_LISTINGS):
        listed = [stored.key for stored in blob.list(layout.INDEX)]
        with suppress(NotFound):
            segments.update((key, _read(blob, key)) for key in listed if key not in segments)
            return {key: segments[key] for key in listed}
    raise Unavailable(
        "index-busy", f"the chunk index in {blob.url} is rewritten faster than it can be read; try again later"
    )


def _read(blob: Backend, key: str) -> pa.Table:
    return get_decoded(blob, key, partial(decode_segment, key)).select(list(_COLUMNS)).cast(_ROWS)
