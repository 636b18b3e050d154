"""What differs between two bundles, or between a bundle and a directory. Content counts; modes and times do not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datamon.store.bundle import Bundle
from datamon.store.entries import Holding, TreeEntry, as_file, paired, same_content
from datamon.store.manifest import Manifest, iter_entries, read_manifest
from datamon.store.opening import Store
from datamon.store.restore import naming
from datamon.store.walk import observe, open_tree, scan_to_keep


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs: what it was, and what it is."""

    path: str
    change: Literal["added", "deleted", "changed"]
    old: Holding | None
    new: Holding | None


def diff_bundles(store: Store, old: Bundle, new: Bundle) -> Iterator[Change]:
    """What `new` has otherwise than `old`, in the order of paths. Segments that both have are not read, and of the others two at
    a time.

    Raises Corrupt, naming the bundle that cannot be read.
    """
    from datamon.store.differing import Side, differing  # brings pyarrow, which bundles that are the same do not need

    was, now = _read_root(store, old), _read_root(store, new)
    shared = {row.content for row in was.segments} & {row.content for row in now.segments}

    def side(bundle: Bundle, manifest: Manifest) -> Side:
        wanted = tuple(row for row in manifest.segments if row.content not in shared)
        return Side(store.metadata, wanted, lambda: naming(bundle, ""))

    for olds, news in differing(side(old, was), side(new, now)):
        yield from _changes(olds, news)


def diff_directory(store: Store, bundle: Bundle, directory: Path) -> Iterator[Change]:
    """What the bundle that an upload of `directory` would make has otherwise than `bundle`, in the order of paths. Every file is
    read and hashed.

    Raises NotFound (`path-not-found`), Denied (`unreadable`), Invalid as an upload does, Corrupt naming the bundle.
    """
    manifest = _read_root(store, bundle)
    with open_tree(directory) as tree:
        here = (observe(tree, found, store.hashing) for found in scan_to_keep(tree))
        yield from _changes(map(as_file, _entries(store, bundle, manifest)), here)


def _read_root(store: Store, bundle: Bundle) -> Manifest:
    with naming(bundle, ""):
        return read_manifest(store.metadata, bundle.manifest)


def _entries(store: Store, bundle: Bundle, manifest: Manifest) -> Iterator[TreeEntry]:
    with naming(bundle, ""):
        yield from iter_entries(store.metadata, manifest)


def _changes(olds: Iterable[Holding], news: Iterable[Holding]) -> Iterator[Change]:
    for old, new in paired(olds, news):
        if old is None and new is not None:
            yield Change(new.path, "added", None, new)
        elif new is None and old is not None:
            yield Change(old.path, "deleted", old, None)
        elif old is not None and new is not None and not same_content(old, new):
            yield Change(new.path, "changed", old, new)
