"""Which bundles' bytes are gone."""

from collections.abc import Collection, Iterable

from datamon.errors import Corrupt, NotFound
from datamon.store.ids import ChunkId, ManifestId
from datamon.store.manifest import TreeEntry, iter_entries, read_manifest
from datamon.store.opening import Store
from datamon.store.recipes import RecipeRow, recipe_rows


def without_bytes(store: Store, manifests: Iterable[str]) -> frozenset[str]:
    """Those of these manifests whose files cannot all be read, because a pack or a manifest's own segment is not there.

    Costs one listing of the packs; manifests are read only when a pack is absent. Bytes are not read: damage inside a pack
    does not show.
    """
    chunks = store.chunks
    absent = chunks.packs_absent()
    if not absent:
        return frozenset()
    gone = frozenset(chunk for chunk in chunks.chunks_in(absent) if not chunks.has(chunk))
    return frozenset(each for each in manifests if _lacks(store, ManifestId(each), gone))


def _lacks(store: Store, manifest: ManifestId, gone: Collection[ChunkId]) -> bool:
    try:
        entries = iter_entries(store.metadata, read_manifest(store.metadata, manifest))
        return any(chunk in gone for entry in entries for chunk in _chunks(store, entry))
    except (Corrupt, NotFound):
        return True


def _chunks(store: Store, entry: TreeEntry) -> Iterable[ChunkId]:
    """The chunks of a file. Raises Corrupt when the list of them is gone itself."""
    if entry.kind != "file" or not entry.size_bytes:
        return ()
    if entry.recipe is None:
        return (ChunkId(bytes.fromhex(entry.content)),)

    def listed(row: RecipeRow) -> bytes:
        return store.chunks.get(row.chunk)

    return (row.chunk for row in recipe_rows(entry.recipe, listed))
