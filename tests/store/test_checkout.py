"""Checkout: a directory follows bundles, and what people did in it is never lost."""

import mmap
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Conflict, Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.checkout import changed_paths, checkout
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.repos import find_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.trees import make_odd_tree, snapshot, upload_tree, write_files
from datamon.store.testing.users import ordinary_user
from datamon.store.worktree import read_note, write_note

OLD = {"a.csv": "1", "same.csv": "s", "sub/b.csv": "2", "sub/deep/c.csv": "3", "to-dir": "x", "to-file/x": "x"}
NEW = {"a.csv": "one", "same.csv": "s", "new/d.csv": "4", "sub/b.csv": "2", "to-dir/x": "y", "to-file": "y"}


@pytest.fixture
def old(store: Store, tmp_path: Path) -> Bundle:
    """A bundle of `OLD`."""
    return upload_tree(store, write_files(tmp_path / "old", OLD))


@pytest.fixture
def new(store: Store, tmp_path: Path) -> Bundle:
    """A bundle of `NEW`, which differs in every way."""
    return upload_tree(store, write_files(tmp_path / "new", NEW))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "work" / "raw"


def test_an_absent_directory_is_filled_without_a_marker(store: Store, old: Bundle, work: Path, tmp_path: Path) -> None:
    checkout(store, old, work)
    assert snapshot(work) == snapshot(tmp_path / "old")


def test_a_directory_that_datamon_filled_is_brought_to_another_bundle_and_back(
    store: Store, old: Bundle, new: Bundle, work: Path, tmp_path: Path
) -> None:
    for bundle, like in ((old, "old"), (new, "new"), (old, "old"), (old, "old"), (new, "new")):
        checkout(store, bundle, work)
        assert snapshot(work) == snapshot(tmp_path / like)
        assert changed_paths(store, work) == []


def test_only_what_differs_is_touched(store: Store, old: Bundle, new: Bundle, work: Path) -> None:
    checkout(store, old, work)
    before = {path: (work / path).stat().st_ino for path in ("same.csv", "sub/b.csv", "a.csv")}
    checkout(store, new, work)
    after = {path: (work / path).stat().st_ino for path in before}
    assert after["same.csv"] == before["same.csv"]
    assert after["sub/b.csv"] == before["sub/b.csv"]
    assert after["a.csv"] != before["a.csv"]


def test_a_second_checkout_of_the_same_bundle_writes_nothing(store: Store, old: Bundle, work: Path) -> None:
    checkout(store, old, work)
    before = {path: path.lstat() for path in [work, *work.rglob("*")]}
    checkout(store, old, work)
    assert {path: path.lstat().st_ctime_ns for path in before} == {p: s.st_ctime_ns for p, s in before.items()}


def test_modes_and_times_alone_are_brought_over_too(store: Store, old: Bundle, work: Path, tmp_path: Path) -> None:
    checkout(store, old, work)
    (tmp_path / "old" / "a.csv").chmod(0o600)
    os.utime(tmp_path / "old" / "sub", ns=(5, 5))
    (tmp_path / "old" / "to-file").chmod(0o711)
    checkout(store, upload_tree(store, tmp_path / "old"), work)
    assert snapshot(work) == snapshot(tmp_path / "old")


def test_an_odd_tree_is_brought_to_nothing_and_back_without_privileges(store: Store) -> None:
    with ordinary_user() as home:
        odd = upload_tree(store, make_odd_tree(home / "odd"))
        other = upload_tree(store, write_files(home / "other", {"read-only/new.txt": "x", "dangling": "no link"}))
        for bundle, like in ((odd, "odd"), (other, "other"), (odd, "odd")):
            checkout(store, bundle, home / "work")
            assert snapshot(home / "work") == snapshot(home / like)


def test_a_part_can_take_the_place_of_another(store: Store, old: Bundle, work: Path, tmp_path: Path) -> None:
    checkout(store, old, work, path="sub")
    assert snapshot(work) == snapshot(tmp_path / "old" / "sub")
    checkout(store, old, work, path="sub/deep/c.csv")
    assert list(snapshot(work)) == ["c.csv"]
    checkout(store, old, work, path="sub/deep/")
    assert list(snapshot(work)) == ["c.csv"]


