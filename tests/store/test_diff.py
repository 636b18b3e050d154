"""What differs between bundles and directories: content decides, and what is equal is not read."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Bundle
from datamon.store.diff import Change, diff_bundles, diff_directory
from datamon.store.download import download
from datamon.store.entries import HeldEntry, Holding, TreeEntry, is_at_or_below, same_content
from datamon.store.manifest import read_manifest, write_manifest
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.testing.cutting import Cutting, cut_small, cuttings
from datamon.store.testing.faults import FaultyBackend
from datamon.store.testing.trees import (
    commit_manifest,
    entries_of,
    entry,
    make_odd_tree,
    trees,
    upload_tree,
    write_files,
)

FILES = {"a.csv": "1", "sub/b.csv": "2", "sub/c.csv": "3", "z.csv": "4"}


def shown(changes: object) -> list[tuple[str, str]]:
    """Paths and what happened to them."""
    assert hasattr(changes, "__iter__")
    return [(change.path, change.change) for change in changes if isinstance(change, Change)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree."""
    return write_files(tmp_path / "source", FILES)


@pytest.fixture
def bundle(store: Store, source: Path) -> Bundle:
    """A bundle of it."""
    return upload_tree(store, source)


def test_added_changed_and_deleted_paths_come_in_order_with_both_sides(
    store: Store, source: Path, bundle: Bundle
) -> None:
    (source / "a.csv").unlink()
    write_files(source, {"sub/b.csv": "two", "new/d.csv": "5"})
    changes = list(diff_bundles(store, bundle, upload_tree(store, source)))
    assert shown(changes) == [
        ("a.csv", "deleted"),
        ("new", "added"),
        ("new/d.csv", "added"),
        ("sub/b.csv", "changed"),
    ]
    deleted, _, added, changed = changes
    assert (deleted.old is not None, deleted.new) == (True, None)
    assert (added.old, added.new is not None) == (None, True)
    assert changed.old is not None and changed.new is not None
    assert (changed.old.size_bytes, changed.new.size_bytes) == (1, 3)


def test_times_and_modes_are_no_difference_and_an_execute_bit_is(store: Store, source: Path, bundle: Bundle) -> None:
    os.utime(source / "a.csv", ns=(1, 1))
    (source / "z.csv").chmod(0o600)
    assert shown(diff_bundles(store, bundle, upload_tree(store, source))) == []
    assert shown(diff_directory(store, bundle, source)) == []
    (source / "z.csv").chmod(0o700)
    assert shown(diff_bundles(store, bundle, upload_tree(store, source))) == [("z.csv", "changed")]
    assert shown(diff_directory(store, bundle, source)) == [("z.csv", "changed")]


def test_a_file_that_becomes_a_symlink_or_a_directory_is_changed(store: Store, source: Path, bundle: Bundle) -> None:
    (source / "a.csv").unlink()
    (source / "a.csv").symlink_to("z.csv")
    (source / "z.csv").unlink()
    (source / "z.csv").mkdir()
    expected = [("a.csv", "changed"), ("z.csv", "changed")]
    assert shown(diff_directory(store, bundle, source)) == expected
    assert shown(diff_bundles(store, bundle, upload_tree(store, source))) == expected


def test_a_symlink_that_points_elsewhere_is_changed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("one")
    bundle = upload_tree(store, tmp_path)
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("two")
    assert shown(diff_directory(store, bundle, tmp_path)) == [("link", "changed")]


@settings(max_examples=50, deadline=None)
@given(trees(), trees())
def test_a_diff_is_what_comparing_path_by_path_gives(old: list[TreeEntry], new: list[TreeEntry]) -> None:
    store = memory_store()
    bundles = [commit_manifest(store, write_manifest(store.metadata, tree)) for tree in (old, new)]
    was, now = ({each.path: each for each in tree} for tree in (old, new))
    expected = [
        (path, "added" if path not in was else "deleted" if path not in now else "changed")
        for path in sorted({*was, *now}, key=str.encode)
        if path not in was or path not in now or not same_content(was[path], now[path])
    ]
    assert shown(diff_bundles(store, *bundles)) == expected


def test_segments_that_both_have_are_not_read(store: Store) -> None:
    tree = [entry(f"f{number:06d}") for number in range(20_000)]
    old = commit_manifest(store, write_manifest(store.metadata, tree))
    new = commit_manifest(store, write_manifest(store.metadata, [*tree, entry("f009999x")]))
    counted = FaultyBackend(store.metadata, methods=frozenset({"get"}))
    segments = len(read_manifest(store.metadata, new.manifest).segments)
    opened = store_on(counted, store.blob, store.author)
    counted.calls.clear()
    assert shown(diff_bundles(opened, old, new)) == [("f009999x", "added")]
    assert segments >= 3
    assert len([call for call in counted.calls if "segments/" in call]) <= 4


def test_an_odd_tree_does_not_differ_from_its_download(store: Store, tmp_path: Path) -> None:
    bundle = upload_tree(store, make_odd_tree(tmp_path / "in"))
    download(store, bundle, tmp_path / "out")
    assert shown(diff_directory(store, bundle, tmp_path / "out")) == []


