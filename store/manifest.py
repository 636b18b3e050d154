"""Manifests: all entries of a bundle, sorted by path, immutable, named by what they hold (docs/format.md, "Manifests")."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, has_durably
from datamon.store.codec import decode, encode, stamped
from datamon.store.entries import TreeEntry, check_paths, checked_tree, clean_path, is_at_or_below
from datamon.store.ids import ContentId, ManifestId, SegmentId
from datamon.store.segments import SegmentRow, content_hash, cut, read_segment, write_segment

__all__ = [
    "Manifest",
    "SegmentRow",
    "TreeEntry",
    "find_entry",
    "is_directory",
    "iter_entries",
    "manifest_rows",
    "part_content",
    "part_entries",
    "read_manifest",
    "write_manifest",
    "write_root",
]

ROOT_CONTEXT = "datamon 1 manifest"
CONTENT_CONTEXT = "datamon 1 content"
_SUGGESTED_FROM = 20_000
"""How many paths at most are looked at for a suggestion."""


@dataclass(frozen=True)
class Manifest:
    """A manifest's root. `content` covers paths, kinds, execute bits, bytes and targets; `id` covers everything."""

    id: ManifestId
    content: ContentId
    entries: int
    size_bytes: int
    segments: tuple[SegmentRow, ...]


