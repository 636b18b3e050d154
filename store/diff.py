"""What differs between two bundles, or between a bundle and a directory. Content counts; modes and times do not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry, paired, same_content
from datamon.store.ids import ContentId
from datamon.store.manifest import Manifest, iter_entries, read_manifest
from datamon.store.opening import Store
from datamon.store.restore import naming
from datamon.store.walk import observe, open_tree, scan_to_keep


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs: what it was, and what it is."""

    path: str
    change: Literal["added", "deleted", "changed"]
    old: TreeEntry | None
    new: TreeEntry | None


def diff_bundles(store: Store, old: Bundle, new: Bundle) -> Iterator[Change]:
    """What `new` has otherwise than `old`, in the order of paths. Segments that both have are not read.

    Raises Corrupt, naming the bundle that cannot be read.
    """
    with naming(old, ""):
        was = read_manifest(store.metadata, old.manifest)
    with naming(new, ""):
        now = read_manifest(store.metadata, new.manifest)
    shared = {row.content for row in was.segments} & {row.content for row in now.segments}
    return _changes(_entries(store, old, was, shared), _entries(store, new, now, shared))


def diff_directory(store: Store, bundle: Bundle, directory: Path) -> Iterator[Change]:
    """What the bundle that an upload of `directory` would make has otherwise than `bundle`, in the order of paths. Every file is
    read and hashed.

    Raises NotFound (`path-not-found`), Denied (`unreadable`), Invalid as an upload does, Corrupt naming the bundle.
    """
    with naming(bundle, ""):
        manifest = read_manifest(store.metadata, bundle.manifest)
    with open_tree(directory) as tree:
        here = (observe(tree, found) for found in scan_to_keep(tree))
        yield from _changes(_entries(store, bundle, manifest, set()), here)


def _entries(store: Store, bundle: Bundle, manifest: Manifest, without: set[ContentId]) -> Iterator[TreeEntry]:
    wanted = tuple(row for row in manifest.segments if row.content not in without)
    with naming(bundle, ""):
        yield from iter_entries(store.metadata, replace(manifest, segments=wanted))


def _changes(olds: Iterable[TreeEntry], news: Iterable[TreeEntry]) -> Iterator[Change]:
    for old, new in paired(olds, news):
        if old is None and new is not None:
            yield Change(new.path, "added", None, new)
        elif new is None and old is not None:
            yield Change(old.path, "deleted", old, None)
        elif old is not None and new is not None and not same_content(old, new):
            yield Change(new.path, "changed", old, new)