def test_an_edit_that_keeps_size_and_time_is_seen(store: Store, source: Path, bundle: Bundle) -> None:
    status = (source / "a.csv").stat()
    (source / "a.csv").write_text("X")
    os.utime(source / "a.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert shown(diff_directory(store, bundle, source)) == [("a.csv", "changed")]


def test_what_an_upload_would_leave_out_is_no_difference(store: Store, source: Path) -> None:
    write_files(source, {".datamonignore": "*.tmp"})
    bundle = upload_tree(store, source)
    write_files(source, {"x.tmp": "x"})
    assert shown(diff_directory(store, bundle, source)) == []


def test_a_directory_that_is_a_file_or_absent_is_named(store: Store, source: Path, bundle: Bundle) -> None:
    with pytest.raises(Invalid, match=r"a\.csv"):
        list(diff_directory(store, bundle, source / "a.csv"))
    with pytest.raises(NotFound, match="absent"):
        list(diff_directory(store, bundle, source / "absent"))


def test_a_bundle_that_cannot_be_read_is_named(store: Store, source: Path, bundle: Bundle) -> None:
    write_files(source, {"new": "x"})
    other = upload_tree(store, source)
    [row] = read_manifest(store.metadata, other.manifest).segments
    store.metadata.delete(layout.segment(row.id))
    with pytest.raises(Corrupt, match=str(other.id)):
        list(diff_bundles(store, bundle, other))


@settings(max_examples=60, deadline=None)
@given(trees(), trees(), cuttings(), st.booleans())
def test_a_diff_of_many_segments_is_what_comparing_path_by_path_gives(
    old: list[TreeEntry], other: list[TreeEntry], cutting: Cutting, related: bool
) -> None:
    """A related tree is the old one with some entries from the other."""
    kept = {each.path: each for each in old}
    new = list({**kept, **{each.path: each for each in other if fits(each, kept)}}.values()) if related else other
    store = memory_store()
    with cut_small(cutting):
        bundles = [commit_manifest(store, write_manifest(store.metadata, tree)) for tree in (old, new)]
        changes = list(diff_bundles(store, *bundles))
    was, now = ({each.path: each for each in tree} for tree in (old, new))
    assert [(change.path, held(change.old), held(change.new)) for change in changes] == [
        (path, held(was.get(path)), held(now.get(path)))
        for path in sorted({*was, *now}, key=str.encode)
        if path not in was or path not in now or not same_content(was[path], now[path])
    ]


def held(one: Holding | None) -> HeldEntry | None:
    """What it holds and no more."""
    if one is None:
        return None
    return HeldEntry(one.path, one.kind, one.size_bytes, one.content, one.target, one.executable)


def fits(entry: TreeEntry, tree: Mapping[str, TreeEntry]) -> bool:
    """Whether the entry can be in this tree: in place of one that is no directory, or beside one, in a directory of it."""
    above = tree.get(entry.path.rpartition("/")[0])
    present = tree.get(entry.path)
    return ("/" not in entry.path or (above is not None and above.kind == "dir")) and (
        present is None or present.kind != "dir"
    )


def edited(tree: list[TreeEntry], seed: int) -> list[TreeEntry]:
    """The tree with scattered edits, deletions and insertions, and one directory gone."""
    random = Random(seed)
    new = [entry(f"d001/{random.randrange(10**6):06d}.new") for _ in range(5)]
    for each in tree:
        chance = random.random() if each.kind == "file" else 1
        if is_at_or_below(each.path, "d003") or chance < 0.01:
            continue
        new.append(replace(each, executable=True) if chance < 0.03 else each)
    return new


@pytest.mark.parametrize("seed", range(5))
def test_a_diff_of_edited_trees_finds_every_edit_and_no_other(seed: int) -> None:
    tree = entries_of([f"d{number // 100:03d}/{number:06d}" for number in range(1_000)])
    new = edited(tree, seed)
    store = memory_store()
    with cut_small(Cutting(4, 64, 4)):
        bundles = [commit_manifest(store, write_manifest(store.metadata, each)) for each in (tree, new)]
        found = {change.path for change in diff_bundles(store, *bundles)}
    was, now = ({each.path: each for each in entries} for entries in (tree, new))
    changed = {path for path in was.keys() & now.keys() if not same_content(was[path], now[path])}
    assert found == changed | (was.keys() ^ now.keys())
    assert len(found) > 100


def test_a_difference_in_everything_is_told_as_it_is_read(tmp_path: Path) -> None:
    """So that two bundles of any size are compared in the memory of a few segments."""
    local = LocalBackend(tmp_path)
    store = store_on(local, local, memory_store().author)
    paths = [f"f{number:04d}" for number in range(200)]
    with cut_small(Cutting(2, 2, 0)):
        bundles = [
            commit_manifest(store, write_manifest(store.metadata, [entry(path, seed=seed) for path in paths]))
            for seed in (0, 1)
        ]
    counted = FaultyBackend(local, methods=frozenset({"get"}))
    opened = store_on(counted, counted, store.author)
    changes = diff_bundles(opened, *bundles)
    next(changes)
    read = [call for call in counted.calls if "segments/" in call]
    assert len(read) == 2
    assert 1 + len(list(changes)) == len(paths)


def test_modes_and_times_are_not_read(store: Store) -> None:
    tree = entries_of([f"{number:04d}" for number in range(100)])
    edit = [replace(tree[55], executable=True), *tree[:55], *tree[56:]]
    with cut_small(Cutting(10, 10, 0)):
        old, new = (commit_manifest(store, write_manifest(store.metadata, each)) for each in (tree, edit))
    counted = FaultyBackend(store.metadata, methods=frozenset({"get"}))
    opened = store_on(counted, store.blob, store.author)
    counted.calls.clear()
    assert shown(diff_bundles(opened, old, new)) == [(tree[55].path, "changed")]
    assert len([call for call in counted.calls if "segments/" in call]) == 2
    assert not [call for call in counted.calls if "stats/" in call]