def edit(work: Path) -> None:
    (work / "a.csv").write_text("X")


def edit_unseen(work: Path) -> None:
    status = (work / "a.csv").stat()
    (work / "a.csv").write_text("X")
    os.utime(work / "a.csv", ns=(status.st_mtime_ns, status.st_mtime_ns))


def add(work: Path) -> None:
    (work / "sub" / "mine.csv").write_text("mine")


def delete(work: Path) -> None:
    (work / "sub" / "b.csv").unlink()


def make_executable(work: Path) -> None:
    (work / "same.csv").chmod(0o755)


def plant(work: Path) -> None:
    (work / "sub" / "deep" / "c.csv").unlink()
    (work / "sub" / "deep").rmdir()
    (work / "sub" / "deep").symlink_to("/tmp")


def add_directory(work: Path) -> None:
    (work / "empty").mkdir()


def add_fifo(work: Path) -> None:
    os.mkfifo(work / "queue")


def add_latin(work: Path) -> None:
    (work / os.fsdecode(b"caf\xe9")).write_text("x")


EDITS = [
    (edit, ["a.csv"]),
    (edit_unseen, ["a.csv"]),
    (add, ["sub/mine.csv"]),
    (delete, ["sub/b.csv"]),
    (make_executable, ["same.csv"]),
    (plant, ["sub/deep", "sub/deep/c.csv"]),
    (add_directory, ["empty"]),
    (add_fifo, ["queue"]),
    (add_latin, ["caf\\xe9"]),
]


@pytest.mark.parametrize(("change", "paths"), EDITS)
def test_a_local_edit_is_listed_and_nothing_is_touched(
    store: Store, old: Bundle, new: Bundle, work: Path, change: Callable[[Path], None], paths: list[str]
) -> None:
    checkout(store, old, work)
    change(work)
    held = sorted(os.fsencode(path) for path in work.rglob("*"))
    assert changed_paths(store, work) == paths
    for bundle in (old, new):
        with pytest.raises(Conflict, match=r"was edited.*sub|was edited.*'") as caught:
            checkout(store, bundle, work)
        assert caught.value.code == "local-edits"
        assert caught.value.edits == paths
    assert sorted(os.fsencode(path) for path in work.rglob("*")) == held


def test_only_ten_edits_are_listed_with_the_number_of_the_others(store: Store, old: Bundle, work: Path) -> None:
    checkout(store, old, work)
    write_files(work, {f"mine{number:02d}": "x" for number in range(13)})
    with pytest.raises(Conflict, match=r"'mine00', .*'mine09' and 3 more"):
        checkout(store, old, work)


def test_looking_for_edits_leaves_no_trace(store: Store, old: Bundle, work: Path) -> None:
    checkout(store, old, work)
    before = {path: path.lstat().st_ctime_ns for path in [work, *work.rglob("*")]}
    assert changed_paths(store, work) == []
    assert {path: path.lstat().st_ctime_ns for path in [work, *work.rglob("*")]} == before


def test_a_touched_file_is_no_edit(store: Store, old: Bundle, new: Bundle, work: Path, tmp_path: Path) -> None:
    checkout(store, old, work)
    os.utime(work / "same.csv", ns=(1, 1))
    assert changed_paths(store, work) == []
    checkout(store, new, work)
    assert snapshot(work) == snapshot(tmp_path / "new")


def test_a_directory_of_others_is_left_alone(store: Store, old: Bundle, work: Path) -> None:
    write_files(work, {"mine.csv": "mine"})
    with pytest.raises(Conflict, match=r"mine\.csv") as caught:
        checkout(store, old, work)
    assert caught.value.code == "destination-not-empty"
    assert list(snapshot(work)) == ["mine.csv"]
    assert changed_paths(store, work) == ["mine.csv"]


