"""Look-ups and differences in large manifests, measured in process on a local store."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3

from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.diff import diff_bundles
from datamon.store.entries import TreeEntry
from datamon.store.ids import ContentId
from datamon.store.manifest import find_entry, read_manifest, write_manifest
from datamon.store.opening import store_on
from datamon.store.repos import create_repo

_LOOK_UPS = 21
_CHANGED = 100


@dataclass(frozen=True)
class Scale:
    """The median of a look-up and of a full difference, in seconds, among so many entries."""

    rows: int
    look_up_s: float
    diff_s: float


def measure_entries(rows: int, rounds: int = 5) -> Scale:
    """Two manifests of so many files that differ in 100 scattered ones and one directory; each look-up reads the root anew."""
    with tempfile.TemporaryDirectory() as root:
        backend = LocalBackend(Path(root))
        store = store_on(backend, backend, Author("Bench", "bench@example.org"))
        repo = create_repo(store, "large", "")
        tree = list(_tree(rows))
        step = max(1, rows // _CHANGED)
        changed = [
            _touched(one) if n % step == step // 2 or one.path.startswith("d00017/") else one
            for n, one in enumerate(tree)
        ]
        old, new = (
            commit_bundle(store, repo, CommitRequest(write_manifest(store.metadata, entries), "", None, branch="main"))
            for entries in (tree, changed)
        )
        look_ups = []
        for number in range(_LOOK_UPS):
            path = tree[(number * 7919 * 31) % len(tree)].path
            began = time.perf_counter()
            find_entry(store.metadata, read_manifest(store.metadata, new.manifest), path)
            look_ups.append(time.perf_counter() - began)
        diffs = []
        for _ in range(rounds):
            began = time.perf_counter()
            found = sum(1 for _ in diff_bundles(store, old, new))
            diffs.append(time.perf_counter() - began)
            assert found == sum(one != other for one, other in zip(tree, changed, strict=True)), found
    return Scale(rows, statistics.median(look_ups), statistics.median(diffs))


def _tree(rows: int) -> Iterator[TreeEntry]:
    for number in range(rows):
        if number % 1000 == 0:
            folder = f"d{number // 1000:05d}"
            yield TreeEntry(folder, "dir", 0, ContentId("0" * 64), None, None, False, 0o755, 0)
        path = f"{folder}/f{number:08d}.csv"
        yield TreeEntry(
            path, "file", 4096, ContentId(blake3(path.encode()).hexdigest()), None, None, False, 0o644, 10**18 + number
        )


def _touched(entry: TreeEntry) -> TreeEntry:
    return (
        entry if entry.kind == "dir" else replace(entry, content=ContentId(blake3(entry.content.encode()).hexdigest()))
    )
