"""What the kernel is told of a tree, without a kernel: listings in pieces, and a store that fails."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import Denied, Unavailable
from datamon.store.mount.bundle_tree import BundleTree
from datamon.store.mount.operations import ReadOnlyOperations
from datamon.store.mount.repo_tree import RepoTree
from datamon.store.mount.tree import Attributes, Room
from datamon.store.opening import Store
from datamon.store.refs import set_label
from datamon.store.repos import find_repo
from datamon.store.serving.decoded_chunks import DecodedChunks
from datamon.store.serving.served_file import ServedFile
from datamon.store.testing.trees import upload_tree, write_files


def failing(number: int) -> AbstractContextManager[object]:
    """The block fails with this number of the system's."""
    return pytest.raises(OSError, check=lambda error: error.errno == number)


FILE = Attributes(stat.S_IFREG | 0o644, 3, 5, 7)
DIRECTORY = Attributes(stat.S_IFDIR | 0o755, 4096, 5, 8)


class Failing:
    """A tree whose every answer is one error."""

    changes = False
    hears_misses = False

    def __init__(self, error: Exception) -> None:
        self._error = error

    def attributes(self, _path: str) -> Attributes:
        """Fails."""
        raise self._error

    def children(self, _path: str, _after: str) -> Iterator[tuple[str, Attributes]]:
        """Fails."""
        raise self._error

    def target(self, _path: str) -> str:
        """Fails."""
        raise self._error

    def open(self, _path: str) -> ServedFile:
        """Fails."""
        raise self._error

    def labels(self, _path: str) -> dict[str, bytes]:
        """Fails."""
        raise self._error

    def room(self) -> Room:
        """Fails."""
        raise self._error


class Listed(Failing):
    """A directory of so many files."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(NotImplementedError())
        self._names = names

    def attributes(self, _path: str) -> Attributes:
        """The directory's."""
        return DIRECTORY

    def children(self, _path: str, _after: str) -> Iterator[tuple[str, Attributes]]:
        """The files."""
        return ((name, FILE) for name in self._names)


@given(count=st.integers(0, 30), pieces=st.lists(st.integers(1, 9), min_size=1), back=st.integers(0, 40))
def test_a_listing_in_pieces_is_the_listing_and_goes_on_from_any_place(
    count: int, pieces: list[int], back: int
) -> None:
    whole = [".", "..", *(f"{n:02}" for n in range(count))]
    operations = ReadOnlyOperations(Listed(whole[2:]), print, lambda: None)
    handle = operations.opendir("/")
    found: list[str] = []
    turn = 0
    while True:
        taken = 0
        for name, told, place in operations.readdir_with_offset("/", len(found), handle):
            if taken == pieces[turn % len(pieces)]:
                break  # as the kernel does when its room is full: this one was not taken
            assert place == len(found) + 1
            assert set(told) == {"st_mode", "st_ino"}
            found.append(name)
            taken += 1
        if not taken:
            break
        turn += 1
    assert found == whole
    rest = [name for name, _, _ in operations.readdir_with_offset("/", min(back, len(whole)), handle)]
    assert rest == whole[min(back, len(whole)) :]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (Unavailable("backend-unavailable", "gs://x does not answer; try again"), errno.EIO),
        (Denied("unreadable", "gs://x refuses to be read; ask for the right"), errno.EACCES),
        (OSError(errno.ENOENT, "nothing"), errno.ENOENT),
        (RuntimeError("a fault of ours"), errno.EIO),
    ],
)
def test_a_failure_has_its_number_and_is_told_once(error: Exception, number: int) -> None:
    told: list[str] = []
    operations = ReadOnlyOperations(Failing(error), told.append, lambda: None)
    asked = (operations.getattr, operations.readlink, operations.listxattr, operations.statfs, operations.opendir)
    for ask in (*asked, *asked):
        with failing(number):
            ask("/a/b")
    with failing(number):
        operations.open("/a/b", os.O_RDONLY)
    assert len(told) == (0 if isinstance(error, OSError) else 1)


def test_a_write_is_refused_before_the_tree_is_asked() -> None:
    operations = ReadOnlyOperations(Failing(NotImplementedError()), print, lambda: None)
    for flags in (os.O_WRONLY, os.O_RDWR | os.O_CREAT):
        with failing(errno.EROFS):
            operations.open("/a", flags)


def test_a_bundle_answers_by_path(store: Store, tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"a/b.txt": "content", "c": ""})
    (tree / "to").symlink_to("a/b.txt")
    bundle = upload_tree(store, tree)
    read: list[tuple[str, str]] = []
    with DecodedChunks(store.chunks) as decoded:
        shown = BundleTree(store, bundle, decoded, lambda kind, path: read.append((kind, path)))
        assert [name for name, _ in shown.children("", "")] == ["a", "c", "to"]
        assert [name for name, _ in shown.children("", "a")] == ["c", "to"]
        assert shown.open("a/b.txt").read(3, 100) == b"tent"
        assert shown.target("to") == "a/b.txt"
        assert shown.attributes("to").size_bytes == len("a/b.txt")
        with failing(errno.EISDIR):
            shown.open("a")
        with failing(errno.ENOENT):
            shown.open("nothing")
        with failing(errno.ENOTDIR):
            list(shown.children("c", ""))
    assert read == [("read", "/"), ("read", "a/b.txt"), ("absent", "nothing")]


def test_a_repo_answers_for_its_refs_and_bundles(store: Store, tmp_path: Path) -> None:
    bundle = upload_tree(store, write_files(tmp_path / "tree", {"f": "one"}))
    repo = find_repo(store, "raw")
    set_label(store, repo, "prod", bundle.id)
    with DecodedChunks(store.chunks) as decoded:
        shown = RepoTree(store, repo, decoded)
        assert [name for name, _ in shown.children("", "")] == ["branches", "bundles", "labels"]
        assert [name for name, _ in shown.children("labels", "")] == ["prod"]
        assert shown.target("labels/prod") == f"../bundles/{bundle.id}"
        assert shown.open(f"bundles/{bundle.id}/f").read(0, 10) == b"one"
        assert [name for name, _ in shown.children(f"bundles/{bundle.id}", "")] == ["f"]
        for missing in ("other", "labels/none", "branches/prod", "labels/prod/f", "bundles/none/f"):
            with failing(errno.ENOENT):
                shown.attributes(missing)
        for directory in ("", "labels", "bundles", f"bundles/{bundle.id}"):
            assert stat.S_ISDIR(shown.attributes(directory).mode)
            with failing(errno.EISDIR):
                shown.open(directory)
        assert shown.room() == Room(3, bundle.entries)
