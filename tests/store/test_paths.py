"""Paths: what is read is what the bundle has, what is written is one bundle or none, whatever fails and whoever races."""

import errno
import gc
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, DatamonError, Invalid
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.bundle import Author
from datamon.store.chunk_store import ChunkStore
from datamon.store.entries import TreeEntry
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Places, Store, memory_store, open_store, store_on
from datamon.store.paths.address import parse_address
from datamon.store.paths.commit_staged import Purpose, changed, commit_staged
from datamon.store.paths.filesystem import StoreFileSystem
from datamon.store.paths.paths import Changes, Paths
from datamon.store.paths.staged import Staged
from datamon.store.paths.surroundings import Alone
from datamon.store.refs import set_label
from datamon.store.repos import create_repo, find_repo
from datamon.store.resolve import resolve
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.counting import CountingBackend
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed
from datamon.store.testing.trees import trees, upload_tree, write_files

LARGE = random_bytes("large", 1_000_000)


class Files(StoreFileSystem):
    """The file system over a store that a test has."""

    cachable = False

    def __init__(self, paths: Paths, **options: Any) -> None:
        super().__init__(**options)
        self._given = paths

    @property
    def paths(self) -> Paths:
        """See `StoreFileSystem`."""
        return self._given


@pytest.fixture
def fs(store: Store, tmp_path: Path) -> Files:
    """A store with the repo `raw`, which has a few files, and the empty repo `new`."""
    root = write_files(tmp_path / "tree", {"a.csv": "a,b\n1,2\n", "d/b.csv": "b\n", "d/e/c.txt": "c", "d-x": "x"})
    (root / "large.bin").write_bytes(LARGE)
    (root / "link").symlink_to("d/b.csv")
    (root / "up").symlink_to("d")
    (root / "lost").symlink_to("nowhere")
    upload_tree(store, root)
    create_repo(store, "new", "for a test")
    return Files(Paths(store, Alone()))


def held(store: Store, reference: str = "raw") -> dict[str, bytes]:
    """The files of a bundle, by path."""
    files = Files(Paths(store, Alone()))
    return {name.partition("/")[2]: files.cat_file(name) for name in files.find(reference.replace(":", "/"))}


