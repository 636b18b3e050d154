"""Files that are edited behind the clock's back, while they are read, or in any way at all: no bundle is ever wrong."""

import mmap
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.store import file_times
from datamon.store.file_times import mapped_inodes, trusted_time_ns
from datamon.store.opening import Store, memory_store
from datamon.store.put_tree import TreeSource, put_tree
from datamon.store.stat_cache import FOLDER
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.file_clock import next_tick
from datamon.store.testing.stat_caches import OLD_NS, Reading, on_disk, put
from datamon.store.testing.trees import write_files
from datamon.store.walk import open_tree

no_guard = pytest.mark.usefixtures("_no_guard")


def test_what_was_written_less_than_two_seconds_before_it_was_read_is_read_again(kept: Store, root: Path) -> None:
    write_files(root, {"a": "xx"})
    status = (root / "a").stat()
    put_tree(kept, TreeSource(root))
    (root / "a").write_text("yy")  # perhaps in the same tick of the clock
    os.utime(root / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    reading = Reading()
    manifest = put_tree(kept, TreeSource(root), progress=reading).manifest
    assert reading.files == 1
    assert manifest == put_tree(memory_store(), TreeSource(root)).manifest


@pytest.mark.parametrize("times", ["both", "change"])
def test_what_is_younger_than_the_guard_is_read_again_although_its_times_are_the_same(
    times: str, kept: Store, root: Path
) -> None:
    """A clock with coarse ticks would give an edit the times that the file has."""
    write_files(root, {"a": "xx"})
    if times == "change":
        os.utime(root / "a", ns=(OLD_NS, OLD_NS))  # which the change time tells of
    next_tick(root)
    put_tree(kept, TreeSource(root))
    reading = Reading()
    put_tree(kept, TreeSource(root), progress=reading)
    assert reading.files == 1


def test_a_young_file_that_is_removed_is_in_no_later_bundle(kept: Store, root: Path) -> None:
    """It was not trusted, so that nothing that is remembered of the directory has it."""
    write_files(root, {"a": "x"})
    put_tree(kept, TreeSource(root))
    (root / "a").unlink()
    assert put_tree(kept, TreeSource(root)).manifest == put_tree(memory_store(), TreeSource(root)).manifest


@no_guard
def test_a_same_size_edit_whose_time_was_set_back_is_seen(kept: Store, root: Path) -> None:
    write_files(root, {"a": "xx"})
    os.utime(root / "a", ns=(OLD_NS, OLD_NS))
    put(kept, root)
    (root / "a").write_text("yy")
    os.utime(root / "a", ns=(OLD_NS, OLD_NS))
    assert put(kept, root)[0] == 1


@no_guard
def test_an_edit_through_a_hard_link_outside_the_tree_is_seen(kept: Store, root: Path, tmp_path: Path) -> None:
    write_files(root, {"a": "xx"})
    os.link(root / "a", tmp_path / "elsewhere")
    put(kept, root)
    (tmp_path / "elsewhere").write_text("yy")
    os.utime(tmp_path / "elsewhere", ns=(OLD_NS, OLD_NS))
    assert put(kept, root)[0] == 1


@no_guard
def test_files_that_change_places_are_read_again(kept: Store, root: Path) -> None:
    write_files(root, {"a": "xx", "b": "yy"})
    for name in ("a", "b"):
        os.utime(root / name, ns=(OLD_NS, OLD_NS))
    put(kept, root)
    (root / "a").rename(root / "c")
    (root / "b").rename(root / "a")
    (root / "c").rename(root / "b")
    assert put(kept, root)[0] == 2


@no_guard
def test_a_directory_put_in_the_place_of_another_is_read(kept: Store, root: Path, tmp_path: Path) -> None:
    for directory, content in ((root / "d", "xx"), (tmp_path / "other", "yy")):
        write_files(directory, {"a": content})
        os.utime(directory / "a", ns=(OLD_NS, OLD_NS))
        os.utime(directory, ns=(OLD_NS, OLD_NS))
    put(kept, root)
    (root / "d").rename(tmp_path / "gone")
    (tmp_path / "other").rename(root / "d")
    assert put(kept, root)[0] == 1


@no_guard
def test_another_directory_under_the_same_path_is_read(kept: Store, root: Path, tmp_path: Path) -> None:
    write_files(root, {"a": "xx"})
    put(kept, root)
    root.rename(tmp_path / "moved")
    write_files(root, {"a": "yy"})
    assert put(kept, root)[0] == 1


@no_guard
def test_a_write_through_a_mapping_that_was_there_before_is_seen_though_it_sets_no_time(
    kept: Store, root: Path
) -> None:
    (root / "a").write_bytes(b"x" * 4096)
    with (root / "a").open("r+b") as stream, mmap.mmap(stream.fileno(), 4096) as page:
        page[0] = 1
        assert (root / "a").stat().st_ino in mapped_inodes()
        put(kept, root)
        before = (root / "a").stat()
        page[1] = 2
        assert (root / "a").stat().st_ctime_ns == before.st_ctime_ns  # else this test shows nothing
        assert put(kept, root)[0] == 1


@no_guard
def test_a_write_through_a_mapping_made_later_is_seen(kept: Store, root: Path) -> None:
    (root / "a").write_bytes(b"x" * 4096)
    put(kept, root)
    with (root / "a").open("r+b") as stream, mmap.mmap(stream.fileno(), 4096) as page:
        page[0] = 1
    os.utime(root / "a", ns=(OLD_NS, OLD_NS))
    assert put(kept, root)[0] == 1


class Meddling(Reading):
    """A listener that does something to a file each time that some of it has been read."""

    def __init__(self, meddle: Callable[[], None]) -> None:
        super().__init__()
        self._meddle = meddle

    def advance(self, files: int, size_bytes: int) -> None:
        super().advance(files, size_bytes)
        self._meddle()


@no_guard
def test_a_file_that_changes_while_it_is_read_is_read_again_next_time(kept: Store, root: Path) -> None:
    (root / "a").write_bytes(random_bytes("old", 8_000_000))
    new = random_bytes("new", 8_000_000)
    next_tick(root)
    put_tree(kept, TreeSource(root), progress=Meddling(lambda: write_once(root / "a", new)))
    assert put(kept, root)[0] == 1


@no_guard
def test_a_file_that_is_truncated_while_it_is_read_is_read_again_next_time(kept: Store, root: Path) -> None:
    (root / "a").write_bytes(random_bytes("old", 8_000_000))
    next_tick(root)
    put_tree(
        kept, TreeSource(root), progress=Meddling(lambda: os.truncate(root / "a", (root / "a").stat().st_size // 2))
    )
    assert put(kept, root)[0] == 1


def write_once(path: Path, content: bytes) -> None:
    """The file has this content."""
    if path.read_bytes() != content:
        path.write_bytes(content)


def test_where_times_prove_nothing_there_is_no_cache(kept: Store) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("NOT TESTED: this machine has no tmpfs at /dev/shm")
    root = memory / f"datamon-test-{os.getpid()}"
    try:
        write_files(root, {"a": "x"})
        with open_tree(root) as tree:
            assert trusted_time_ns(tree) == 0  # a write through a mapping sets no time there
        put_tree(kept, TreeSource(root))
        assert kept.state_dir is not None
        assert not (kept.state_dir / FOLDER).exists()
    finally:
        shutil.rmtree(root)


def test_two_seconds_are_the_guard() -> None:
    assert file_times.GUARD_NS == 2 * 10**9


NAMES = ("a", "b", "d/a", "d/b", "e/a")
CONTENTS = (b"x" * 4096, b"y" * 4096, b"z" * 4096, b"x" * 70_000, b"y" * 70_000, b"")
DEEDS = ("write", "slip", "slip", "map", "set back", "swap", "link", "remove", "mode", "replace", "symlink")

Edit = tuple[str, str, str, int]
"""What is done, to which two paths, with which content."""
EDITS = st.tuples(
    st.sampled_from(DEEDS), st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, len(CONTENTS) - 1)
)


def edit(root: Path, what: str, one: str, two: str, content: int) -> None:
    """Does it, as far as it can be done."""
    path, second = root / one, root / two
    for each in (path, second):
        each.parent.mkdir(exist_ok=True)
    if what == "write":
        if path.is_symlink():
            path.unlink()
        path.write_bytes(CONTENTS[content])
    elif what == "symlink":
        path.unlink(missing_ok=True)
        path.symlink_to(two)
    elif what == "remove":
        path.unlink(missing_ok=True)
    elif path.is_file() and not path.is_symlink():
        edit_file(what, path, second)


def edit_file(what: str, path: Path, second: Path) -> None:
    """Does what can be done to a file that is there."""
    status = path.stat()
    if what == "slip":  # other bytes, no more and no fewer, at the same time
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif what == "map" and status.st_size:
        with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as page:
            page[0] ^= 1
    elif what == "set back":
        os.utime(path, ns=(OLD_NS, OLD_NS))
    elif what == "mode":
        path.chmod(status.st_mode ^ 0o100)
    elif what == "replace":
        path.rename(second)
    elif what == "link" and not os.path.lexists(second):
        os.link(path, second)
    elif what == "swap" and second.exists() and path != second:
        third = path.with_name("third")
        path.rename(third)
        second.rename(path)
        third.rename(second)


@no_guard
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.tuples(st.lists(EDITS, max_size=4), st.booleans()), min_size=2, max_size=6))
def test_whatever_is_edited_between_uploads_the_cache_changes_no_manifest(
    rounds: list[tuple[list[Edit], bool]], root: Path, tmp_path: Path
) -> None:
    shutil.rmtree(root)
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    root.mkdir()
    store, plain = on_disk(memory_store(), tmp_path / "state"), memory_store()
    for edits, waits in rounds:
        for each in edits:
            edit(root, *each)
        if waits:
            next_tick(root)
        assert put_tree(store, TreeSource(root)).manifest == put_tree(plain, TreeSource(root)).manifest
