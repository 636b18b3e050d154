"""A manifest's root: what it says of each segment, and the ids that follow from it (docs/format.md, "Manifests")."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from blake3 import blake3

from datamon.errors import Corrupt, Invalid
from datamon.store.codec import decode, encode, stamped
from datamon.store.ids import ContentId, ManifestId, SegmentId

ROOT_CONTEXT = "datamon 1 manifest"
CONTENT_CONTEXT = "datamon 1 content"


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """What a root says of one segment: its ids, first and last path, rows and the bytes of its files."""

    id: SegmentId
    content: ContentId
    stat: SegmentId
    first: str
    last: str
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """A manifest's root. `content` covers paths, kinds, execute bits, bytes and targets; `id` covers everything."""

    id: ManifestId
    content: ContentId
    entries: int
    size_bytes: int
    segments: tuple[SegmentRow, ...]


def manifest_of(segments: tuple[SegmentRow, ...]) -> Manifest:
    """The manifest of these segments, which are in order."""
    return _manifest(_root_id(encode_root(segments)), segments)


def encode_root(segments: Sequence[SegmentRow]) -> bytes:
    """The root's bytes: what is kept under the manifest's id."""
    rows = [[s.id, s.content, s.stat, s.first, s.last, s.rows, s.size_bytes] for s in segments]
    sums = {"entries": sum(s.rows for s in segments), "bytes": sum(s.size_bytes for s in segments)}
    return encode(stamped("manifest", {**sums, "segments": rows}))


def decode_root(root: bytes, identity: ManifestId, where: str) -> Manifest:
    """The manifest of this id, whose root was read at `where`, verified; its segments lie one behind the other.

    Raises Corrupt (`bad-bytes`, `bad-record`), Invalid (`newer-format`, `unsafe-path`).
    """
    if _root_id(root) != identity:
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
    manifest = _manifest(identity, segments)
    if (record.get("entries"), record.get("bytes")) != (manifest.entries, manifest.size_bytes):
        raise Corrupt("bad-record", f"the sums in the manifest {where} are wrong; restore it from a copy", where=where)
    _check_order(segments, where)
    return manifest


def tree_content(segments: Iterable[ContentId]) -> ContentId:
    """The content id of a tree whose segments have these content hashes."""
    hashes = b"".join(bytes.fromhex(segment) for segment in segments)
    return ContentId(blake3(hashes, derive_key_context=CONTENT_CONTEXT).hexdigest())


def _manifest(identity: ManifestId, segments: tuple[SegmentRow, ...]) -> Manifest:
    return Manifest(
        id=identity,
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


def _check_order(segments: Sequence[SegmentRow], where: str) -> None:
    """Look-ups find a path's segment by bisection, so an order that a stranger made up is refused before any."""
    for before, row in pairwise(segments):
        if row.first <= before.last:
            message = f"the entry {row.first!r} is out of order or there twice in {where}; upload the tree again from its source"
            raise Invalid("unsafe-path", message, path=row.first)
