"""How large a repo is: as its bundles say, without what they share, and as it lies in packs."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datamon.store.bundle import Repo
from datamon.store.ids import ChunkId
from datamon.store.manifest import read_manifest
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.tombstones import live_bundles

if TYPE_CHECKING:  # brings pyarrow, as do the imports inside functions, which no other question about repos needs
    from datamon.store.chunk_index import Place


@dataclass(frozen=True, slots=True)
class RepoSizes:
    """What the live bundles of a repo hold. `entries` and `logical_bytes` are the sums over all of them: what downloading each
    would write. `distinct_bytes` counts every chunk once, also those that list the chunks of large files. `stored_bytes` are
    those of the frames in packs that hold these chunks, each frame once: compressed, with what else is in them. What several
    repos share counts in each of them; manifests do not count."""

    bundles: int
    entries: int
    logical_bytes: int
    distinct_bytes: int
    stored_bytes: int


def repo_sizes(store: Store, repo: Repo, progress: Progress = SILENT) -> RepoSizes:
    """The sizes of the repo now. Every segment of its manifests is read once, however many bundles share it; packs are not read
    but for lists of the chunks of large files. A chunk that no index names counts nothing: `check` tells of it.

    Memory is about 24 bytes for each chunk. Raises Corrupt when a manifest cannot be read, Unavailable.
    """
    from datamon.store.reach import Reach

    live = live_bundles(store.logs.repo(repo.id))
    reach = Reach(store.metadata, store.chunks.get)
    found = _Places()
    progress.begin("sizes", len(live), None)
    try:
        for manifest in dict.fromkeys(bundle.manifest for bundle in live):
            for chunks in reach.walk(read_manifest(store.metadata, manifest)):
                found.add(store, chunks.to_pylist())
            progress.advance(1, 0)
    finally:
        progress.end()
    distinct_bytes, stored_bytes = found.sums()
    return RepoSizes(
        bundles=len(live),
        entries=sum(bundle.entries for bundle in live),
        logical_bytes=sum(bundle.size_bytes for bundle in live),
        distinct_bytes=distinct_bytes,
        stored_bytes=stored_bytes,
    )


class _Places:
    """Where chunks lie, as parallel columns: the pack's number and the frame's offset in one, the frame's length, where in the
    frame, the chunk's length."""

    def __init__(self) -> None:
        self._packs: dict[str, int] = {}
        self._columns = (array("Q"), array("I"), array("I"), array("I"))

    def add(self, store: Store, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            place = store.chunks.locate(ChunkId(chunk))
            if place is not None:
                self._add(place)

    def _add(self, place: "Place") -> None:
        row = place.row
        pack = self._packs.setdefault(place.pack, len(self._packs))
        for column, value in zip(
            self._columns, (pack << 32 | row.offset, row.stored, row.inner, row.length), strict=True
        ):
            column.append(value)

    def sums(self) -> tuple[int, int]:
        """The bytes of the chunks, each counted once, and of the frames that hold them, each counted once."""
        import pyarrow as pa
        import pyarrow.compute as pc

        types = (pa.uint64(), pa.uint32(), pa.uint32(), pa.uint32())
        columns: list[Any] = [
            pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(column)])
            for kind, column in zip(types, self._columns, strict=True)
        ]
        rows = pa.table(columns, names=["frame", "stored", "inner", "length"])
        chunks = rows.group_by(["frame", "inner", "length"], use_threads=False).aggregate([])
        frames = rows.group_by(["frame", "stored"], use_threads=False).aggregate([])
        return pc.sum(chunks.column("length")).as_py() or 0, pc.sum(frames.column("stored")).as_py() or 0
