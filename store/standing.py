"""Whether what an upload remembers of a tree is still in the store, where nothing is about to take it away."""

from dataclasses import replace

from datamon.errors import Corrupt, Invalid
from datamon.store import layout
from datamon.store.backend import Settling
from datamon.store.ids import ChunkId
from datamon.store.named import keys_of, usable_key
from datamon.store.opening import Store
from datamon.store.roots import Manifest
from datamon.store.stat_cache import Remembered


def standing(store: Store, known: Remembered, condemned: frozenset[str]) -> Remembered | None:
    """What is remembered, with the packs that hold its chunks now; None when a chunk is gone, or only in what is `condemned`.

    One listing of packs as long as none is missing or condemned; after that (a gc has packed them anew) every chunk is looked up.
    """
    if not known.packs:
        return known
    present = {stored.key.rpartition("/")[2] for stored in store.blob.list(layout.PACKS)}
    if known.packs <= present - condemned:
        return known
    packs = _packs_now(store, known.manifest, condemned)
    return None if packs is None else replace(known, packs=packs)


def manifest_stands(store: Store, manifest: Manifest, condemned: frozenset[str]) -> bool:
    """Whether the manifest can be read from what is not condemned. One question about its root, which was put last; of its
    segments only those are asked for that are condemned."""
    doubtful = {layout.manifest(manifest.id)}
    if condemned:
        doubtful |= condemned.intersection(keys_of(manifest))
    return all(usable_key(store.metadata, key, condemned) is not None for key in doubtful)


def _packs_now(store: Store, manifest: Manifest, condemned: frozenset[str]) -> frozenset[str] | None:
    # Imported at first use: it brings pyarrow, which a tree that stands where it stood does not need.
    from datamon.store.reach import Reach

    store.chunks.packs_absent()
    packs: set[str] = set()
    try:
        for ids in Reach(store.metadata, store.chunks.get).walk(manifest):
            for chunk in ids.to_pylist():
                place = store.chunks.locate(ChunkId(chunk), condemned)
                if place is None:
                    return None
                packs.add(place.pack)
    except (Corrupt, Invalid):
        return None
    if isinstance(store.blob, Settling):
        store.blob.settle(layout.index(store.id))  # the segments that answered, whoever put them
    return frozenset(packs)