def test_a_directory_whose_files_were_all_removed_is_filled_again(store: Store, old: Bundle, work: Path) -> None:
    checkout(store, old, work)
    for path in sorted(work.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    checkout(store, old, work)
    assert changed_paths(store, work) == []


def test_of_a_directory_that_is_gone_everything_is_changed(store: Store, old: Bundle, work: Path) -> None:
    checkout(store, old, work)
    work.rename(work.with_name("elsewhere"))
    assert set(OLD) < set(changed_paths(store, work))
    with pytest.raises(NotFound):
        changed_paths(store, work.with_name("never"))


def test_a_file_in_the_place_of_the_directory_is_bad(store: Store, old: Bundle, tmp_path: Path) -> None:
    write_files(tmp_path, {"file": "mine"})
    with pytest.raises(Invalid) as caught:
        checkout(store, old, tmp_path / "file")
    assert caught.value.code == "bad-path"


def test_a_directory_is_the_same_by_any_of_its_names(store: Store, old: Bundle, new: Bundle, work: Path) -> None:
    checkout(store, old, work)
    (work.parent / "link").symlink_to(work)
    checkout(store, new, work.parent / "link")
    assert changed_paths(store, work.parent / "." / "raw") == []


def test_another_process_knows_what_was_put_there(
    local_store: Store, reopen: Callable[[], Store], work: Path, tmp_path: Path
) -> None:
    bundle = upload_tree(local_store, write_files(tmp_path / "old", OLD))
    checkout(local_store, bundle, work)
    other = upload_tree(local_store, write_files(tmp_path / "new", NEW))
    checkout(reopen(), other, work)
    assert snapshot(work) == snapshot(tmp_path / "new")
    assert changed_paths(reopen(), work) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"format":1}', b'{"format":2}', b"\xff", b"[]"])
def test_a_note_that_cannot_be_read_counts_as_none(
    local_store: Store, work: Path, tmp_path: Path, content: bytes
) -> None:
    bundle = upload_tree(local_store, write_files(tmp_path / "old", OLD))
    checkout(local_store, bundle, work)
    [note] = (tmp_path / "store" / "state").rglob("*.json")
    note.write_bytes(content)
    with pytest.raises(Conflict) as caught:
        checkout(local_store, bundle, work)
    assert caught.value.code == "destination-not-empty"


def test_a_note_of_another_store_counts_as_none(store: Store, local_store: Store, work: Path, tmp_path: Path) -> None:
    store.state_dir = local_store.state_dir
    bundle = upload_tree(store, write_files(tmp_path / "old", OLD))
    checkout(store, bundle, work)
    with pytest.raises(Conflict) as caught:
        checkout(local_store, upload_tree(local_store, tmp_path / "old"), work)
    assert caught.value.code == "destination-not-empty"


