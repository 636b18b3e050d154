"""Mark: everything that the kept bundles reach."""

from contextlib import suppress

from datamon.errors import Corrupt
from datamon.store.bundle import Bundle
from datamon.store.gc.chunk_set import ChunkSet
from datamon.store.gc.keeping import Keeping
from datamon.store.ids import ManifestId
from datamon.store.manifest import read_manifest
from datamon.store.opening import Store
from datamon.store.progress import Progress
from datamon.store.reach import Reach


class Marks:
    """What live bundles reach (`live_chunks`, `live_keys`), and what those do together with the spared ones (`chunks`, `keys`).

    Only grows: what was marked once is kept by this collection, also when the bundle is deleted meanwhile.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live_reach = Reach(store.metadata, store.chunks.get)
        self._spared_reach = Reach(store.metadata, store.chunks.get)
        self._walked: set[ManifestId] = set()
        self._walked_spared: set[ManifestId] = set()
        self.live_chunks = ChunkSet()
        self._spared_chunks = ChunkSet()

    @property
    def chunks(self) -> ChunkSet:
        """Chunks that must stay."""
        return self.live_chunks.union(self._spared_chunks)

    @property
    def live_keys(self) -> frozenset[str]:
        """Plain keys of the metadata backend that live bundles need."""
        return frozenset(self._live_reach.keys)

    @property
    def keys(self) -> frozenset[str]:
        """Plain keys of the metadata backend that must stay."""
        return frozenset(self._live_reach.keys | self._spared_reach.keys)

    def add(self, keeping: Keeping, progress: Progress) -> None:
        """Marks what these bundles reach and was not marked before.

        Raises Corrupt, naming the bundle, when something that a live one needs cannot be read; Unavailable.
        """
        live = [bundle for bundle in keeping.live if bundle.manifest not in self._walked]
        spared = [each.bundle for each in keeping.spared if each.bundle.manifest not in self._walked_spared]
        progress.begin("mark", len(live) + len(spared), None)
        for bundle in live:
            self._mark(bundle)
            progress.advance(1, 0)
        for bundle in spared:
            # What is gone of a bundle that someone deleted is nobody's loss: the grace is a courtesy.
            with suppress(Corrupt):
                self._walk(bundle.manifest, self._spared_reach, self._spared_chunks)
            self._walked_spared.add(bundle.manifest)
            progress.advance(1, 0)
        progress.end()

    def _mark(self, bundle: Bundle) -> None:
        if bundle.manifest in self._walked:
            return
        try:
            self._walk(bundle.manifest, self._live_reach, self.live_chunks)
        except Corrupt as error:
            raise Corrupt(
                error.code,
                f"the bundle {bundle.id} cannot be read ({error.message}); nothing was collected: run `datamon check`",
                **{**error.facts, "bundle": bundle.id},
            ) from error
        self._walked.add(bundle.manifest)

    def _walk(self, manifest: ManifestId, reach: Reach, chunks: ChunkSet) -> None:
        for ids in reach.walk(read_manifest(self._store.metadata, manifest)):
            chunks.add(ids)
