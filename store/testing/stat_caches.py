"""Putting trees again and again, and how much of them is read, for tests of the stat cache."""

from pathlib import Path

import pytest

from datamon.store.entries import TreeEntry
from datamon.store.file_times import trusted_time_ns
from datamon.store.manifest import iter_entries
from datamon.store.opening import Store, memory_store
from datamon.store.put_tree import CacheUse, TreeSource, put_tree
from datamon.store.testing.file_clock import next_tick
from datamon.store.walk import open_tree

OLD_NS = 1_600_000_000 * 10**9


def made_settled(path: Path) -> Path:
    """An empty directory, made here, whose files' times prove something; elsewhere such tests could show nothing."""
    path.mkdir()
    with open_tree(path) as tree:
        if not trusted_time_ns(tree):
            pytest.skip("NOT TESTED: times prove nothing on this file system; give pytest another by --basetemp")
    return path


def on_disk(store: Store, state: Path) -> Store:
    """The same store with this directory for what belongs to this machine."""
    store.state_dir = state
    return store


class Reading:
    """A listener that counts the files and bytes that are read."""

    def __init__(self) -> None:
        self.files = 0
        self.size_bytes = 0

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """Nothing to note: what is read will be told."""

    def advance(self, files: int, size_bytes: int) -> None:
        """Notes it."""
        self.files += files
        self.size_bytes += size_bytes

    def end(self) -> None:
        """Nothing to note."""


def put(store: Store, root: Path, cache: CacheUse = "use") -> tuple[int, dict[str, TreeEntry]]:
    """Puts the tree once the clock has moved on; how many files were read, and the entries, which are those of a tree put
    without a cache."""
    next_tick(root)
    reading = Reading()
    manifest = put_tree(store, TreeSource(root, cache), progress=reading).manifest
    assert manifest == put_tree(memory_store(), TreeSource(root)).manifest
    return reading.files, {entry.path: entry for entry in iter_entries(store.metadata, manifest)}
