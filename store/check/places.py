"""Every place that the store's index segments give to chunks, read from the store itself and not from this machine's cache."""

from collections.abc import Generator, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from datamon.errors import Corrupt, NotFound
from datamon.store import arrays, layout
from datamon.store.backend import Backend
from datamon.store.check.findings import Finding, told_by
from datamon.store.chunk_index import ChunkIndex
from datamon.store.ids import ChunkId
from datamon.store.index_segments import Place
from datamon.store.packs import PackRow


class Places:
    """Where chunks lie, as the readable segments say: 60 bytes in memory for each place, twice as much while they are merged.

    `packs` are the names of all packs that a segment names; `unreadable` the keys of segments that could not be read, so that
    more may be known of a chunk than this says.
    """

    def __init__(self, index: ChunkIndex, unreadable: frozenset[str]) -> None:
        self._index = index
        self.packs = index.packs()
        self.unreadable = unreadable

    def of(self, chunk: ChunkId) -> Iterator[Place]:
        """Every place of the chunk."""
        return self._index.places(chunk)

    def rows_in(self, pack: str) -> list[PackRow]:
        """What the segments say of this pack."""
        name = arrays.value(pack, pa.string())
        tables = (table.filter(pc.equal(table.column("pack"), name)) for table in self._index.tables())
        return [
            PackRow(row["chunk"], row["offset"], row["stored"], row["inner"], row["length"])
            for table in tables
            for row in table.to_pylist()
        ]


def examine_index(blob: Backend) -> Generator[Finding, None, Places]:
    """Every index segment is sealed and can be read; gives what they say."""
    index = ChunkIndex(blob)
    unreadable: set[str] = set()
    for stored in blob.list(layout.INDEX):
        try:
            index.add(stored.key, blob.get(stored.key))
        except NotFound:
            continue  # taken away since the listing, with what it said in another segment
        except Corrupt as error:
            unreadable.add(stored.key)
            yield told_by(error, stored.key)
    return Places(index, frozenset(unreadable))