def commits(store: Store, repo: str = "raw") -> int:
    """How many bundles the repo has."""
    return len(store.logs.repo(find_repo(store, repo).id).bundles)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("datamon://raw@v1/a/b", "raw@v1/a/b"),
        ("raw/a/", "raw/a"),
        ("raw:a/b", "raw/a/b"),
        ("raw@main~2/./a", "raw@main~2/a"),
        ("raw@", "raw@"),
        ("", ""),
        ("datamon://", ""),
    ],
)
def test_addresses_are_read_in_each_form(text: str, shown: str) -> None:
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize("text", ["/a", "raw/../x", "@v1/a", "raw@/a", "ra w/a", "raw@a b/x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_address(text)


def test_everything_is_looked_up_and_listed(fs: Files) -> None:
    assert fs.ls("", detail=False) == ["new", "raw"]
    assert fs.ls("raw@", detail=False) == ["raw@main"]
    names = ["raw/a.csv", "raw/d", "raw/d-x", "raw/large.bin", "raw/link", "raw/lost", "raw/up"]
    assert fs.ls("datamon://raw", detail=False) == names
    assert [each["type"] for each in fs.ls("raw")] == ["file", "directory", "file", "file", "file", "other", "other"]
    assert fs.ls("raw@main/d/e", detail=False) == ["raw@main/d/e/c.txt"]
    assert fs.ls("raw/up/e", detail=False) == ["raw/up/e/c.txt"]
    assert fs.ls("raw/a.csv", detail=False) == ["raw/a.csv"]
    assert fs.info("raw/link")["size"] == 2
    assert fs.isdir("raw/up")
    assert fs.isfile("raw/up/b.csv")
    assert not fs.exists("raw/none")
    assert not fs.exists("none/at/all")
    assert not fs.exists("new/x")
    assert fs.glob("raw/**/*.csv") == ["raw/a.csv", "raw/d/b.csv"]
    assert fs.find("raw/d", withdirs=True) == ["raw/d", "raw/d/b.csv", "raw/d/e", "raw/d/e/c.txt"]
    assert fs.find("raw", maxdepth=1) == ["raw/a.csv", "raw/d-x", "raw/large.bin", "raw/link"]
    assert [(top, dirs, files) for top, dirs, files in fs.walk("raw/d")] == [
        ("raw/d", ["e"], ["b.csv"]),
        ("raw/d/e", [], ["c.txt"]),
    ]
    assert fs.du("raw/d") == 3


def test_stretches_are_read_without_the_rest(fs: Files) -> None:
    assert fs.cat_file("raw/large.bin", 10, 20) == LARGE[10:20]
    assert fs.cat_file("raw/large.bin", -5) == LARGE[-5:]
    assert fs.tail("raw/large.bin", 7) == LARGE[-7:]
    paths, begins, ends = ["raw/large.bin"] * 3 + ["raw/none"], [0, 500_000, -3, 0], [3, 500_003, None, 1]
    found = fs.cat_ranges(paths, begins, ends)
    assert found[:3] == [LARGE[:3], LARGE[500_000:500_003], LARGE[-3:]]
    assert isinstance(found[3], FileNotFoundError)
    with fs.open("raw/large.bin") as file:
        assert file.size == len(LARGE)
        file.seek(-10, 2)
        assert file.read() == LARGE[-10:]
        assert file.seek(999_000) == 999_000
        assert file.read(10**6) == LARGE[999_000:]
    with fs.open("raw/a.csv", "r") as text:
        assert text.readlines() == ["a,b\n", "1,2\n"]


def test_what_is_missing_or_a_directory_is_told_as_files_tell_it(fs: Files) -> None:
    with pytest.raises(FileNotFoundError, match=r"d/b\.csv"):
        fs.open("raw/b.csv")
    with pytest.raises(FileNotFoundError, match="no repo"):
        fs.open("none/b.csv")
    with pytest.raises(IsADirectoryError):
        fs.open("raw/d")
    with pytest.raises(IsADirectoryError):
        fs.rm("raw/d")
    with pytest.raises(FileNotFoundError):
        fs.rm("raw/none")
    with pytest.raises(OSError, match="not empty") as full:
        fs.rmdir("raw/d")
    assert full.value.errno == errno.ENOTEMPTY
    with pytest.raises(FileExistsError):
        fs.open("raw/a.csv", "xb")
    for mode in ("ab", "r+b"):
        with pytest.raises(Invalid, match="mode"):
            fs.open("raw/a.csv", mode)


def test_a_file_that_is_written_is_a_bundle_on_the_head_with_all_else_as_it_was(fs: Files, store: Store) -> None:
    before = held(store)
    with fs.open("raw/d/new/f.txt", "wb", message="unused") as file:
        file.write(b"written")
        assert commits(store) == 1
    assert commits(store) == 2
    assert held(store) == {**before, "d/new/f.txt": b"written"}
    head = resolve(store, "raw").bundle
    assert head.message == "write d/new/f.txt"
    assert head.parents == (resolve(store, "raw@main~1").bundle.id,)
    assert fs.info("raw/up")["type"] == "directory"
    fs.pipe_file("new@try/x", b"first")
    assert held(store, "new@try") == {"x": b"first"}
    assert not fs.exists("new/x")


def test_a_transaction_is_one_bundle_of_each_branch_or_none(fs: Files, store: Store) -> None:
    with fs.transaction as transaction:
        transaction.message = "all of it"
        fs.pipe_file("raw/one", b"1")
        fs.pipe_file("raw/two/deep", b"2")
        fs.pipe_file("new/three", b"3")
        fs.rm("raw/d", recursive=True)
        fs.mv("raw/a.csv", "raw/moved.csv")
        assert fs.cat_file("raw/two/deep") == b"2"
        assert fs.ls("raw/two", detail=False) == ["raw/two/deep"]
        assert not fs.exists("raw/d/b.csv")
        assert commits(store) == 1
    assert [bundle.message for bundle in transaction.bundles] == ["all of it", "all of it"]
    assert (commits(store), commits(store, "new")) == (2, 1)
    assert held(store) == {
        "d-x": b"x",
        "large.bin": LARGE,
        "moved.csv": b"a,b\n1,2\n",
        "one": b"1",
        "two/deep": b"2",
    }
    with pytest.raises(RuntimeError), fs.transaction:
        fs.pipe_file("raw/four", b"4")
        raise RuntimeError
    assert not fs.exists("raw/four")
    assert commits(store) == 2
    with fs.transaction:
        pass
    assert commits(store) == 2
    fs.start_transaction()
    fs.pipe_file("raw/five", b"5")
    fs.end_transaction()
    assert fs.cat_file("raw/five") == b"5"


def test_many_files_at_once_are_one_bundle(fs: Files, store: Store, tmp_path: Path) -> None:
    fs.get("raw/d", str(tmp_path / "got"), recursive=True)
    assert (tmp_path / "got" / "e" / "c.txt").read_text() == "c"
    fs.put(str(tmp_path / "got"), "raw/put", recursive=True)
    assert commits(store) == 2
    assert fs.find("raw/put") == ["raw/put/b.csv", "raw/put/e/c.txt"]
    fs.copy("raw/put/", "raw/copied/", recursive=True)
    assert fs.find("raw/copied") == ["raw/copied/b.csv", "raw/copied/e/c.txt"]
    fs.pipe({"raw/p1": b"1", "raw/p2": b"2"})
    assert fs.cat(["raw/p1", "raw/p2"]) == {"raw/p1": b"1", "raw/p2": b"2"}
    assert commits(store) == 4


def test_other_threads_and_file_systems_in_the_context_join_a_transaction(fs: Files, store: Store) -> None:
    with fs.transaction:
        Files(fs.paths).pipe_file("raw/joined", b"j")
        assert commits(store) == 1
    assert fs.cat_file("raw/joined") == b"j"
    assert commits(store) == 2


def test_a_file_that_an_exception_closes_or_nobody_closes_is_not_kept(fs: Files, store: Store) -> None:
    with pytest.raises(ZeroDivisionError), fs.open("raw/half", "wb") as file:
        file.write(b"half")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), fs.open("raw/half", "w") as text:
        text.write("half")
        raise ZeroDivisionError

    def broken() -> None:
        opened = fs.open("raw/half", "wb")
        try:
            opened.write(b"half")
            raise ZeroDivisionError
        finally:
            opened.close()

    with pytest.raises(ZeroDivisionError):
        broken()
    for mode in ("wb", "w"):
        with pytest.warns(ResourceWarning, match="was not closed"):
            opened_and_lost(fs, mode)
    assert not fs.exists("raw/half")
    assert commits(store) == 1


def opened_and_lost(fs: Files, mode: str) -> None:
    """Opens a file that nobody closes."""
    fs.open("raw/half", mode)
    gc.collect()


def test_a_file_that_is_written_while_another_error_is_handled_is_kept(fs: Files) -> None:
    try:
        raise ValueError
    except ValueError:
        with fs.open("raw/note", "wb") as file:
            file.write(b"why")
    assert fs.cat_file("raw/note") == b"why"


def test_labels_and_ids_are_not_written_to(fs: Files, store: Store) -> None:
    set_label(store, find_repo(store, "raw"), "v1", resolve(store, "raw").bundle.id)
    assert fs.exists("raw@v1/a.csv")
    for path in ("raw@v1/a.csv", f"raw@{resolve(store, 'raw').bundle.id}/a.csv", "raw@main~1/a.csv", "raw", "raw@/"):
        with pytest.raises(DatamonError):
            fs.open(path, "wb")
    with pytest.raises(Invalid, match="no path of a file"):
        fs.pipe_file("raw/.datamonignore", b"*")
    assert commits(store) == 1


def test_what_is_no_file_is_not_overwritten_unasked(fs: Files, store: Store) -> None:
    for path in ("raw/d", "raw/up/new", "raw/a.csv/below"):
        with pytest.raises((Invalid, IsADirectoryError)):
            fs.pipe_file(path, b"x")
    assert commits(store) == 1
    with fs.transaction:
        fs.rm("raw/d", recursive=True)
        fs.pipe_file("raw/d", b"a file now")
        fs.rm("raw/a.csv")
        fs.pipe_file("raw/a.csv/below", b"a directory now")
    assert fs.cat_file("raw/d") == b"a file now"
    assert fs.find("raw/a.csv") == ["raw/a.csv/below"]
    fs.pipe_file("raw/link", b"no link any more")
    assert (fs.cat_file("raw/link"), commits(store)) == (b"no link any more", 3)


def test_what_writers_who_race_write_is_all_there(fs: Files, store: Store) -> None:
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(3):
                Files(fs.paths).pipe_file(f"raw/{number}/{turn}", b"%d" % number)
        except DatamonError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(1 for path in held(store) if path[0].isdigit()) == 18
    assert commits(store) == 19


def test_corruption_is_an_error_that_names_the_file_and_no_bytes(fs: Files, store: Store) -> None:
    [pack] = [stored.key for stored in store.blob.list(layout.PACKS)]
    content = bytearray(store.blob.get(pack))
    for place in range(0, len(content) - 10_000, 5_000):
        content[place] ^= 1
    store.blob.put(pack, bytes(content))
    vars(store)["chunks"] = ChunkStore(store.blob, clock=store.clock)
    spoilt = Files(Paths(store, Alone()))
    with pytest.raises(Corrupt, match=r"'large\.bin'"), spoilt.open("raw/large.bin") as file:
        file.read()
    with pytest.raises(OSError, match=r"'large\.bin'") as raised:
        spoilt.cat_file("raw/large.bin")
    assert (raised.value.errno, raised.value.filename) == (errno.EIO, "large.bin")
    copied = pickle.loads(pickle.dumps(raised.value))
    assert (type(copied), str(copied), copied.errno) == (type(raised.value), str(raised.value), errno.EIO)
    assert isinstance(spoilt.cat_ranges(["raw/large.bin"], [0], [10])[0], Corrupt)


@pytest.mark.parametrize("side", ["metadata", "blob"])
@pytest.mark.parametrize("kind", ["before", "after", "full", "killed-before", "killed-after"])
def test_wherever_a_write_fails_the_branch_is_as_before_or_has_it_whole(
    tmp_path: Path, kind: FaultKind, side: str
) -> None:
    done, number = False, 0
    while not done:
        number += 1
        store = memory_store()
        create_repo(store, "raw", "for a test")
        Files(Paths(store, Alone())).pipe_file("raw/old", b"old")
        metadata, blob = store.metadata, store.blob
        faulty = FaultyBackend(metadata if side == "metadata" else blob, Fault(number, kind), methods=WRITES)
        changes = Changes("m")
        staged = Staged(tmp_path / f"{kind}{number}", find_repo(store, "raw"), "main")
        changes.staged[staged.repo.id, "main"] = staged
        for path in ("new/a", "old"):
            place = staged.begin(path)
            place.write_bytes(LARGE if path == "new/a" else b"newer")
            staged.finish(place, path)
        broken = _on(store, faulty, blob) if side == "metadata" else _on(store, metadata, faulty)
        failed = False
        try:
            commit_staged(broken, staged, Purpose("m"))
        except (DatamonError, Killed):
            failed = True
        store = _on(store, metadata, blob)
        found = held(store)
        assert found in ({"old": b"old"}, {"old": b"newer", "new/a": LARGE})
        assert failed or found != {"old": b"old"}
        done = len(faulty.calls) < number
    assert number > 2


def _on(store: Store, metadata: Backend, blob: Backend) -> Store:
    return store_on(metadata, blob, store.author, clock=store.clock)


def test_a_collection_between_does_no_harm(fs: Files, store: Store) -> None:
    fs.pipe_file("raw/x", LARGE[:500_000])
    fs.rm("raw/large.bin")
    collect(store, GcRequest(grace_ns=0))
    fs.pipe_file("raw/y", LARGE[100_000:600_000])
    collect(store, GcRequest(grace_ns=0))
    assert held(store)["y"] == LARGE[100_000:600_000]


@given(olds=trees(), news=trees(), removed=st.lists(st.integers(0, 20), max_size=3))
@settings(max_examples=200)
def test_a_changed_tree_is_a_tree_with_all_that_is_new(
    olds: list[TreeEntry], news: list[TreeEntry], removed: list[int]
) -> None:
    olds.sort(key=lambda entry: entry.path)
    news.sort(key=lambda entry: entry.path)
    gone = [olds[number].path for number in removed if number < len(olds)]
    found = {entry.path: entry for entry in changed(iter(olds), iter(news), gone)}
    assert list(found) == sorted(found)
    for path, entry in found.items():
        above = path.rpartition("/")[0]
        assert not above or found[above].kind == "dir"
        assert entry in news or entry in olds
    for entry in news:
        assert found[entry.path] == entry or (entry.kind == "dir" and found[entry.path].kind == "dir")
    blocked = {entry.path for entry in news if entry.kind != "dir"}
    for entry in olds:
        if any(entry.path == top or entry.path.startswith(f"{top}/") for top in gone):
            assert entry.path not in found or found[entry.path] in news
        elif not any(entry.path.startswith(f"{top}/") for top in blocked):
            assert entry.path in found


_NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/f", "x y", "é/ü"])
_STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "move", "begin", "commit", "abandon"]), _NAMES, _NAMES), max_size=25
)


