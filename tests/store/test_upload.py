"""Upload: a tree goes in whole or not at all, and what cannot be kept is refused by name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.errors import Conflict, DatamonError, Denied, Invalid, NotFound, Unavailable
from datamon.store.chunk_store import read_file
from datamon.store.manifest import TreeEntry, iter_entries, read_manifest
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.put_tree import TreeSource, put_tree
from datamon.store.refs import set_label
from datamon.store.repos import create_repo, find_repo
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import Fault, FaultyBackend
from datamon.store.testing.trees import make_odd_tree, upload_tree, write_files
from datamon.store.testing.users import ordinary_user
from datamon.store.upload import UploadRequest, upload


class Watching:
    """A listener that notes totals and sums, and calls a function at each advance and one before the first file is read."""

    def __init__(self, then: Callable[[], None] = lambda: None, *, first: Callable[[], None] = lambda: None) -> None:
        self.totals: tuple[int | None, int | None] = (None, None)
        self.sums = [0, 0]
        self.ended = False
        self._then = then
        self._first = first

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        self.totals = (files, size_bytes)
        self._first()

    def advance(self, files: int, size_bytes: int) -> None:
        self.sums[0] += files
        self.sums[1] += size_bytes
        self._then()

    def end(self) -> None:
        self.ended = True


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree."""
    return write_files(tmp_path / "source", {"a.csv": "1,2\n", "sub/b.csv": "3,4\n"})


@pytest.fixture
def repo(store: Store) -> str:
    """A repo without bundles."""
    return create_repo(store, "raw", "for a test").name


def entries_by_path(store: Store, root: Path) -> dict[str, TreeEntry]:
    """The entries of the manifest of a directory."""
    manifest = put_tree(store, TreeSource(root)).manifest
    return {entry.path: entry for entry in iter_entries(store.metadata, manifest)}


def test_an_upload_is_a_bundle_with_branch_and_label_in_one_entry(store: Store, repo: str, source: Path) -> None:
    bundle = upload(store, UploadRequest(repo, source, "first", label="init"))
    state = store.logs.repo(find_repo(store, repo).id)
    assert state.refs["main"].bundle == state.refs["init"].bundle == bundle.id
    assert state.number == 1
    assert (bundle.message, bundle.entries, bundle.size_bytes) == ("first", 3, 8)
    assert read_manifest(store.metadata, bundle.manifest).content == bundle.content


def test_the_next_upload_has_the_head_of_its_branch_as_parent(store: Store, repo: str, source: Path) -> None:
    first = upload(store, UploadRequest(repo, source, "first"))
    second = upload(store, UploadRequest(repo, source, "second"))
    assert second.parents == (first.id,)
    assert (second.manifest, second.content) == (first.manifest, first.content)


def test_an_entry_says_what_the_file_system_says(store: Store, tmp_path: Path) -> None:
    root = make_odd_tree(tmp_path / "odd")
    entries = entries_by_path(store, root)
    assert set(entries) == {str(path.relative_to(root)) for path in root.rglob("*")}
    for path, entry in entries.items():
        status = (root / path).lstat()
        assert (entry.mode, entry.mtime_ns) == (status.st_mode & 0o7777, status.st_mtime_ns)
        assert entry.executable == (path == "run.sh")
        assert entry.size_bytes == (status.st_size if entry.kind == "file" else 0)
    assert entries["dangling"].target == "/nowhere/at all"
    assert entries["to-directory"].kind == "symlink"
    assert entries["hard-link"].kind == "file"
    assert entries["hard-link"].content == entries["private.key"].content
    assert entries["big.bin"].recipe is not None
    assert entries["zero"].recipe is None


def test_an_empty_tree_is_uploaded(store: Store, repo: str, tmp_path: Path) -> None:
    bundle = upload(store, UploadRequest(repo, tmp_path, "nothing"))
    assert (bundle.entries, bundle.size_bytes) == (0, 0)


def test_a_symlink_that_is_named_itself_is_entered(store: Store, source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    assert set(entries_by_path(store, tmp_path / "link")) == {"a.csv", "sub", "sub/b.csv"}


def test_touching_files_and_uploading_again_changes_no_content_and_stores_no_chunk(
    store: Store, repo: str, source: Path
) -> None:
    first = upload(store, UploadRequest(repo, source, "first"))
    packs = list(store.blob.list("packs/"))
    (source / "a.csv").chmod(0o600)
    os.utime(source / "a.csv", ns=(1, 1))
    second = upload(store, UploadRequest(repo, source, "second"))
    assert second.content == first.content
    assert second.manifest != first.manifest
    assert list(store.blob.list("packs/")) == packs


def test_progress_counts_every_file_and_byte_to_the_totals(store: Store, tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "x" * 10, "sub/b": ""})
    (tmp_path / "long").write_bytes(random_bytes("long", 300_000))
    watching = Watching()
    put_tree(store, TreeSource(tmp_path), progress=watching)
    assert watching.totals == (3, 300_010)
    assert watching.sums == [3, 300_010]
    assert watching.ended


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (lambda path: UploadRequest("unknown", path, ""), "repo-not-found"),
        (lambda path: UploadRequest("raw", path, "", label="kept"), "ref-frozen"),
        (lambda path: UploadRequest("raw", path, "", label="a/b"), "bad-name"),
        (lambda path: UploadRequest("raw", path, "", branch="kept"), "ref-exists"),
        (lambda path: UploadRequest("raw", path, "\udcff"), "bad-argument"),
    ],
)
def test_what_cannot_be_committed_is_refused_before_a_byte_is_read(
    store: Store, source: Path, request_of: Callable[[Path], UploadRequest], code: str
) -> None:
    bundle = upload_tree(store, source)
    set_label(store, find_repo(store, "raw"), "kept", bundle.id, frozen=True)
    os.mkfifo(source / "queue")  # would be refused as soon as it is seen
    keys = [stored.key for stored in (*store.blob.list(""), *store.metadata.list("log/"))]
    with pytest.raises((NotFound, Conflict, Invalid)) as caught:
        upload(store, request_of(source))
    assert caught.value.code == code
    assert [stored.key for stored in (*store.blob.list(""), *store.metadata.list("log/"))] == keys