def write_manifest(metadata: Backend, entries: Iterable[TreeEntry]) -> Manifest:
    """The manifest of these entries, in any order, durable when this returns: segments first, then the root.

    Raises Invalid (`unsafe-path`) when they form no tree: a path that leaves it or is there twice, or one whose directory is
    no entry.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    check_paths([entry.path for entry in ordered])
    return write_root(metadata, tuple(write_segment(metadata, rows) for rows in cut(checked_tree(ordered))))


def write_root(metadata: Backend, segments: tuple[SegmentRow, ...]) -> Manifest:
    """The manifest of these segments, which are durable already and in order; durable when this returns."""
    root = _encode_root(segments)
    manifest = _manifest(root, segments)
    if not has_durably(metadata, layout.manifest(manifest.id)):
        metadata.put(layout.manifest(manifest.id), root)
    return manifest


def read_manifest(metadata: Backend, id: ManifestId) -> Manifest:  # noqa: A002 (the word of the format)
    """The manifest of this id, its root verified; segments are verified when they are read.

    Raises Corrupt (`missing-bytes`, `bad-bytes`, `bad-record`), Invalid (`newer-format`).
    """
    where = layout.manifest(id)
    try:
        root = metadata.get(where)
    except NotFound as error:
        raise Corrupt(
            "missing-bytes", f"the manifest {where} is gone; restore it from a copy of the store", where=where
        ) from error
    if _root_id(root) != id:
        raise Corrupt(
            "bad-bytes", f"{where} does not have the hash it is named by; restore it from a copy", where=where
        )
    record = decode(root, where)
    try:
        segments = tuple(_segment_row(row) for row in record["segments"])
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(
            "bad-record", f"the manifest {where} cannot be read; restore it from a copy", where=where
        ) from error
    manifest = _manifest(root, segments)
    if (record.get("entries"), record.get("bytes")) != (manifest.entries, manifest.size_bytes):
        raise Corrupt("bad-record", f"the sums in the manifest {where} are wrong; restore it from a copy", where=where)
    return manifest


def iter_entries(metadata: Backend, manifest: Manifest, prefix: str = "") -> Iterator[TreeEntry]:
    """The entries at the path `prefix` and below it, in order, verified; opens only the segments that can hold them.

    Raises as `read_segment` does: Corrupt, and Invalid (`unsafe-path`) when a path would leave the tree or is there twice.
    """
    below, beyond = prefix + "/", prefix + "0"  # "0" is the character after "/"
    last = ""
    for row in manifest.segments:
        if prefix and not (row.first <= prefix <= row.last or (row.first < beyond and row.last > below)):
            continue
        entries = read_segment(metadata, row)
        check_paths([entries[0].path], after=last)
        last = row.last
        yield from entries if not prefix else (entry for entry in entries if is_at_or_below(entry.path, prefix))


def find_entry(metadata: Backend, manifest: Manifest, path: str) -> TreeEntry:
    """The entry at `path`. Raises NotFound (`path-not-found`), which names the nearest path there is."""
    wanted = clean_path(path)
    for row in manifest.segments:
        if row.first <= wanted <= row.last:
            for entry in read_segment(metadata, row):
                if entry.path == wanted:
                    return entry
    nearest = _nearest(metadata, manifest, wanted)
    hint = f"did you mean {nearest!r}?" if nearest else "it is empty"
    raise NotFound("path-not-found", f"there is nothing at {path!r} in this bundle; {hint}", path=path, nearest=nearest)


def _nearest(metadata: Backend, manifest: Manifest, wanted: str) -> str | None:
    """The path most like `wanted`, looked for in the segments around its place."""
    rows = manifest.segments
    place = next((n for n, row in enumerate(rows) if wanted <= row.last), len(rows) - 1)
    paths: list[str] = []
    for row in rows[max(0, place - 1) : place + 2]:
        paths += [entry.path for entry in read_segment(metadata, row)]
    paths = paths[:_SUGGESTED_FROM]
    same_name = [path for path in paths if path.rpartition("/")[2] == wanted.rpartition("/")[2]]
    close = difflib.get_close_matches(wanted, same_name, n=1, cutoff=0.0) or difflib.get_close_matches(
        wanted, paths, n=1, cutoff=0.3
    )
    return close[0] if close else next(iter(paths), None)


def part_entries(metadata: Backend, manifest: Manifest, path: str) -> Iterator[TreeEntry]:
    """The tree at `path`: of a directory what lies below it, paths relative to it; of anything else one entry with its own name.

    Raises NotFound (`path-not-found`).
    """
    part = clean_path(path)
    if not part:
        return iter_entries(metadata, manifest)
    entry = find_entry(metadata, manifest, part)
    if entry.kind != "dir":
        return iter([replace(entry, path=part.rpartition("/")[2])])
    skipped = len(part) + 1
    return (
        replace(entry, path=entry.path[skipped:])
        for entry in iter_entries(metadata, manifest, part)
        if len(entry.path) > skipped
    )


def is_directory(metadata: Backend, manifest: Manifest, path: str) -> bool:
    """Whether a directory is at `path` (the bundle's top is one). Raises NotFound (`path-not-found`)."""
    part = clean_path(path)
    return not part or find_entry(metadata, manifest, part).kind == "dir"


def part_content(metadata: Backend, manifest: Manifest, path: str) -> ContentId:
    """The content id of the part at `path`: a file's own, a directory's that of the tree below it, the bundle's for `""`.

    Raises NotFound (`path-not-found`).
    """
    part = clean_path(path)
    if not part:
        return manifest.content
    entry = find_entry(metadata, manifest, part)
    if entry.kind != "dir":
        return entry.content
    return tree_content(content_hash(rows) for rows in cut(part_entries(metadata, manifest, part)))


def tree_content(segments: Iterable[ContentId]) -> ContentId:
    """The content id of a tree whose segments have these content hashes."""
    hashes = b"".join(bytes.fromhex(segment) for segment in segments)
    return ContentId(blake3(hashes, derive_key_context=CONTENT_CONTEXT).hexdigest())


def manifest_rows(metadata: Backend, manifests: Iterable[Manifest]) -> Iterator[Any]:
    """The entries of these manifests as pyarrow record batches, verified, with the columns manifest, path, kind, size,
    content (hexadecimal), executable, mode, mtime_ns and target."""
    for manifest in manifests:
        for row in manifest.segments:
            yield _batch(manifest.id, read_segment(metadata, row))


def _batch(manifest: ManifestId, entries: Sequence[TreeEntry]) -> Any:
    import pyarrow as pa  # 0.2 s to import; only questions about files come here

    return pa.RecordBatch.from_pydict(
        {
            "manifest": pa.array([manifest] * len(entries), pa.string()),
            "path": pa.array([entry.path for entry in entries], pa.string()),
            "kind": pa.array([entry.kind for entry in entries], pa.string()),
            "size": pa.array([entry.size_bytes for entry in entries], pa.uint64()),
            "content": pa.array([entry.content for entry in entries], pa.string()),
            "executable": pa.array([entry.executable for entry in entries], pa.bool_()),
            "mode": pa.array([entry.mode for entry in entries], pa.uint32()),
            "mtime_ns": pa.array([entry.mtime_ns for entry in entries], pa.int64()),
            "target": pa.array([entry.target for entry in entries], pa.string()),
        }
    )


def _encode_root(segments: Sequence[SegmentRow]) -> bytes:
    rows = [[s.id, s.content, s.stat, s.first, s.last, s.rows, s.size_bytes] for s in segments]
    sums = {"entries": sum(s.rows for s in segments), "bytes": sum(s.size_bytes for s in segments)}
    return encode(stamped("manifest", {**sums, "segments": rows}))


def _manifest(root: bytes, segments: tuple[SegmentRow, ...]) -> Manifest:
    return Manifest(
        id=_root_id(root),
        content=tree_content(segment.content for segment in segments),
        entries=sum(segment.rows for segment in segments),
        size_bytes=sum(segment.size_bytes for segment in segments),
        segments=segments,
    )


def _root_id(root: bytes) -> ManifestId:
    return ManifestId(blake3(root, derive_key_context=ROOT_CONTEXT).hexdigest())


def _segment_row(row: Any) -> SegmentRow:
    """Raises TypeError or ValueError when `row` is none."""
    identity, content, stat, first, last, rows, size_bytes = row
    hashes = all(isinstance(text, str) and len(bytes.fromhex(text)) == 32 for text in (identity, content, stat))
    paths = isinstance(first, str) and isinstance(last, str)
    counts = isinstance(rows, int) and isinstance(size_bytes, int) and rows > 0 and size_bytes >= 0
    if not (hashes and paths and counts):
        raise ValueError("no segment row")
    return SegmentRow(SegmentId(identity), ContentId(content), SegmentId(stat), first, last, rows, size_bytes)
