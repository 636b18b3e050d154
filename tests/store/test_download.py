"""Download: what went in comes out byte for byte, verified, and a failure leaves nothing behind."""

import os
import resource
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Conflict, Corrupt, Denied, Invalid, NotFound, Unavailable
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.download import download, download_file
from datamon.store.entries import TreeEntry
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.listeners import Interrupting
from datamon.store.testing.trees import (
    commit_manifest,
    crafted_manifest,
    entry,
    make_odd_tree,
    snapshot,
    upload_tree,
    write_files,
)
from datamon.store.testing.users import ordinary_user


@pytest.fixture
def bundle(store: Store, tmp_path: Path) -> Bundle:
    """A bundle of a few files."""
    files = {"a.csv": "1", "sub/b.csv": "2", "sub/deep/c.csv": "3", "sub-not/d.csv": "4"}
    return upload_tree(store, write_files(tmp_path / "source", files))


@pytest.mark.parametrize("kind", ["store", "local_store"])
def test_an_odd_tree_comes_back_byte_for_byte(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store: Store = request.getfixturevalue(kind)
    source = make_odd_tree(tmp_path / "source")
    destination = tmp_path / "not" / "there yet"
    assert download(store, upload_tree(store, source), destination) == 13
    assert snapshot(destination) == snapshot(source)


def test_an_odd_tree_comes_back_for_a_user_without_privileges(store: Store) -> None:
    with ordinary_user() as home:
        source = make_odd_tree(home / "source")
        download(store, upload_tree(store, source), home / "destination")
        assert snapshot(home / "destination") == snapshot(source)
        with pytest.raises(PermissionError):
            (home / "destination/read-only/new").write_text("x")


@pytest.mark.parametrize("size_bytes", [0, 1, 65_535, 65_536, 65_537, 262_145, 3_000_000])
def test_a_file_of_any_size_comes_back(store: Store, tmp_path: Path, size_bytes: int) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x").write_bytes(random_bytes("x", size_bytes))
    download(store, upload_tree(store, tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / "out" / "x").read_bytes() == random_bytes("x", size_bytes)


def test_nothing_comes_back_as_an_empty_directory(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert download(store, upload_tree(store, tmp_path / "in"), tmp_path / "out") == 0
    assert list((tmp_path / "out").iterdir()) == []


_NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..", ".datamonignore") and len(name.encode()) < 200
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.lists(_NAME, min_size=1, max_size=3).map(tuple), st.binary(max_size=100), max_size=8))
def test_any_tree_of_any_names_comes_back(files: dict[tuple[str, ...], bytes]) -> None:
    store = memory_store()
    with ordinary_user() as home:
        source = home / "source"
        source.mkdir()
        for parts, content in files.items():
            path = source.joinpath(*parts)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue  # one name is both a file and a directory in this example
        download(store, upload_tree(store, source), home / "destination")
        assert snapshot(home / "destination") == snapshot(source)


def test_a_part_is_put_without_the_directories_above_it(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    assert download(store, bundle, tmp_path / "out", path="sub/") == 2
    assert sorted(snapshot(tmp_path / "out")) == ["b.csv", "deep", "deep/c.csv"]


def test_a_part_that_is_a_file_is_put_under_its_own_name(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    assert download(store, bundle, tmp_path / "out", path="sub/deep/c.csv") == 1
    assert (tmp_path / "out" / "c.csv").read_text() == "3"


def test_a_part_that_is_not_there_is_named_and_nothing_is_made(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"did you mean 'sub/b\.csv'"):
        download(store, bundle, tmp_path / "out", path="sub/x/b.csv")
    assert not (tmp_path / "out").exists()


def test_an_empty_destination_is_filled_and_keeps_its_own_mode(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o750)
    download(store, bundle, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


@pytest.mark.parametrize("present", ["other.csv", ".hidden", "sub/"])
def test_a_destination_that_is_not_empty_is_left_alone(
    store: Store, bundle: Bundle, tmp_path: Path, present: str
) -> None:
    path = tmp_path / "out" / present
    if present.endswith("/"):
        path.mkdir(parents=True)
    else:
        write_files(tmp_path / "out", {present: "mine"})
    before = snapshot(tmp_path)
    with pytest.raises(Conflict, match="not empty") as caught:
        download(store, bundle, tmp_path / "out")
    assert caught.value.code == "destination-not-empty"
    assert snapshot(tmp_path) == before


def test_a_destination_that_is_a_file_or_below_one_is_bad(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    write_files(tmp_path, {"file": "mine"})
    (tmp_path / "dangling").symlink_to("nowhere")
    for destination in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "dangling"):
        with pytest.raises(Invalid, match="is no directory") as caught:
            download(store, bundle, destination)
        assert caught.value.code == "bad-path"


def test_a_destination_that_may_not_be_written_is_denied_and_named(store: Store, tmp_path: Path) -> None:
    bundle = upload_tree(store, write_files(tmp_path / "in", {"a": "x"}))
    with ordinary_user() as home:
        (home / "closed").mkdir(mode=0o500)
        with pytest.raises(Denied, match="closed") as caught:
            download(store, bundle, home / "closed")
        assert caught.value.code == "unwritable"
        with pytest.raises(Denied, match="closed/below"):
            download(store, bundle, home / "closed" / "below")


def packs_of(store: Store) -> list[str]:
    """The keys of all packs."""
    return [stored.key for stored in store.blob.list(layout.PACKS)]


def flip(store: Store) -> None:
    """One byte in the middle of each pack is another."""
    for key in packs_of(store):
        content = bytearray(store.blob.get(key))
        content[len(content) // 3] ^= 1
        store.blob.put(key, bytes(content))


def lose(store: Store) -> None:
    """Every pack is gone."""
    for key in packs_of(store):
        store.blob.delete(key)


@pytest.mark.parametrize("damage", [flip, lose])
@pytest.mark.parametrize("made", [False, True])
def test_a_damaged_or_missing_pack_is_an_error_that_names_file_and_bundle_and_leaves_nothing(
    store: Store, tmp_path: Path, damage: Callable[[Store], None], made: bool
) -> None:
    (tmp_path / "in" / "0 dir").mkdir(parents=True)
    (tmp_path / "in" / "0 link").symlink_to("nowhere")
    (tmp_path / "in" / "big.bin").write_bytes(random_bytes("big", 900_000))
    bundle = upload_tree(store, tmp_path / "in")
    damage(store)
    if made:
        (tmp_path / "out").mkdir()
    with pytest.raises(Corrupt, match=rf"'big\.bin' of the bundle {bundle.id}") as caught:
        download(store, bundle, tmp_path / "out")
    assert (caught.value.path, caught.value.bundle) == ("big.bin", bundle.id)
    assert (tmp_path / "out").exists() == made
    assert not made or list((tmp_path / "out").iterdir()) == []


def test_a_damaged_manifest_is_an_error_that_names_the_bundle(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    store.metadata.put(layout.manifest(bundle.manifest), b"{}")
    with pytest.raises(Corrupt, match=str(bundle.id)):
        download(store, bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [1, 2, 5, 9, 14])
def test_an_interrupt_at_any_moment_leaves_no_half_file(store: Store, tmp_path: Path, number: int) -> None:
    bundle = upload_tree(store, make_odd_tree(tmp_path / "in"))
    with pytest.raises(KeyboardInterrupt):
        download(store, bundle, tmp_path / "new" / "out", progress=Interrupting(number))
    assert not (tmp_path / "new").exists()


def test_no_room_is_said_with_the_file_and_nothing_is_left(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("fits")
    (tmp_path / "in" / "big.bin").write_bytes(random_bytes("big", 900_000))
    bundle = upload_tree(store, tmp_path / "in")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(Unavailable, match=r"big\.bin") as caught:
            download(store, bundle, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code == "disk-full"
    assert not (tmp_path / "out").exists()


def test_what_was_in_the_way_of_a_failed_download_is_not_removed(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(KeyboardInterrupt):
        download(store, bundle, tmp_path / "new" / "out", progress=Interrupting(2))
    assert snapshot(tmp_path / "new") == {}


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param([entry("../escaped")], id="up"),
        pytest.param([entry("/tmp/datamon-escaped")], id="absolute"),
        pytest.param([entry("a"), entry("a", seed=1)], id="twice"),
        pytest.param([entry("a", "symlink", target="/tmp"), entry("a/escaped")], id="through a symlink"),
        pytest.param([entry("a"), entry("a/b")], id="below a file"),
        pytest.param([entry("a/b")], id="below nothing"),
        pytest.param([entry("a", "symlink")], id="symlink to nothing"),
        pytest.param([entry("b"), entry("a")], id="out of order"),
    ],
)
def test_a_hostile_manifest_is_refused_before_anything_is_written(
    store: Store, tmp_path: Path, tree: list[TreeEntry]
) -> None:
    bundle = commit_manifest(store, crafted_manifest(store.metadata, [entry("!"), *tree]))
    with pytest.raises(Invalid) as caught:
        download(store, bundle, tmp_path / "out" / "here")
    assert caught.value.code == "unsafe-path"
    assert list(tmp_path.iterdir()) == []


def test_a_symlink_planted_in_the_destination_meanwhile_is_not_written_through(store: Store, tmp_path: Path) -> None:
    files = {f"d{number:02d}/x": "x" for number in range(50)}  # so many that no directory stays open
    bundle = upload_tree(store, write_files(tmp_path / "in", {**files, "z/secret": "mine"}))
    outside = tmp_path / "outside"
    outside.mkdir()

    class Planting(Interrupting):
        def advance(self, files: int, size_bytes: int) -> None:
            below = tmp_path / "out" / "z"
            if below.is_dir() and not below.is_symlink():
                below.rmdir()
                below.symlink_to(outside)

    with pytest.raises(Invalid, match="z/secret") as caught:
        download(store, bundle, tmp_path / "out", progress=Planting(0))
    assert caught.value.code == "unsafe-path"
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_an_entry_that_does_not_say_what_lies_elsewhere_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    external = entry("far.csv", "external", target='{"url":"gs://elsewhere/far.csv"}')
    bundle = commit_manifest(store, crafted_manifest(store.metadata, [external]))
    with pytest.raises(Corrupt, match=r"far\.csv"):
        download(store, bundle, tmp_path / "out")


def test_right_chunks_in_the_wrong_order_are_no_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "big.bin").write_bytes(random_bytes("big", 900_000))
    bundle = upload_tree(store, tmp_path / "in")
    (whole,) = iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest))
    assert whole.recipe is not None
    level, rows = whole.recipe[:1], [whole.recipe[at : at + 36] for at in range(1, len(whole.recipe), 36)]
    assert level == b"\0"
    assert rows[0] != rows[1]
    turned = replace(whole, recipe=b"".join([level, rows[1], rows[0], *rows[2:]]))
    other = commit_manifest(store, crafted_manifest(store.metadata, [turned]))
    with pytest.raises(Corrupt, match=r"big\.bin") as caught:
        download(store, other, tmp_path / "out")
    assert caught.value.code == "bad-bytes"
    assert not (tmp_path / "out").exists()


def test_one_file_goes_into_a_directory_under_its_own_name(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    write_files(tmp_path / "out", {"other.csv": "mine"})
    assert download_file(store, bundle, "sub/b.csv", tmp_path / "out") == tmp_path / "out" / "b.csv"
    assert download_file(store, bundle, "./a.csv", tmp_path / "new" / "er") == tmp_path / "new" / "er" / "a.csv"
    assert (tmp_path / "out" / "b.csv").read_text() == "2"
    assert (tmp_path / "new" / "er" / "a.csv").read_text() == "1"
    assert (tmp_path / "out" / "other.csv").read_text() == "mine"


def test_one_file_that_is_there_already_is_fine_and_another_in_its_place_is_not_overwritten(
    store: Store, bundle: Bundle, tmp_path: Path
) -> None:
    download_file(store, bundle, "a.csv", tmp_path)
    os.utime(tmp_path / "a.csv", ns=(1, 1))
    assert download_file(store, bundle, "a.csv", tmp_path).stat().st_mtime_ns == 1
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(Conflict, match=r"a\.csv") as caught:
        download_file(store, bundle, "a.csv", tmp_path)
    assert caught.value.code == "destination-not-empty"
    assert (tmp_path / "a.csv").read_text() == "mine"


def test_a_directory_is_not_one_file(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    for path in ("sub", "", "sub/deep/"):
        with pytest.raises(Invalid, match="is a directory"):
            download_file(store, bundle, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_file_whose_bytes_are_gone_leaves_nothing(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    lose(store)
    write_files(tmp_path / "out", {"other.csv": "mine"})
    with pytest.raises(Corrupt, match=r"a\.csv"):
        download_file(store, bundle, "a.csv", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other.csv"]