def test_a_path_that_is_a_file_is_bad_and_says_what_to_name(store: Store, repo: str, source: Path) -> None:
    with pytest.raises(Invalid, match=r"a\.csv' is a file; name the directory") as caught:
        upload(store, UploadRequest(repo, source / "a.csv", ""))
    assert caught.value.code == "bad-path"


def test_a_path_that_is_not_there_is_named(store: Store, repo: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent") as caught:
        upload(store, UploadRequest(repo, tmp_path / "absent", ""))
    assert caught.value.code == "path-not-found"


def nothing_is_committed(store: Store, repo: str) -> bool:
    """Whether the repo and the blob backend are as new."""
    return store.logs.repo(find_repo(store, repo).id).number == 0 and not list(store.blob.list("packs/"))


def test_an_unreadable_file_is_named_and_nothing_is_committed(store: Store, repo: str) -> None:
    with ordinary_user() as home:
        write_files(home, {"a": "x", "sub/secret": "x", "z": "x"})
        (home / "sub" / "secret").chmod(0)
        with pytest.raises(Denied, match="sub/secret") as caught:
            upload(store, UploadRequest(repo, home, ""))
    assert caught.value.code == "unreadable"
    assert nothing_is_committed(store, repo)


def test_a_file_that_changes_once_while_it_is_read_is_read_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(random_bytes("old", 8_000_000))
    new = random_bytes("new", 8_000_000)

    def change() -> None:
        if path.read_bytes() != new:
            path.write_bytes(new)

    manifest = put_tree(store, TreeSource(tmp_path), progress=Watching(change)).manifest
    [entry] = iter_entries(store.metadata, manifest)
    assert entry.size_bytes == 8_000_000
    assert b"".join(read_file(store.chunks, entry.content, entry.size_bytes, entry.recipe)) == new


def test_a_file_that_goes_away_before_it_is_read_is_an_error_that_names_it(
    store: Store, repo: str, tmp_path: Path
) -> None:
    write_files(tmp_path, {"a": "x", "b": "x"})
    with pytest.raises(Invalid, match="b") as caught:
        upload(store, UploadRequest(repo, tmp_path, ""), progress=Watching(first=(tmp_path / "b").unlink))
    assert caught.value.code == "file-changed"
    assert nothing_is_committed(store, repo)


def test_a_directory_that_a_symlink_replaces_is_not_followed(store: Store, repo: str, tmp_path: Path) -> None:
    many = {f"d{number}/x": "x" for number in range(50)}  # so many that no directory stays open
    root = write_files(tmp_path / "tree", {"a": "x", "sub/b": "mine", **many})
    outside = write_files(tmp_path / "outside", {"b": "not mine"})

    def replace() -> None:
        if not (root / "sub").is_symlink():
            (root / "sub").rename(tmp_path / "moved")
            (root / "sub").symlink_to(outside)

    with pytest.raises(DatamonError, match="sub/b"):
        put_tree(store, TreeSource(root), progress=Watching(first=replace))
    assert nothing_is_committed(store, repo)


def test_an_interrupt_leaves_nothing_to_be_seen(store: Store, repo: str, source: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(store, UploadRequest(repo, source, ""), progress=Watching(interrupt))
    assert nothing_is_committed(store, repo)


def test_an_interrupted_upload_does_not_become_the_latest(store: Store, repo: str, source: Path) -> None:
    first = upload(store, UploadRequest(repo, source, "first", label="latest"))
    write_files(source, {"new.csv": "5"})

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(store, UploadRequest(repo, source, "second", label="latest"), progress=Watching(interrupt))
    state = store.logs.repo(find_repo(store, repo).id)
    assert list(state.bundles) == [first.id]
    assert state.refs["latest"].bundle == state.refs["main"].bundle == first.id


def test_whatever_write_fails_the_upload_is_whole_or_not_there(source: Path) -> None:
    methods = frozenset({"put", "put_if_absent"})
    succeeded = False
    number = 0
    while not succeeded:
        number += 1
        plain = memory_store()
        create_repo(plain, "raw", "")
        faulty = store_on(
            FaultyBackend(plain.metadata, Fault(number, "full"), methods=methods), plain.blob, plain.author
        )
        try:
            upload(faulty, UploadRequest("raw", source, ""))
            succeeded = True
        except Unavailable as error:
            assert error.code == "disk-full"
            again = store_on(plain.metadata, plain.blob, plain.author)
            assert again.logs.repo(find_repo(again, "raw").id).bundles == {}
            upload(again, UploadRequest("raw", source, ""))
    assert number > 4


def test_the_session_is_that_whose_packs_the_bundle_uses(store: Store, source: Path) -> None:
    session = put_tree(store, TreeSource(source)).session
    assert session is not None
    assert session in next(store.blob.list("packs/")).key