def test_times_stand_for_content_only_once_they_are_older_than_the_hash(store: Store, old: Bundle, work: Path) -> None:
    checkout(store, old, work)
    later = replace(read_note(store, work) or pytest.fail("no note"), hashed_ns=10**19)
    write_note(store, work, later)
    status = (work / "a.csv").stat()
    (work / "a.csv").write_text("X")  # by the note above this was before the hash, so its times are believed
    os.utime(work / "a.csv", ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert changed_paths(store, work) == []
    write_note(store, work, replace(later, hashed_ns=(work / "a.csv").stat().st_ctime_ns + 1_999_999_999))
    assert changed_paths(store, work) == ["a.csv"]
    write_note(store, work, replace(later, inode=later.inode + 1))
    assert changed_paths(store, work) == ["a.csv"]


def swap(one: Path, other: Path) -> None:
    """Each has the other's name."""
    one.rename(one.with_name("between"))
    other.rename(one)
    one.with_name("between").rename(other)


def test_files_that_came_by_renaming_a_directory_are_not_believed_by_their_times(
    store: Store, tmp_path: Path, work: Path
) -> None:
    source = write_files(tmp_path / "in", {"one/x": "1", "two/x": "2"})
    for path in ("one/x", "two/x"):
        os.utime(source / path, ns=(5, 5))
    checkout(store, upload_tree(store, source), work)
    note = read_note(store, work) or pytest.fail("no note")
    # As if the files were older than the hash, and only then the directories changed places.
    limit_ns = max((work / path).stat().st_ctime_ns for path in ("one/x", "two/x"))
    write_note(store, work, replace(note, hashed_ns=limit_ns + 2_000_000_000))
    for _ in range(100_000):  # until the file system's clock has ticked
        swap(work / "one", work / "two")
        if min((work / path).stat().st_ctime_ns for path in ("one", "two")) > limit_ns:
            break
    if (work / "one" / "x").read_text() == "1":
        swap(work / "one", work / "two")
    assert changed_paths(store, work) == ["one/x", "two/x"]


def test_a_corrupt_bundle_leaves_an_empty_directory_empty_and_it_can_be_filled_later(
    store: Store, old: Bundle, work: Path, tmp_path: Path
) -> None:
    [pack] = [stored.key for stored in store.blob.list(layout.PACKS)]
    content = store.blob.get(pack)
    store.blob.delete(pack)
    with pytest.raises(Corrupt, match="of the bundle"):
        checkout(store, old, work)
    assert not work.exists()
    store.blob.put(pack, content)
    checkout(store, old, work)
    assert snapshot(work) == snapshot(tmp_path / "old")


_TREES = st.dictionaries(st.sampled_from(["a", "b", "d/a", "d/b", "d/e/f", "x/y", "l"]), st.sampled_from("12"))


@settings(max_examples=25, deadline=None)
@given(st.lists(_TREES, min_size=2, max_size=4))
def test_whatever_bundles_follow_each_other_the_directory_is_the_last(trees: list[dict[str, str]]) -> None:
    store = memory_store()  # one for each example, where a fixture would be one for all
    with ordinary_user() as home:
        for number, files in enumerate(trees):
            source = write_files(home / str(number), files)
            bundle = upload_tree(store, source)
            checkout(store, bundle, home / "work")
            assert snapshot(home / "work") == snapshot(source)
            held = iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest))
            assert {entry.path for entry in held} == set(snapshot(home / "work"))


def test_a_file_that_is_mapped_for_writing_keeps_times_from_standing_for_content(
    store: Store, old: Bundle, work: Path
) -> None:
    checkout(store, old, work)
    with open(work / "a.csv", "r+b") as file, mmap.mmap(file.fileno(), 1) as page:
        assert changed_paths(store, work) == []
        note = read_note(store, work) or pytest.fail("no note")
        assert note.hashed_ns == 0
        page[0] = ord("X")
        assert changed_paths(store, work) == ["a.csv"]


def forget_bundle(store: Store, bundle: Bundle) -> None:
    """The bundle is deleted and collected."""
    delete_bundles(store, find_repo(store, "raw"), DeleteRequest((bundle.id,), force=True))
    collect(store, GcRequest(grace_ns=0))


def test_a_directory_whose_bundle_was_collected_is_brought_on_where_times_prove_it_untouched(
    store: Store, old: Bundle, work: Path, tmp_path: Path
) -> None:
    checkout(store, old, work)
    write_note(store, work, replace(read_note(store, work) or pytest.fail("no note"), hashed_ns=10**19))
    forget_bundle(store, old)
    checkout(store, upload_tree(store, write_files(tmp_path / "new", NEW)), work)
    assert snapshot(work) == snapshot(tmp_path / "new")


def test_a_directory_whose_bundle_was_collected_is_left_alone_where_nothing_proves_it_untouched(
    store: Store, old: Bundle, work: Path, tmp_path: Path
) -> None:
    checkout(store, old, work)
    forget_bundle(store, old)
    (work / "a.csv").write_text("an edit")
    before = snapshot(work)
    with pytest.raises(Conflict, match="deleted and collected") as caught:
        checkout(store, upload_tree(store, write_files(tmp_path / "new", NEW)), work)
    assert caught.value.code == "local-edits"
    assert snapshot(work) == before
