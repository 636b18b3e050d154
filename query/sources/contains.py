"""WHAT CONTAINS: the bundles that hold a content, or by shared chunks most of it. No data is read, only manifests and recipes."""

import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from datamon.errors import Corrupt, NotFound
from datamon.query.asking import Asking, Row, Rows, World
from datamon.query.language.faults import fault
from datamon.query.language.statement import Contains
from datamon.query.sources.closure import ROW_CAP
from datamon.query.sources.deleted import note_deleted
from datamon.query.values import text_of
from datamon.store.chunk_store import file_rows
from datamon.store.entries import TreeEntry
from datamon.store.ids import HASH_BYTES, ChunkId, ContentId, ManifestId
from datamon.store.manifest import SegmentRow, find_entry, iter_entries, read_manifest
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Store

if TYPE_CHECKING:
    import pyarrow

COLUMNS = (
    ("repo", "VARCHAR"),
    ("bundle", "VARCHAR"),
    ("ref", "VARCHAR"),
    ("path", "VARCHAR"),
    ("content", "VARCHAR"),
    ("size", "BIGINT"),
    ("shared_bytes", "BIGINT"),
    ("share", "DOUBLE"),
    ("how", "VARCHAR"),
    ("run", "VARCHAR"),
)
MOST_OF = 0.5
"""Of what is asked for, so much has to be in a file or bundle."""
_HASH = re.compile(r"[0-9a-f]{64}")
_FILES = ("file", "external")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for: `chunks` with how many bytes of it each makes up, and the chunks of each of its `files` by content. A
    file with the content `content` is the very same, and with `whole` a bundle."""

    chunks: dict[ChunkId, int]
    files: dict[ContentId, frozenset[ChunkId]]
    content: str
    whole: bool = False

    @property
    def bytes(self) -> int:
        """The size of it."""
        return sum(self.chunks.values())

    def is_most(self, found: int) -> bool:
        """Whether so many bytes of it are most of it."""
        return found > 0 and found >= self.bytes * MOST_OF


class Hit(NamedTuple):
    """A file that holds some of it."""

    path: str
    content: str
    size_bytes: int
    chunks: frozenset[ChunkId]


class _Bundle(NamedTuple):
    id: str
    repo: str
    content: str
    manifest: str
    bytes: int
    run: str | None
    deleted: bool


def rows_of_contains(asking: Asking, world: World, source: Contains) -> Rows:
    """The rows of WHAT CONTAINS, those that hold most of it first. Raises errors that point at the reference."""
    bundles = _bundles(world.connection, source)
    asked = _asked(asking, world, source, bundles)
    search = _Search(world.store, asked)
    refs = _refs(world.connection)
    found: list[tuple[float, Row]] = []
    gone, deleted = 0, []
    for bundle in bundles:
        try:
            hits = search.hits(bundle.manifest)
        except (Corrupt, NotFound):
            if not bundle.deleted:
                raise
            gone += 1
            continue
        rows = list(_rows(asked, bundle, refs.get((bundle.repo, bundle.id)), hits))
        found += rows
        deleted += [bundle.id] if bundle.deleted and rows else []
    found.sort(key=lambda each: -each[0])
    if gone:
        asking.note(f"what {gone:,} deleted bundle{'' if gone == 1 else 's'} held is gone and was not searched")
    if len(found) > ROW_CAP:
        asking.note(f"only the first {ROW_CAP:,} rows are shown")
    note_deleted(asking, world.connection, deleted, shown=True)
    return Rows(COLUMNS, [row for _, row in found[:ROW_CAP]], len(found) > ROW_CAP)


def _rows(asked: Asked, bundle: _Bundle, ref: str | None, hits: list[Hit]) -> Iterator[tuple[float, Row]]:
    """A row for each file of a bundle that holds most of it; for a bundle that is asked for one of all its files together."""
    if asked.whole:
        chunks = frozenset[ChunkId]().union(*(hit.chunks for hit in hits))
        hits = [Hit("", bundle.content, bundle.bytes, chunks)]
    for hit in hits:
        shared = sum(asked.chunks[chunk] for chunk in hit.chunks)
        same = hit.content == asked.content
        if same or asked.is_most(shared):
            share = 1.0 if same or not asked.bytes else shared / asked.bytes
            how = "same" if same else "part"
            row = (bundle.repo, bundle.id, ref, hit.path, hit.content, hit.size_bytes, shared, share, how, bundle.run)
            yield share + same, row


def _asked(asking: Asking, world: World, source: Contains, bundles: list[_Bundle]) -> Asked:
    store = world.store
    if source.ref.form == "hash":
        return _of_hash(asking, store, source, bundles)
    target = asking.target(source.ref)
    manifest = next((each.manifest for each in bundles if each.id == target.id), None)
    if manifest is None:
        rows = world.connection.execute("SELECT manifest FROM with_system.bundles WHERE id = ?", [target.id]).fetchall()
        manifest = str(rows[0][0])
    root = read_manifest(store.metadata, ManifestId(manifest))
    if target.path and (entry := find_entry(store.metadata, root, target.path)).kind != "dir":
        return _made_of(store, [entry], entry.content)
    entries = iter_entries(store.metadata, root, target.path)
    return _made_of(store, entries, "" if target.path else target.content, whole=True)


def _of_hash(asking: Asking, store: Store, source: Contains, bundles: list[_Bundle]) -> Asked:
    """The content of a bundle, of a file, or a chunk: whichever has this hash."""
    typed = text_of(asking.text, source.ref.value, asking.params).strip().lower()
    if not _HASH.fullmatch(typed):
        raise fault(asking.text, source.ref.span, "expected a hash of 64 hexadecimal digits", code="bad-reference")
    for bundle in bundles:
        if bundle.content == typed and not bundle.deleted:
            entries = iter_entries(store.metadata, read_manifest(store.metadata, ManifestId(bundle.manifest)))
            return _made_of(store, entries, typed, whole=True)
    chunk = ChunkId(bytes.fromhex(typed))
    search = _Search(store, Asked({chunk: 1}, {ContentId(typed): frozenset([chunk])}, typed))
    for bundle in bundles:
        with suppress(Corrupt, NotFound) if bundle.deleted else nullcontext():
            hit = next((hit for hit in search.hits(bundle.manifest) if hit.content == typed), None)
            if hit is not None:
                root = read_manifest(store.metadata, ManifestId(bundle.manifest))
                return _made_of(store, [find_entry(store.metadata, root, hit.path)], typed)
    return Asked({chunk: search.lengths.get(chunk, 1)}, {}, typed)


def _made_of(store: Store, entries: Iterable[TreeEntry], content: str, *, whole: bool = False) -> Asked:
    """These files, looked for together."""
    chunks: dict[ChunkId, int] = {}
    files: dict[ContentId, frozenset[ChunkId]] = {}
    for entry in entries:
        if entry.kind in _FILES:
            rows = list(file_rows(store.chunks, entry.content, entry.size_bytes, entry.recipe))
            files[entry.content] = frozenset(row.chunk for row in rows)
            for row in rows:
                chunks[row.chunk] = chunks.get(row.chunk, 0) + row.length
    return Asked(chunks, files, content, whole)


def _together(hits: list[Hit]) -> Hit:
    """What all of these files hold: for a bundle that is asked for no more is needed of a segment."""
    return Hit("", "", sum(hit.size_bytes for hit in hits), frozenset().union(*(hit.chunks for hit in hits)))


class _Search:
    """Looks through manifests, each segment and each recipe once."""

    def __init__(self, store: Store, asked: Asked) -> None:
        self._store = store
        self._asked = asked
        self._segments: dict[str, list[Hit]] = {}
        self._recipes: dict[bytes, frozenset[ChunkId]] = {}
        self._wanted: pyarrow.Array | None = None
        self.lengths: dict[ChunkId, int] = {}
        """How many bytes the chunks that were found have."""

    def hits(self, manifest: str) -> list[Hit]:
        """The files of a manifest that hold some of it, by path. Raises Corrupt, NotFound."""
        root = read_manifest(self._store.metadata, ManifestId(manifest))
        return [hit for row in root.segments for hit in self._hits(row)]

    def _hits(self, row: SegmentRow) -> list[Hit]:
        if row.id not in self._segments:
            columns = (column.to_pylist() for column in self._candidates(row).columns)
            hits = [
                Hit(path, content.hex(), size, chunks)
                for path, kind, size, content, recipe in zip(*columns, strict=True)
                if kind in _FILES and (chunks := self._shared(content, size, recipe)) is not None
            ]
            self._segments[row.id] = [_together(hits)] if self._asked.whole and hits else hits
        return self._segments[row.id]

    def _candidates(self, row: SegmentRow) -> "pyarrow.RecordBatch":
        """The rows of a segment that can hold some of it: those with a recipe, and those of a content that is looked for."""
        import pyarrow as pa  # only questions about contents come here
        import pyarrow.compute as pc

        from datamon.store import arrays
        from datamon.store.segments import read_held

        if self._wanted is None:
            contents = {*self._asked.chunks, *(bytes.fromhex(content) for content in self._asked.files)}
            self._wanted = arrays.of(sorted(contents), pa.binary(HASH_BYTES))
        rows = read_held(self._store.metadata, row).batch.select(["path", "kind", "size", "content", "recipe"])
        return rows.filter(
            pc.or_(pc.is_valid(rows.column("recipe")), pc.is_in(rows.column("content"), value_set=self._wanted))
        )

    def _shared(self, content: bytes, size_bytes: int, recipe: bytes | None) -> frozenset[ChunkId] | None:
        """The chunks that are looked for and that a file has; None when it has none and is not the same."""
        own = self._asked.files.get(ContentId(content.hex()))
        if own is not None:
            self.lengths.setdefault(ChunkId(content), size_bytes)
            return own
        if recipe is None:
            chunk = ChunkId(content)
            return frozenset([chunk]) if size_bytes and chunk in self._asked.chunks else None
        if not self._asked.whole and size_bytes < self._asked.bytes * MOST_OF:
            return None
        if recipe not in self._recipes:
            rows = list(file_rows(self._store.chunks, ContentId(content.hex()), size_bytes, recipe))
            found = frozenset(row.chunk for row in rows if row.chunk in self._asked.chunks)
            self.lengths.update((row.chunk, row.length) for row in rows if row.chunk in found)
            self._recipes[recipe] = found
        return self._recipes[recipe] or None


def _bundles(connection: duckdb.DuckDBPyConnection, source: Contains) -> list[_Bundle]:
    """The bundles that are searched, the earliest first."""
    including = source.options.including
    rows = connection.execute(
        """SELECT id, repo, content, manifest, bytes, run, deleted FROM with_system.bundles
        WHERE (NOT deleted OR ?) AND (repo <> ? OR ?) ORDER BY time, repo, position, id""",
        ["deleted" in including, RUNS_REPO, "system" in including],
    ).fetchall()
    return [_Bundle(*row) for row in rows]


def _refs(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    """A ref of each bundle that has any, by repo and bundle: the first label, else the first branch."""
    rows = connection.execute(
        """SELECT repo, bundle, arg_min(name, (place, name)) FROM (
            SELECT repo, bundle, name, 0 AS place FROM with_system.labels
            UNION ALL SELECT repo, bundle, name, 1 FROM with_system.branches) GROUP BY repo, bundle"""
    ).fetchall()
    return {(repo, bundle): name for repo, bundle, name in rows}
