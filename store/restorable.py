"""Which entries a restore makes: those of a part of a bundle, once each is known to have a place below a directory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamon.errors import Invalid
from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry, checked_tree
from datamon.store.external.target import decode_target
from datamon.store.manifest import Manifest, is_directory, iter_rows, part_entries, read_manifest
from datamon.store.name_filter import check_filter, matching
from datamon.store.opening import Store
from datamon.store.restore import naming
from datamon.store.worktree import Source

if TYPE_CHECKING:
    from datamon.store.rows import Rows

_KEPT_ROWS = 100_000
"""The rows of a tree of so many stay in memory between check and restore, some 100 bytes each; those of more are read twice."""


@dataclass(frozen=True, slots=True)
class RestorableTree:
    """Entries in the order of their paths, each of which can be made below a directory: how many, how many of them are no
    directories, their bytes. They may be gone through again and again, a segment in memory at a time; that raises as reading
    them does."""

    count: int
    files: int
    size_bytes: int
    _entries: Callable[[], Iterable[TreeEntry]]

    def __iter__(self) -> Iterator[TreeEntry]:
        return iter(self._entries())


def restorable_part(store: Store, bundle: Bundle, source: Source, *, directory: bool = True) -> RestorableTree:
    """A tree of the bundle, all of which is known to be restorable; without `directory` it must be a file.

    Raises NotFound (`path-not-found`), Invalid (`unsafe-path`, `unsupported-file`, `bad-path`, `bad-argument`), Corrupt naming
    the bundle.
    """
    check_filter(source.pattern)
    with naming(bundle, ""):
        manifest = read_manifest(store.metadata, source.manifest)
        if not directory and is_directory(store.metadata, manifest, source.part):
            message = f"{source.part!r} is a directory of the bundle; download it whole, or name a file in it"
            raise Invalid("bad-path", message, path=source.part)
        if not source.part and not source.pattern:
            return _whole_tree(store, manifest, bundle)
        part = part_entries(store.metadata, manifest, source.part)
        entries = list(_checked(matching(part, source.pattern)))
    size_bytes = sum(entry.size_bytes for entry in entries)
    return RestorableTree(len(entries), sum(entry.kind != "dir" for entry in entries), size_bytes, lambda: entries)


def _whole_tree(store: Store, manifest: Manifest, bundle: Bundle) -> RestorableTree:
    """All of the bundle's entries, once they were gone through."""
    kept: list[Rows] = []
    directories = {""}
    looks_right = True
    for rows in iter_rows(store.metadata, manifest):
        looks_right &= _looks_right(rows, directories)
        if manifest.entries <= _KEPT_ROWS:
            kept.append(rows)

    def entries() -> Iterator[TreeEntry]:
        with naming(bundle, ""):
            for rows in kept or iter_rows(store.metadata, manifest):
                yield from rows.entries()

    if not looks_right:
        for _ in _checked(entries()):
            pass
    return RestorableTree(manifest.entries, manifest.entries - len(directories) + 1, manifest.size_bytes, entries)


def _looks_right(rows: "Rows", directories: set[str]) -> bool:
    """Whether nothing is to be said against these rows, of a tree whose directories so far are `directories`, to which those
    among them are added. One by one they cost ten times as much."""
    paths, kinds = rows.paths(), rows.batch.column("kind").to_pylist()
    directories.update(path for path, kind in zip(paths, kinds, strict=True) if kind == "dir")
    return {*kinds} <= {"file", "dir"} and {path.rpartition("/")[0] for path in paths} <= directories


def _checked(entries: Iterable[TreeEntry]) -> Iterator[TreeEntry]:
    for entry in checked_tree(entries):
        if entry.kind == "external":
            decode_target(entry)
        if entry.kind == "symlink" and (not entry.target or "\0" in entry.target):
            message = f"the symlink {entry.path!r} has no target; upload the tree again from its source"
            raise Invalid("unsafe-path", message, path=entry.path)
        yield entry
