"""Manifests of many segments: their ids are those of the definition row by row, and every way of reading gives the same rows."""

import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import NotFound
from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.columns import TreeColumns
from datamon.store.entries import TreeEntry, is_at_or_below
from datamon.store.ids import ContentId, SegmentId
from datamon.store.manifest import (
    Manifest,
    SegmentRow,
    find_entry,
    iter_entries,
    manifest_rows,
    part_content,
    part_entries,
    read_manifest,
    write_columns,
    write_manifest,
)
from datamon.store.roots import encode_root
from datamon.store.testing.cutting import Cutting, cut_small, cuttings
from datamon.store.testing.faults import FaultyBackend
from datamon.store.testing.trees import entries_of, entry, trees

CODES = {"file": b"f", "dir": b"d", "symlink": b"l", "external": b"x"}


def derived(context: str, content: bytes) -> str:
    """BLAKE3 keyed by context."""
    return blake3(content, derive_key_context=context).hexdigest()


def by_path(entries: Sequence[TreeEntry]) -> list[TreeEntry]:
    """The entries in the order of a manifest."""
    return sorted(entries, key=lambda each: each.path.encode())


def ends_here(path: str, rows: int, cutting: Cutting) -> bool:
    """Whether a segment of so many rows ends with this path, by the letter of docs/format.md."""
    drawn = int.from_bytes(blake3(path.encode()).digest()[:8], "little") % 2**cutting.bits
    return (rows >= cutting.fewest and drawn == 0) or rows == cutting.most


def defined_segment(rows: Sequence[TreeEntry]) -> SegmentRow:
    """What a root says of these rows, computed one by one by the letter of docs/format.md."""
    held, recipes, states = b"", b"", b""
    for each in rows:
        path, target = each.path.encode(), (each.target or "").encode()
        held += struct.pack("<I", len(path)) + path + CODES[each.kind] + bytes([each.executable])
        held += (
            struct.pack("<Q", each.size_bytes) + bytes.fromhex(each.content) + struct.pack("<I", len(target)) + target
        )
        recipes += struct.pack("<I", 2**32 - 1 if each.recipe is None else len(each.recipe)) + (each.recipe or b"")
        states += struct.pack("<Iq", each.mode, each.mtime_ns)
    content = derived("datamon 1 content segment", held)
    return SegmentRow(
        id=SegmentId(derived("datamon 1 segment", bytes.fromhex(content) + recipes)),
        content=ContentId(content),
        stat=SegmentId(derived("datamon 1 stat segment", states)),
        first=rows[0].path,
        last=rows[-1].path,
        rows=len(rows),
        size_bytes=sum(each.size_bytes for each in rows),
    )


def defined(entries: Sequence[TreeEntry], cutting: Cutting) -> tuple[SegmentRow, ...]:
    """The segments of a tree by the letter of docs/format.md."""
    segments: list[list[TreeEntry]] = [[]]
    for each in by_path(entries):
        segments[-1].append(each)
        if ends_here(each.path, len(segments[-1]), cutting):
            segments.append([])
    return tuple(defined_segment(rows) for rows in segments if rows)


@settings(max_examples=150, deadline=None)
@given(trees(), cuttings())
def test_the_ids_are_those_that_the_definition_gives_row_by_row(tree: list[TreeEntry], cutting: Cutting) -> None:
    metadata = MemoryBackend()
    with cut_small(cutting):
        written = write_manifest(metadata, tree)
    assert written.segments == defined(tree, cutting)
    root = metadata.get(layout.manifest(written.id))
    assert root == encode_root(written.segments)
    assert json.loads(root)["entries"] == len(tree)
    assert written.content == derived(
        "datamon 1 content", b"".join(bytes.fromhex(row.content) for row in written.segments)
    )


@settings(max_examples=40, deadline=None)
@given(trees(), cuttings(), st.data())
def test_what_is_read_by_whatever_way_is_what_was_written(
    tree: list[TreeEntry], cutting: Cutting, choice: st.DataObject
) -> None:
    metadata = MemoryBackend()
    ordered = by_path(tree)
    with cut_small(cutting):
        manifest = read_manifest(metadata, write_manifest(metadata, tree).id)
        assert list(iter_entries(metadata, manifest)) == ordered
        assert [row["path"] for batch in manifest_rows(metadata, [manifest]) for row in batch.to_pylist()] == [
            each.path for each in ordered
        ]
        for each in choice.draw(st.permutations(ordered))[:3]:
            assert find_entry(metadata, manifest, each.path) == each
        prefix = choice.draw(st.sampled_from(["nothing", *(each.path for each in ordered)]))
        below = [each for each in ordered if is_at_or_below(each.path, prefix)]
        assert list(iter_entries(metadata, manifest, prefix)) == below


