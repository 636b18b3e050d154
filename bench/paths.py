"""What reading through a path costs, against reading the same file where it lies: bytes fetched, and time.

    python bench/paths.py --rounds 5
    python bench/paths.py --share 0.02        # a quick look, a fiftieth of the bytes

One column of a Parquet file of 1 GB by pandas, through `datamon://` and from the disk; all of the file; the first and the last
byte of a file of 100 GB (whose list of chunks is real, and whose chunks are one and the same). Prints medians, limits and load.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from datamon.store.backend import Span
from datamon.store.backend.caching import CachingBackend, DiskCache
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.chunk_store import ChunkStore
from datamon.store.columns import TreeColumns
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.entries import TreeEntry
from datamon.store.ids import ContentId
from datamon.store.layout import never_changes
from datamon.store.manifest import write_columns
from datamon.store.opening import Store, store_on
from datamon.store.paths.filesystem import StoreFileSystem, register
from datamon.store.paths.paths import Paths
from datamon.store.paths.surroundings import Alone
from datamon.store.recipes import RecipeRow, RecipeWriter
from datamon.store.repos import create_repo, find_repo
from datamon.store.serving.decoded_chunks import DecodedChunks
from datamon.store.serving.served_tree import ServedTree
from datamon.store.testing.counting import CountingBackend
from datamon.store.upload import UploadRequest, upload

ROWS, COLUMNS = 10_400_000, 12
HUGE_BYTES, CHUNK_BYTES = 100 * 10**9, 65_536


class CountingFile:
    """A file of the disk, with how many bytes were read of it."""

    def __init__(self, place: Path) -> None:
        self._file = open(place, "rb", buffering=0)  # noqa: SIM115 (the bench ends soon)
        self.read_bytes = 0

    def read(self, length: int = -1) -> bytes:
        content = self._file.read(length)
        self.read_bytes += len(content)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class CountingLocal(LocalBackend):
    """A directory as a backend, with how many bytes were read of it: near, as the directory is."""

    got_bytes = 0

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        content = super().get(key, span)
        self.got_bytes += len(content)
        return content


class Files(StoreFileSystem):
    """The file system of one store of the bench."""

    cachable = False
    opened: Paths

    @property
    def paths(self) -> Paths:
        """See `StoreFileSystem`."""
        return type(self).opened


def made_table(place: Path, share: float) -> None:
    """A Parquet file of so much of 1 GB, of numbers that do not compress."""
    numbers = np.random.default_rng(7)
    schema = pa.schema([(f"c{number}", pa.float64()) for number in range(COLUMNS)])
    rows = int(ROWS * share)
    with pq.ParquetWriter(place, schema) as writer:
        for begin in range(0, rows, 1_000_000):
            count = min(1_000_000, rows - begin)
            writer.write_table(pa.table([numbers.random(count) for _ in range(COLUMNS)], schema=schema))


def opened(metadata: Any, blob: Any, state: Path | None = None) -> Store:
    """The store as a process that begins would open it."""
    return store_on(metadata, blob, Author("bench", "bench@example.org"), state_dir=state)


def column_of(source: Any) -> float:
    """Seconds that pandas takes for one column."""
    began = time.perf_counter()
    frame = pd.read_parquet(source, columns=["c5"])
    took = time.perf_counter() - began
    assert len(frame.columns) == 1
    return took


def all_of(read: Callable[[int, int], bytes], size: int) -> float:
    """Seconds for a sequence of reads of 1 MiB."""
    began = time.perf_counter()
    got = sum(len(read(offset, 2**20)) for offset in range(0, size, 2**20))
    assert got == size
    return time.perf_counter() - began


def measure_table(top: Path, share: float, rounds: int) -> None:
    """Prints what one column and all of the table cost."""
    tree = top / "tree"
    tree.mkdir()
    place = tree / "t.parquet"
    made_table(place, share)
    metadata = LocalBackend(top / "metadata")
    store = opened(metadata, LocalBackend(top / "blob"), top / "state")
    create_repo(store, "raw", "for the bench")
    upload(store, UploadRequest("raw", tree, "a table"), processes=2)
    register(Files)
    local = CountingFile(place)
    local_s = [column_of(CountingFile(place)) for _ in range(rounds)]
    column_of(local)
    print(
        f"file of {place.stat().st_size / 1e6:,.0f} MB; one column from the disk: {local.read_bytes / 1e6:.1f} MB, "
        f"{statistics.median(local_s):.2f} s"
    )
    kinds: dict[str, Callable[[], Any]] = {
        "near": lambda: CountingLocal(top / "blob"),
        "far": lambda: CountingBackend(LocalBackend(top / "blob")),
    }
    for name, make in kinds.items():
        took, fetched = [], 0
        for _ in range(rounds):
            blob = make()
            Files.opened = Paths(opened(metadata, blob, top / "state"), Alone())
            took.append(column_of("datamon://raw/t.parquet"))
            fetched = blob.got_bytes
            Files.opened.decoded.close()
        ratio = fetched / local.read_bytes
        print(
            f"one column by path, {name}: {fetched / 1e6:.1f} MB, {ratio:.3f} x the disk's bytes (limit 1.5), "
            f"{statistics.median(took):.2f} s"
        )
    for turn in ("first", "again"):
        counted = CountingBackend(LocalBackend(top / "blob"))
        cached = CachingBackend(counted, DiskCache(top / "cache", 4 * 2**30, never_changes))
        Files.opened = Paths(opened(metadata, cached, top / "state"), Alone())
        took_s = column_of("datamon://raw/t.parquet")
        Files.opened.decoded.close()
        print(
            f"one column by path, far, with the cache on disk, {turn}: {counted.got_bytes / 1e6:.1f} MB, {took_s:.2f} s"
        )
    cold, warm = [], []
    for _ in range(rounds):
        store = opened(metadata, LocalBackend(top / "blob"), top / "state")
        with DecodedChunks(store.chunks, 2 * 2**30) as decoded:
            file = Paths(store, Alone(), decoded).tree(_reference()).open("t.parquet")
            cold.append(file.size / 1e9 / all_of(file.read, file.size))
            warm.append(file.size / 1e9 / all_of(file.read, file.size))
    with open(place, "rb", buffering=0) as plain:
        disk_s = all_of(lambda _, length: plain.read(length), place.stat().st_size)
    print(
        f"all of it in sequence: {statistics.median(cold):.2f} GB/s, held in memory {statistics.median(warm):.2f} GB/s, "
        f"the disk's own {place.stat().st_size / 1e9 / disk_s:.2f} GB/s"
    )


def _reference() -> Any:
    from datamon.store.resolve import Reference

    return Reference("raw", None, "")


def measure_first_byte(top: Path, share: float, rounds: int) -> None:
    """Prints how long the first, the last and a middle byte of a huge file take after its bundle was opened."""
    store = opened(LocalBackend(top / "huge"), LocalBackend(top / "huge"))
    create_repo(store, "raw", "for the bench")
    content = os.urandom(CHUNK_BYTES)
    count = int(HUGE_BYTES * share) // CHUNK_BYTES
    with store.chunks.session() as session:
        row = RecipeRow(session.put_bytes(content), CHUNK_BYTES)
        writer = RecipeWriter(lambda piece: RecipeRow(session.put_bytes(piece), len(piece)))
        for _ in range(count):
            writer.add(row.chunk, row.length)
        recipe = writer.finish()
    size = count * CHUNK_BYTES
    entry = TreeEntry("huge.bin", "file", size, ContentId("1" * 64), None, recipe, False, 0o644, 0)
    manifest = write_columns(store.metadata, TreeColumns.of([entry]))
    bundle = commit_bundle(
        store, find_repo(store, "raw"), CommitRequest(manifest, "huge", session.id, branch="main", reused=frozenset())
    )
    took: dict[str, list[float]] = {"open": [], "first": [], "last": [], "middle": []}
    for _ in range(rounds):
        chunks = ChunkStore(store.blob, clock=store.clock)
        with DecodedChunks(chunks) as decoded:
            began = time.perf_counter()
            file = ServedTree(store, bundle, decoded).open("huge.bin")
            took["open"].append(time.perf_counter() - began)
            for name, offset in (("first", 0), ("last", size - 1), ("middle", size // 2)):
                began = time.perf_counter()
                assert file.read(offset, 1)[0] == content[offset % CHUNK_BYTES]
                took[name].append(time.perf_counter() - began)
    shown = ", ".join(f"{name} {1000 * statistics.median(each):.1f} ms" for name, each in took.items())
    print(f"a file of {size / 1e9:,.0f} GB, {count:,} chunks: {shown} (limit for the first byte after open: 100 ms)")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--root", type=Path, default=None)
    given = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=given.root) as top:
        measure_table(Path(top), given.share, given.rounds)
        measure_first_byte(Path(top), given.share, given.rounds)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
