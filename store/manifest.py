"""Manifests: all entries of a bundle, sorted by path, immutable, named by what they hold (docs/format.md, "Manifests").

Few commands read a manifest's rows, and pyarrow takes 0.2 s to import: the functions that need rows import them when they run.
"""

import difflib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from datamon.errors import NotFound
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.columns import TreeColumns
from datamon.store.entries import TreeEntry, clean_path
from datamon.store.ids import ContentId, ManifestId
from datamon.store.named import get_named, put_named
from datamon.store.overlap import overlapped
from datamon.store.roots import (
    CONTENT_CONTEXT,
    ROOT_CONTEXT,
    Manifest,
    SegmentRow,
    decode_root,
    encode_root,
    manifest_of,
    tree_content,
)

if TYPE_CHECKING:
    from datamon.store.rows import Rows

__all__ = [
    "CONTENT_CONTEXT",
    "ROOT_CONTEXT",
    "Manifest",
    "SegmentRow",
    "TreeEntry",
    "find_entry",
    "is_directory",
    "iter_entries",
    "iter_rows",
    "manifest_rows",
    "part_content",
    "part_entries",
    "read_manifest",
    "write_columns",
    "write_manifest",
    "write_root",
]

_SUGGESTED_FROM = 20_000
"""How many paths at most are looked at for a suggestion."""


def write_manifest(
    metadata: Backend, entries: Iterable[TreeEntry], *, condemned: frozenset[str] = frozenset()
) -> Manifest:
    """The manifest of these entries, in any order; see `write_columns`."""
    return write_columns(metadata, TreeColumns.of(entries), condemned=condemned)


def write_columns(metadata: Backend, columns: TreeColumns, *, condemned: frozenset[str] = frozenset()) -> Manifest:
    """The manifest of these rows, in any order, durable when this returns: segments first, then the root. Nothing of it lies
    under a `condemned` key; what is there already under another is not written again.

    Raises Invalid (`unsafe-path`) when they form no tree: a path that leaves it or is there twice, or one whose directory is
    no entry.
    """
    from datamon.store.segments import write_segments

    return write_root(metadata, write_segments(metadata, columns.as_tree(), condemned), condemned=condemned)


def write_root(
    metadata: Backend, segments: tuple[SegmentRow, ...], *, condemned: frozenset[str] = frozenset()
) -> Manifest:
    """The manifest of these segments, which are durable already and in order; durable when this returns."""
    manifest = manifest_of(segments)
    put_named(metadata, layout.manifest(manifest.id), partial(encode_root, segments), condemned)
    return manifest


def read_manifest(metadata: Backend, id: ManifestId) -> Manifest:  # noqa: A002 (the word of the format)
    """The manifest of this id, its root verified; segments are verified when they are read.

    Raises Corrupt (`missing-bytes`, `bad-bytes`, `bad-record`), Invalid (`newer-format`, `unsafe-path`).
    """
    return get_named(metadata, layout.manifest(id), lambda root, where: decode_root(root, id, where))


def iter_rows(metadata: Backend, manifest: Manifest, prefix: str = "") -> Iterator["Rows"]:
    """The entries at the path `prefix` and below it, in order, verified, a segment's at a time; opens only the segments that can
    hold them.

    Raises as `read_segment` does: Corrupt, and Invalid (`unsafe-path`) when a path would leave the tree or is there twice.
    """
    for rows in overlapped(metadata, partial(_read, metadata), _holding(manifest, prefix)):
        yield rows.at_or_below(prefix) if prefix else rows


def iter_entries(metadata: Backend, manifest: Manifest, prefix: str = "") -> Iterator[TreeEntry]:
    """The entries of `iter_rows`, one by one."""
    for rows in iter_rows(metadata, manifest, prefix):
        yield from rows.entries()


def _read(metadata: Backend, row: SegmentRow) -> "Rows":
    from datamon.store.segments import read_segment

    return read_segment(metadata, row)


def _holding(manifest: Manifest, prefix: str) -> list[SegmentRow]:
    """The segments that can hold the path `prefix` or what lies below it; all for `""`."""
    segments = manifest.segments
    if not prefix:
        return list(segments)
    below, beyond = prefix + "/", prefix + "0"  # "0" is the character after "/"
    place = _place(manifest, prefix)
    first, end = _place(manifest, below), bisect_left(segments, beyond, key=lambda row: row.first)
    own = [row for row in segments[place : place + 1] if row.first <= prefix and place < first]
    return [*own, *segments[first:end]]


def _place(manifest: Manifest, path: str) -> int:
    """The number of the first segment that does not end before `path`."""
    return bisect_left(manifest.segments, path, key=lambda row: row.last)


def find_entry(metadata: Backend, manifest: Manifest, path: str) -> TreeEntry:
    """The entry at `path`; reads one segment. Raises NotFound (`path-not-found`), which names the nearest path there is."""
    wanted = clean_path(path)
    place = _place(manifest, wanted)
    for segment in manifest.segments[place : place + 1]:
        if segment.first <= wanted:
            rows = _read(metadata, segment)
            row = bisect_left(paths := rows.paths(), wanted)
            if paths[row] == wanted:
                return rows.at(row)
    nearest = _nearest(metadata, manifest, wanted)
    hint = f"did you mean {nearest!r}?" if nearest else "it is empty"
    raise NotFound("path-not-found", f"there is nothing at {path!r} in this bundle; {hint}", path=path, nearest=nearest)


def _nearest(metadata: Backend, manifest: Manifest, wanted: str) -> str | None:
    """The path most like `wanted`, looked for in the segments around its place."""
    place = min(_place(manifest, wanted), len(manifest.segments) - 1)
    around = manifest.segments[max(0, place - 1) : place + 2]
    paths = [path for segment in around for path in _read(metadata, segment).paths()][:_SUGGESTED_FROM]
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
    from datamon.store.parts import content_below

    part = clean_path(path)
    if not part:
        return manifest.content
    entry = find_entry(metadata, manifest, part)
    if entry.kind != "dir":
        return entry.content
    return tree_content(content_below(part, iter_rows(metadata, manifest, part)))


def manifest_rows(metadata: Backend, manifests: Iterable[Manifest]) -> Iterator[Any]:
    """The entries of these manifests as pyarrow record batches, verified, with the columns manifest, path, kind, size,
    content (32 bytes), executable, mode, mtime (nanoseconds) and target."""
    for manifest in manifests:
        for rows in iter_rows(metadata, manifest):
            yield rows.of_manifest(manifest.id)