@settings(max_examples=40, deadline=None)
@given(trees(), cuttings(), st.data())
def test_the_content_of_a_part_is_that_of_a_manifest_of_its_own(
    tree: list[TreeEntry], cutting: Cutting, choice: st.DataObject
) -> None:
    metadata = MemoryBackend()
    with cut_small(cutting):
        manifest = write_manifest(metadata, [*tree, entry("z", "dir")])
        part = choice.draw(st.sampled_from([each for each in tree if each.kind == "dir"] or [entry("z", "dir")]))
        alone = write_manifest(MemoryBackend(), part_entries(metadata, manifest, part.path))
        assert part_content(metadata, manifest, part.path) == alone.content


@settings(max_examples=30, deadline=None)
@given(trees())
def test_columns_give_the_manifest_that_their_entries_give(tree: list[TreeEntry]) -> None:
    columns = TreeColumns.of(tree)
    assert len(columns) == len(tree)
    assert write_columns(MemoryBackend(), columns) == write_manifest(MemoryBackend(), tree)


def test_an_edit_rewrites_only_the_segments_beside_it() -> None:
    tree = entries_of([f"d{number // 50:03d}/f{number:05d}" for number in range(5_000)])
    with cut_small(Cutting(8, 128, 5)):
        metadata = MemoryBackend()
        before = write_manifest(metadata, tree)
        edited = [replace(each, size_bytes=9) if each.path == "d050/f02500" else each for each in tree]
        for number in (1_111, 3_333):
            edited.append(entry(f"d{number // 50:03d}/f{number:05d}-new"))
        counted = FaultyBackend(metadata, methods=frozenset({"put"}))
        after = write_manifest(counted, edited)
    assert len(before.segments) > 50
    assert len({row.id for row in after.segments} - {row.id for row in before.segments}) <= 6
    assert len(counted.calls) <= 6 + 4 + 1


def look_up(metadata: FaultyBackend, manifest: Manifest, path: str) -> list[str]:
    """Which keys are read for one look-up, that of the root included."""
    metadata.calls.clear()
    assert find_entry(metadata, read_manifest(metadata, manifest.id), path).path == path
    return metadata.calls


def test_a_look_up_reads_the_root_and_one_segment_with_its_times() -> None:
    tree = entries_of([f"d{number // 50:03d}/f{number:05d}" for number in range(5_000)])
    metadata = FaultyBackend(MemoryBackend())
    with cut_small(Cutting(8, 128, 5)):
        manifest = write_manifest(metadata, tree)
    for path in ("d000", "d050/f02500", "d099/f04999", manifest.segments[7].first, manifest.segments[7].last):
        [row] = [row for row in manifest.segments if row.first <= path <= row.last]
        assert look_up(metadata, manifest, path) == [
            f"get {layout.manifest(manifest.id)}",
            f"get {layout.segment(row.id)}",
            f"get {layout.stat_segment(row.stat)}",
        ]


def test_a_path_between_two_segments_is_not_found() -> None:
    metadata = MemoryBackend()
    with cut_small(Cutting(2, 2, 0)):
        manifest = write_manifest(metadata, [entry(path) for path in ("a", "c", "e", "g")])
    assert len(manifest.segments) == 2
    for path in ("A", "b", "d", "f", "h"):
        with pytest.raises(NotFound, match="did you mean"):
            find_entry(metadata, manifest, path)


def test_rows_are_read_a_segment_at_a_time_from_a_file_system(tmp_path: Path) -> None:
    counted = FaultyBackend(LocalBackend(tmp_path), methods=frozenset({"get"}))
    with cut_small(Cutting(2, 2, 0)):
        manifest = write_manifest(counted, [entry(f"f{number:03d}") for number in range(100)])
    entries = iter_entries(counted, manifest)
    next(entries)
    assert len(counted.calls) <= 2 * 2
    assert len(list(entries)) == 99


@pytest.mark.slow
def test_a_look_up_among_a_million_entries_reads_three_objects() -> None:
    columns = TreeColumns()
    for number in range(1_000_000):
        columns.append(entry(f"f{number:07d}.csv"))
    metadata = FaultyBackend(MemoryBackend())
    manifest = write_columns(metadata, columns)
    assert len(manifest.segments) > 100
    assert len(look_up(metadata, manifest, "f0777777.csv")) == 3
