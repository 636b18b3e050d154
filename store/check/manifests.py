"""The manifests of all live bundles, and through them everything that their files need."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import starmap
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from datamon.errors import Corrupt, Invalid, NotFound
from datamon.store import arrays, layout
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Bundle
from datamon.store.check.findings import NEXT_STEP, Finding, damage, told_by
from datamon.store.check.hits import Cause, Hit, Hits
from datamon.store.check.logs import Book, Ledger
from datamon.store.check.need import FileRow, Need
from datamon.store.ids import ManifestId
from datamon.store.manifest import Manifest, read_manifest
from datamon.store.named import plain_key
from datamon.store.opening import Store
from datamon.store.overlap import overlapped
from datamon.store.progress import Progress
from datamon.store.roots import SegmentRow
from datamon.store.segments import Held, read_held, read_stats

_FILE = arrays.value("file", pa.string())

T = TypeVar("T")


@dataclass
class Library:
    """The manifests' stored parts: `names` has for each plain key the keys that lie there, incarnations too; `needed` are the
    plain keys that live bundles need."""

    names: dict[str, list[str]] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)


def list_manifests(metadata: Backend) -> Library:
    """What is there, by three listings. In memory: 200 bytes for each key."""
    library = Library()
    for prefix in (layout.MANIFESTS, layout.SEGMENTS, layout.STATS):
        for stored in metadata.list(prefix):
            library.names.setdefault(plain_key(stored.key), []).append(stored.key)
    return library


def examine_manifests(store: Store, ledger: Ledger, library: Library, need: Need, progress: Progress) -> Hits:
    """Every live bundle's root, segments and stats have the ids that they are named by, and every chunk of its files has a place
    that it can be read from. Parts that bundles share are read once. Gives what is hit."""
    hits = Hits()
    walk = _Walk(store.metadata, library, ledger.condemned, need, hits)
    progress.begin("check files", sum(bundle.entries for _, bundle in ledger.live), None)
    for book, bundle in ledger.live:
        met = walk.bundle(bundle, progress)
        if met and not _is_deleted(store, book, bundle):
            for hit in met:
                hits.add(hit, book.name, bundle)
    progress.end()
    return hits


def _is_deleted(store: Store, book: Book, bundle: Bundle) -> bool:
    """Whether it was deleted since the check began, and gc may have come by."""
    if book.repo is None or not book.whole:
        return False
    try:
        return bundle.id not in {one.id for one in store.logs.repo(book.repo).live()}
    except Corrupt:
        return False


@dataclass
class _Walk:
    metadata: Backend
    library: Library
    condemned: frozenset[str]
    need: Need
    hits: Hits
    good_roots: set[ManifestId] = field(default_factory=set)
    good_segments: set[tuple[str, str]] = field(default_factory=set)
    bad_segments: dict[tuple[str, str], list[Hit]] = field(default_factory=dict)

    def bundle(self, bundle: Bundle, progress: Progress) -> list[Hit]:
        """What of the bundle cannot be restored."""
        if bundle.manifest in self.good_roots:
            progress.advance(bundle.entries, 0)
            return []
        key = layout.manifest(bundle.manifest)
        root = self._part(key, lambda metadata: read_manifest(metadata, bundle.manifest))
        self._tell(root)
        if root.value is None:
            return [Hit(None, root.cause, f"its manifest {key} is lost")]
        if not _agree(bundle, root.value):
            why = "its log entry says other ids or sums than its manifest"
            return [Hit(None, Cause(damage("bad-record", f"{why}; please report it", key)), why)]
        met = list(self._segments(root.value, progress))
        if not met:
            self.good_roots.add(bundle.manifest)
        return met

    def _segments(self, manifest: Manifest, progress: Progress) -> Iterator[Hit]:
        fresh = [
            row for row in manifest.segments if (row.id, row.stat) not in self.good_segments | self.bad_segments.keys()
        ]
        for row, held, stats in overlapped(self.metadata, self._read, fresh):
            met = list(self._hits_in(row, held, stats))
            if met:
                self.bad_segments[row.id, row.stat] = met
            else:
                self.good_segments.add((row.id, row.stat))
        for row in manifest.segments:
            progress.advance(row.rows, 0)
            yield from self.bad_segments.get((row.id, row.stat), ())

    def _read(self, row: SegmentRow) -> "tuple[SegmentRow, _Part[Held], _Part[object]]":
        """Runs in threads."""
        held = self._part(layout.segment(row.id), lambda metadata: read_held(metadata, row))
        stats: _Part[object] = self._part(layout.stat_segment(row.stat), lambda metadata: read_stats(metadata, row))
        return row, held, stats

    def _hits_in(self, row: SegmentRow, held: "_Part[Held]", stats: "_Part[object]") -> Iterator[Hit]:
        stretch = f"{row.rows:,} entries from {row.first!r} to {row.last!r}"
        self._tell(held)
        self._tell(stats)
        if stats.value is None:
            yield Hit(None, stats.cause, f"the modes and times of {stretch} are lost")
        if held.value is None:
            yield Hit(None, held.cause, f"{stretch} are lost")
            return
        for file in _files(held.value):
            hit = self.need.hit_of(file)
            if hit is not None:
                yield hit

    def _part(self, key: str, decode: Callable[[Backend], T]) -> "_Part[T]":
        """What lies under the key and every incarnation of it. Of condemned ones one is enough."""
        part: _Part[T] = _Part(key)
        self.library.needed.add(key)
        for name in sorted(self.library.names.get(key, ()), key=lambda name: (name in self.condemned, name)):
            if name in self.condemned and part.value is not None:
                break
            alone = MemoryBackend()
            try:
                alone.put(key, self.metadata.get(name))
                part.value = decode(alone)
            except NotFound:
                continue
            except (Corrupt, Invalid) as error:
                if error.code == "newer-format":
                    raise
                part.faults.append(told_by(error, name))
        return part

    def _tell(self, part: "_Part[T]") -> None:
        for fault in part.faults:
            self.hits.add_cause(fault)


@dataclass
class _Part(Generic[T]):
    """What lies under a key: what it comes to, if anything, and what is wrong under which name."""

    key: str
    value: T | None = None
    faults: list[Finding] = field(default_factory=list)

    @property
    def cause(self) -> Cause:
        """Why there is no value."""
        missing = f"{self.key} is gone from the metadata; {NEXT_STEP}"
        return Cause(self.faults[0] if self.faults else damage("missing-bytes", missing, self.key))


def _agree(bundle: Bundle, manifest: Manifest) -> bool:
    return (manifest.content, manifest.entries, manifest.size_bytes) == (
        bundle.content,
        bundle.entries,
        bundle.size_bytes,
    )


def _files(held: Held) -> Iterator[FileRow]:
    files = held.batch.filter(pc.equal(held.batch.column("kind"), _FILE))
    columns = (files.column(name).to_pylist() for name in ("path", "size", "content", "recipe"))
    return starmap(FileRow, zip(*columns, strict=True))
