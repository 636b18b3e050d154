"""Manifests: what goes in comes out, ids depend on what is held and on nothing else, and bad ones are refused."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.entries import NO_CONTENT, TreeEntry
from datamon.store.ids import ContentId, ManifestId
from datamon.store.manifest import (
    Manifest,
    find_entry,
    iter_entries,
    manifest_rows,
    part_content,
    read_manifest,
    write_manifest,
)
from datamon.store.segments import MOST_ROWS
from datamon.store.testing.faults import FaultyBackend
from datamon.store.testing.trees import crafted_manifest, entries_of, entry, trees

MANY = [f"d{number // 100:03d}/f{number:06d}.csv" for number in range(20_000)]


def by_path(entries: Sequence[TreeEntry]) -> list[TreeEntry]:
    """The entries in the order of a manifest."""
    return sorted(entries, key=lambda each: each.path.encode())


def derived(context: str, content: bytes) -> str:
    """BLAKE3 keyed by context."""
    return blake3(content, derive_key_context=context).hexdigest()


@pytest.fixture(scope="module")
def large() -> tuple[MemoryBackend, Manifest]:
    """A manifest of more than 20,000 entries, which tests only read."""
    metadata = MemoryBackend()
    return metadata, write_manifest(metadata, entries_of(MANY))


@settings(max_examples=50, deadline=None)
@given(trees())
def test_every_entry_comes_back_as_it_was_in_the_order_of_path_bytes(tree: list[TreeEntry]) -> None:
    metadata = MemoryBackend()
    written = write_manifest(metadata, tree)
    read = read_manifest(metadata, written.id)
    assert read == written
    assert list(iter_entries(metadata, read)) == by_path(tree)
    assert (read.entries, read.size_bytes) == (len(tree), sum(each.size_bytes for each in tree))


@settings(max_examples=50, deadline=None)
@given(trees(), st.randoms(use_true_random=False))
def test_equal_trees_have_equal_ids_whatever_the_order_they_came_in(tree: list[TreeEntry], random: Random) -> None:
    other = list(tree)
    random.shuffle(other)
    assert write_manifest(MemoryBackend(), tree) == write_manifest(MemoryBackend(), other)


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 2_999), max_size=30), st.sets(st.integers(3_000, 3_500), max_size=30))
def test_equal_trees_have_equal_ids_whatever_their_history(gone: set[int], added: set[int]) -> None:
    first = [entry(f"f{number:05d}") for number in range(3_000)]
    second = [each for n, each in enumerate(first) if n not in gone] + [entry(f"f{number:05d}") for number in added]
    metadata = MemoryBackend()
    write_manifest(metadata, first)
    assert write_manifest(metadata, second) == write_manifest(MemoryBackend(), second)


def test_modes_and_times_change_the_manifest_id_but_neither_the_segments_nor_the_content_id() -> None:
    tree = entries_of(["a/b.csv", "c.csv"])
    touched = [replace(each, mode=0o600, mtime_ns=each.mtime_ns + 1) for each in tree]
    before, after = write_manifest(MemoryBackend(), tree), write_manifest(MemoryBackend(), touched)
    assert before.id != after.id
    assert before.content == after.content
    assert [row.id for row in before.segments] == [row.id for row in after.segments]


@pytest.mark.parametrize(
    "change",
    [
        lambda each: replace(each, path="c2.csv"),
        lambda each: replace(each, kind="symlink", target="x"),
        lambda each: replace(each, executable=True),
        lambda each: replace(each, size_bytes=each.size_bytes + 1),
        lambda each: replace(each, content=entry("other").content),
    ],
)
def test_what_an_entry_holds_changes_the_content_id(change: Callable[[TreeEntry], TreeEntry]) -> None:
    alone = entry("c.csv")
    assert write_manifest(MemoryBackend(), [alone]).content != write_manifest(MemoryBackend(), [change(alone)]).content


def test_another_recipe_of_the_same_bytes_changes_no_content_id() -> None:
    alone = entry("c.csv")
    before = write_manifest(MemoryBackend(), [alone])
    after = write_manifest(MemoryBackend(), [replace(alone, recipe=b"\0" + bytes(36))])
    assert before.content == after.content
    assert before.segments[0].id != after.segments[0].id


def test_the_ids_are_those_of_the_format_document() -> None:
    file = TreeEntry("é/x", "file", 7, ContentId("11" * 32), None, b"\0abc", True, 0o755, -5)
    link = TreeEntry("é/y", "symlink", 0, ContentId("22" * 32), "to", None, False, 0o777, 6)
    directory = TreeEntry("é", "dir", 0, NO_CONTENT, None, None, False, 0o700, 7)
    rows = b"".join(
        (
            struct.pack("<I", 2) + "é".encode() + b"d\0" + struct.pack("<Q", 0) + bytes(32) + struct.pack("<I", 0),
            struct.pack("<I", 4) + "é/x".encode() + b"f\1" + struct.pack("<Q", 7) + b"\x11" * 32 + struct.pack("<I", 0),
            struct.pack("<I", 4) + "é/y".encode() + b"l\0" + struct.pack("<Q", 0) + b"\x22" * 32,
            struct.pack("<I", 2) + b"to",
        )
    )
    content = derived("datamon 1 content segment", rows)
    recipes = b"\xff\xff\xff\xff" + struct.pack("<I", 4) + b"\0abc" + b"\xff\xff\xff\xff"
    segment = derived("datamon 1 segment", bytes.fromhex(content) + recipes)
    stat = derived("datamon 1 stat segment", struct.pack("<IqIqIq", 0o700, 7, 0o755, -5, 0o777, 6))
    root = (
        f'{{"bytes":7,"entries":3,"format":1,"kind":"manifest",'
        f'"segments":[["{segment}","{content}","{stat}","é","é/y",3,7]]}}'
    ).encode()
    metadata = MemoryBackend()
    manifest = write_manifest(metadata, [link, file, directory])
    assert metadata.get(layout.manifest(manifest.id)) == root
    assert manifest.id == derived("datamon 1 manifest", root)
    assert manifest.content == derived("datamon 1 content", bytes.fromhex(content))


def test_an_empty_tree_is_a_manifest_without_segments() -> None:
    metadata = MemoryBackend()
    manifest = write_manifest(metadata, [])
    assert read_manifest(metadata, manifest.id).segments == ()
    assert list(iter_entries(metadata, manifest)) == []
    assert manifest.content == derived("datamon 1 content", b"")


def test_one_inserted_path_among_20000_changes_few_segments(large: tuple[MemoryBackend, Manifest]) -> None:
    metadata, before = large
    after = write_manifest(metadata, [*entries_of(MANY), entry("d100/f010000-inserted.csv")])
    new = {row.id for row in after.segments} - {row.id for row in before.segments}
    assert len(before.segments) >= 3
    assert len(new) <= 2


def test_a_segment_never_has_more_rows_than_the_format_allows() -> None:
    paths = iter(f"{number:07d}" for number in range(30_000))
    uncut = [path for path in paths if int.from_bytes(blake3(path.encode()).digest(8), "little") % 4096][:20_000]
    manifest = write_manifest(MemoryBackend(), [entry(path) for path in uncut])
    assert [row.rows for row in manifest.segments] == [MOST_ROWS, 20_000 - MOST_ROWS]


def test_an_entry_deleted_among_thousands_leaves_the_others_readable(large: tuple[MemoryBackend, Manifest]) -> None:
    metadata, _ = large
    tree = [each for each in entries_of(MANY) if each.path != "d050/f005000.csv"]
    manifest = read_manifest(metadata, write_manifest(metadata, tree).id)
    assert [each.path for each in iter_entries(metadata, manifest)] == [each.path for each in by_path(tree)]


def test_what_is_written_already_is_not_written_again(large: tuple[MemoryBackend, Manifest]) -> None:
    metadata, before = large
    counted = FaultyBackend(metadata, methods=frozenset({"put", "put_if_absent"}))
    assert write_manifest(counted, entries_of(MANY)) == before
    assert counted.calls == []


def test_the_root_is_written_after_everything_it_names() -> None:
    counted = FaultyBackend(MemoryBackend(), methods=frozenset({"put"}))
    manifest = write_manifest(counted, entries_of(MANY))
    assert counted.calls[-1] == f"put {layout.manifest(manifest.id)}"
    assert len(counted.calls) == 2 * len(manifest.segments) + 1


@pytest.mark.parametrize("path", ["../x", "/x", "a/../x", "a//x", "./x", "a/.", "..", ".", "", "x/", "a\0b"])
def test_a_path_that_leaves_the_tree_is_neither_written_nor_read(path: str) -> None:
    metadata = MemoryBackend()
    with pytest.raises(Invalid, match="outside the destination") as caught:
        write_manifest(metadata, [entry(path)])
    assert caught.value.code == "unsafe-path"
    crafted = crafted_manifest(metadata, [entry(path)])
    with pytest.raises(Invalid) as caught:
        list(iter_entries(metadata, read_manifest(metadata, crafted.id)))
    assert caught.value.code == "unsafe-path"


@pytest.mark.parametrize("path", ["...", "..a", ".x", "a..", "a b", "a\nb", "\\x", "c:"])
def test_a_strange_path_inside_the_tree_is_kept(path: str) -> None:
    metadata = MemoryBackend()
    assert [each.path for each in iter_entries(metadata, write_manifest(metadata, [entry(path)]))] == [path]


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param([entry("a/b")], id="directory missing"),
        pytest.param([entry("a"), entry("a/b")], id="below a file"),
        pytest.param([entry("a", "symlink", target="/tmp"), entry("a/b")], id="below a symlink"),
        pytest.param([entry("a"), entry("a", seed=1)], id="twice"),
    ],
)
def test_entries_that_form_no_tree_are_not_written(tree: list[TreeEntry]) -> None:
    with pytest.raises(Invalid) as caught:
        write_manifest(MemoryBackend(), tree)
    assert caught.value.code == "unsafe-path"


@pytest.mark.parametrize("paths", [(["b", "a"],), (["a", "a"],), (["b"], ["a"]), (["a"], ["a"])])
def test_paths_out_of_order_or_twice_are_refused_when_read(paths: tuple[list[str], ...]) -> None:
    metadata = MemoryBackend()
    crafted = crafted_manifest(metadata, *([entry(path) for path in rows] for rows in paths))
    with pytest.raises((Invalid, Corrupt)):
        list(iter_entries(metadata, read_manifest(metadata, crafted.id)))


def test_a_prefix_gives_the_part_at_and_below_it(large: tuple[MemoryBackend, Manifest]) -> None:
    metadata, manifest = large
    below = [each.path for each in iter_entries(metadata, manifest, "d007")]
    assert below == ["d007", *(path for path in MANY if path.startswith("d007/"))]
    assert [each.path for each in iter_entries(metadata, manifest, MANY[77])] == [MANY[77]]
    assert list(iter_entries(metadata, manifest, "d00")) == []


def test_a_prefix_takes_no_neighbour_that_only_begins_alike() -> None:
    metadata = MemoryBackend()
    tree = entries_of(["a/x", "a-b/x", "a.csv", "ab/x"])
    manifest = write_manifest(metadata, tree)
    assert [each.path for each in iter_entries(metadata, manifest, "a")] == ["a", "a/x"]


def test_a_prefix_opens_only_the_segments_that_can_hold_it(large: tuple[MemoryBackend, Manifest]) -> None:
    metadata, manifest = large
    counted = FaultyBackend(metadata, methods=frozenset({"get"}))
    list(iter_entries(counted, manifest, "d000"))
    find_entry(counted, manifest, MANY[-1])
    assert len(counted.calls) == 4  # entries and stats of one segment each time


def test_an_entry_is_found_by_its_path_also_with_a_slash_behind(large: tuple[MemoryBackend, Manifest]) -> None:
    metadata, manifest = large
    assert find_entry(metadata, manifest, MANY[12_345]).path == MANY[12_345]
    assert find_entry(metadata, manifest, "./d012/").kind == "dir"


@pytest.mark.parametrize(
    ("wanted", "nearest"), [("trian.csv", "train.csv"), ("raw/b.csv", "data/b.csv"), ("dta/a.csv", "data/a.csv")]
)
def test_a_path_that_is_not_there_gets_the_nearest_one_suggested(wanted: str, nearest: str) -> None:
    metadata = MemoryBackend()
    manifest = write_manifest(metadata, entries_of(["train.csv", "data/a.csv", "data/b.csv", "test.csv"]))
    with pytest.raises(NotFound, match=f"did you mean '{nearest}'") as caught:
        find_entry(metadata, manifest, wanted)
    assert caught.value.code == "path-not-found"


def test_a_path_that_leaves_the_bundle_is_no_path_in_it() -> None:
    metadata = MemoryBackend()
    with pytest.raises(Invalid) as caught:
        find_entry(metadata, write_manifest(metadata, [entry("a")]), "../a")
    assert caught.value.code == "bad-path"


def test_the_content_of_a_directory_is_that_of_a_bundle_of_what_lies_below_it(
    large: tuple[MemoryBackend, Manifest],
) -> None:
    metadata, manifest = large
    below = [replace(each, path=f"f{number:06d}.csv") for number, each in enumerate(map(entry, MANY[700:800]), 700)]
    assert part_content(metadata, manifest, "d007") == write_manifest(MemoryBackend(), below).content


def test_the_content_of_a_file_is_its_own_and_of_everything_the_bundles(large: tuple[MemoryBackend, Manifest]) -> None:
    metadata, manifest = large
    assert part_content(metadata, manifest, MANY[5]) == entry(MANY[5]).content
    assert part_content(metadata, manifest, "") == part_content(metadata, manifest, "./") == manifest.content
    with pytest.raises(NotFound):
        part_content(metadata, manifest, "nothing")


def test_rows_for_questions_name_their_manifest() -> None:
    metadata = MemoryBackend()
    one = write_manifest(metadata, entries_of(["a/b.csv"]))
    other = write_manifest(metadata, [entry("l", "symlink", target="a")])
    rows = [row for batch in manifest_rows(metadata, [one, other]) for row in batch.to_pylist()]
    assert [(row["manifest"], row["path"], row["kind"], row["target"]) for row in rows] == [
        (one.id, "a", "dir", None),
        (one.id, "a/b.csv", "file", None),
        (other.id, "l", "symlink", "a"),
    ]
    assert rows[1]["content"].hex() == entry("a/b.csv").content
    assert set(rows[0]) == {"manifest", "path", "kind", "size", "content", "executable", "mode", "mtime", "target"}


def test_a_root_of_a_newer_format_is_refused_by_name() -> None:
    metadata = MemoryBackend()
    root = json.dumps({"format": 3, "kind": "manifest"}).encode()
    identity = ManifestId(derived("datamon 1 manifest", root))
    metadata.put(layout.manifest(identity), root)
    with pytest.raises(Invalid) as caught:
        read_manifest(metadata, identity)
    assert caught.value.code == "newer-format"