@given(steps=_STEPS)
@settings(max_examples=40)
def test_any_changes_in_and_out_of_transactions_give_what_a_dictionary_gives(
    steps: list[tuple[str, str, str]],
) -> None:
    store = memory_store()
    create_repo(store, "raw", "for a test")
    files = Files(Paths(store, Alone()))
    now: dict[str, bytes] = {}
    kept: dict[str, bytes] | None = None
    for number, (what, one, other) in enumerate(steps):
        if what == "write":
            files.pipe_file(f"raw/{one}", b"%d" % number)
            now[one] = b"%d" % number
        elif what == "remove" and one in now:
            files.rm(f"raw/{one}")
            del now[one]
        elif what == "move" and one in now and one != other:
            files.mv(f"raw/{one}", f"raw/{other}")
            now[other] = now.pop(one)
        elif what == "begin" and kept is None:
            files.start_transaction()
            kept = dict(now)
        elif what in ("commit", "abandon") and kept is not None:
            if what == "commit":
                files.end_transaction()
            else:
                files.transaction.complete(commit=False)
                now = kept
            kept = None
        if now or commits(store):
            assert {name.partition("/")[2]: files.cat_file(name) for name in files.find("raw")} == now
    if kept is not None:
        files.transaction.complete(commit=False)


def test_paths_on_google_cloud_storage_cost_few_requests(emulator: str, bucket: str, tmp_path: Path) -> None:
    store = open_store(Places(bucket, bucket), Author("Ada", "ada@example.org"))
    create_repo(store, "far", "for a test")
    (tmp_path / "tree" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "large.bin").write_bytes(LARGE)
    for number in range(100):
        (tmp_path / "tree" / "d" / f"{number}").write_text(f"{number}")
    upload_tree(store, tmp_path / "tree", "far")
    opened = open_store(Places(bucket, bucket), Author("Ada", "ada@example.org"))
    metadata, blob = CountingBackend(opened.metadata), CountingBackend(opened.blob)
    opened.metadata, opened.blob = metadata, blob
    files = Files(Paths(opened, Alone()))
    assert files.cat_file("far/large.bin", 500_000, 500_010) == LARGE[500_000:500_010]
    assert blob.got_bytes < 400_000
    assert [files.cat_file(name) for name in files.find("far/d")] == [b"%d" % n for n in sorted(range(100), key=str)]
    assert metadata.calls["get"] + blob.calls["get"] < 20
    files.pipe_file("far/new", b"written")
    assert files.cat_file("far/new") == b"written"
