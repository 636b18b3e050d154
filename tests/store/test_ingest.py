"""Files on their way into a session: what is kept is what was read, in order, whatever threads, files and backends do."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.errors import Denied, Invalid, Unavailable
from datamon.store import ingest, layout, reader, workers
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.beneath import Beneath
from datamon.store.chunk_store import ChunkStore, read_file
from datamon.store.forking import can_fork
from datamon.store.hashing import PLAIN
from datamon.store.ingest import Kept, keep_files
from datamon.store.pack_session import PackSession
from datamon.store.progress import SILENT, Progress, Silent
from datamon.store.reader import LONG_SLOTS, SLOTS
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import Fault, FaultKind, FaultyBackend, Killed
from datamon.store.testing.processes import forks
from datamon.store.testing.strategies import contents
from datamon.store.walk import Found, scan
from datamon.store.workers import INLINE_BYTES

MIXED = {
    "a/empty": b"",
    "a/one.txt": b"one",
    "a/same.txt": b"one",
    "b/edge": random_bytes("edge", 65_536),
    "b/over": random_bytes("over", 65_537),
    "b/middling.bin": random_bytes("middling", 700_000),
    "c/text.csv": b"a,b,c\n" * 150_000,
    "c/large.bin": random_bytes("large", 5_000_000) + bytes(600_000) + random_bytes("large", 2_000_000),
    "c/large too": random_bytes("large", 5_000_000),
    "d": b"last",
}


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """No test leaves a thread, a process or an open file."""
    before = open_files()
    yield
    assert [thread for thread in threading.enumerate() if thread.name.startswith("workers")] == []
    assert forks() == []
    assert open_files() <= before  # fewer, when what an earlier test left is collected meanwhile


class Ways:
    """How files are read."""

    processes = 1


def set_ways(monkeypatch: pytest.MonkeyPatch, inline_bytes: int, ways: str) -> None:
    """Threads work after so many bytes. `waits`: they read small files too; `reader`: another process reads the files, and
    leaves them to threads where it `waits`; `slot`: it has one slot only."""
    monkeypatch.setattr(workers, "INLINE_BYTES", inline_bytes)
    for module in (ingest, reader):
        monkeypatch.setattr(module, "waits_long", lambda *_: "waits" in ways)
    monkeypatch.setattr(Ways, "processes", 2 if "reader" in ways else 1)
    monkeypatch.setattr(reader, "LEAST_FILES", 1)
    monkeypatch.setattr(reader, "SLOTS", 1 if "slot" in ways else SLOTS)
    monkeypatch.setattr(reader, "LONG_SLOTS", 1 if "slot" in ways else LONG_SLOTS)


WAYS = ["", "waits", "reader", "reader slot", "reader waits"]


@pytest.fixture(params=WAYS)
def with_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads work from the first byte on, and files are read in each of the ways."""
    set_ways(monkeypatch, 0, request.param)


def keep(session: PackSession, tree: Beneath, found: list[Found], progress: Progress = SILENT) -> Iterator[Kept]:
    """Keeps the files in the way that is set."""
    with reader.reader(tree, found, Ways.processes, PLAIN) as reading:
        assert (reading is not None) == (Ways.processes > 1 and bool(found) and can_fork())
        yield from keep_files(session, tree, found, progress, reader=reading)


def open_files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/dev/fd"))


def opened(blob: Backend, pack_bytes: int | None = None) -> ChunkStore:
    """A chunk store as another process would open it."""
    return ChunkStore(blob, clock=SteppingClock(), pack_bytes=pack_bytes, recipe_rows=4)


def made(root: Path, files: dict[str, bytes]) -> Path:
    """The directory `root` with these files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def found_in(tree: Beneath) -> list[Found]:
    """The files that are there."""
    return [found for found in scan(tree, ignoring=False) if found.kind == "file"]


def keep_all(session: PackSession, root: Path, progress: Progress = SILENT) -> list[Kept]:
    """Keeps the files below `root` and closes the session; gives it up when that fails."""
    try:
        with Beneath(root) as tree:
            kept = list(keep(session, tree, found_in(tree), progress))
        session.close()
    except BaseException:
        session.discard()
        raise
    return kept


def assert_kept(blob: Backend, kept: list[Kept], files: dict[str, bytes]) -> None:
    """Every file, in order, is read again by another process."""
    chunks = opened(blob)
    assert [each.found.path for each in kept] == sorted(files)
    for each in kept:
        content, stored = files[each.found.path], each.stored
        assert (stored.content, stored.size_bytes) == (PLAIN.chunk(content).hex(), len(content))
        assert each.row[1] == len(content)
        assert b"".join(read_file(chunks, stored.content, stored.size_bytes, stored.recipe)) == content


class Doing(Silent):
    """A listener that does something at its call `number`, counted from 1, and adds up what it hears."""

    def __init__(self, number: int = 0, act: Callable[[], object] = lambda: None) -> None:
        self.files = self.size_bytes = self._calls = 0
        self._number = number
        self._act = act

    def advance(self, files: int, size_bytes: int) -> None:
        """See `Progress`."""
        self.files += files
        self.size_bytes += size_bytes
        self._calls += 1
        if self._calls == self._number:
            self._act()


@pytest.mark.parametrize("inline_bytes", [0, INLINE_BYTES, 1 << 40])
def test_every_file_comes_back_in_order(tmp_path: Path, inline_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "INLINE_BYTES", inline_bytes)
    blob = MemoryBackend()
    progress = Doing()
    kept = keep_all(opened(blob, 1_000_000).session(), made(tmp_path, MIXED), progress)
    assert_kept(blob, kept, MIXED)
    assert (progress.files, progress.size_bytes) == (len(MIXED), sum(map(len, MIXED.values())))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(contents(), max_size=12), pack_bytes=st.sampled_from([1, 300_000, 32 * 2**20]))
def test_any_files_come_back(
    files: list[bytes], pack_bytes: int, tmp_path_factory: pytest.TempPathFactory, with_threads: None
) -> None:
    named = {f"{number % 3}/{number:02}.{number % 2}": content for number, content in enumerate(files)}
    blob = MemoryBackend()
    kept = keep_all(opened(blob, pack_bytes).session(), made(tmp_path_factory.mktemp("tree"), named))
    assert_kept(blob, kept, named)


def test_threads_and_processes_do_not_change_what_the_packs_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"many/{number:04}.{number % 3}": b"%d " % (number % 700) * (number % 400) for number in range(1_500)}
    made(tmp_path, {**MIXED, **many})
    packs = []
    for inline_bytes, ways in ((1 << 40, ""), *((0, ways) for ways in WAYS)):
        set_ways(monkeypatch, inline_bytes, ways)
        blob = MemoryBackend()
        session = opened(blob, 400_000).session()
        keep_all(session, tmp_path)
        packs.append([blob.get(layout.pack(name)) for name in sorted(session.packs)])
    assert len(packs[0]) > 10
    assert all(each == packs[0] for each in packs)


def test_equal_files_are_kept_once(tmp_path: Path, with_threads: None) -> None:
    content = random_bytes("equal", 3_000_000)
    made(tmp_path, {"a": content, "b": content, "c/d": content, "e": b"small", "f": b"small"})
    session = opened(MemoryBackend()).session()
    keep_all(session, tmp_path)
    assert session.bytes_new < len(content) + 10_000


def test_what_is_there_already_is_not_put_again(tmp_path: Path, with_threads: None) -> None:
    blob = MemoryBackend()
    first = opened(blob).session()
    keep_all(first, made(tmp_path, MIXED))
    before = list(blob.list(""))
    again = opened(blob).session()
    assert_kept(blob, keep_all(again, tmp_path), MIXED)
    assert list(blob.list("")) == before
    assert again.reused == first.packs


def test_files_of_empty_trees_ask_nothing(tmp_path: Path) -> None:
    blob = FaultyBackend(MemoryBackend())
    assert keep_all(opened(blob).session(), tmp_path) == []
    assert blob.calls == []


def test_a_file_that_changed_since_it_was_listed_is_kept_as_it_is_now(tmp_path: Path, with_threads: None) -> None:
    now = {**MIXED, "a/one.txt": b"another", "b/over": b"shrunk", "c/large too": b"", "d": random_bytes("d", 3_000_000)}
    blob = MemoryBackend()
    session = opened(blob).session()
    with Beneath(made(tmp_path, MIXED)) as tree:
        found = found_in(tree)
        made(tmp_path, now)
        kept = list(keep(session, tree, found))
    session.close()
    assert_kept(blob, kept, now)


@pytest.mark.parametrize("change", ["in place", "longer", "shorter"])
def test_a_file_that_changes_while_it_is_read_is_read_again(change: str, tmp_path: Path, with_threads: None) -> None:
    """Long enough that it is read in pieces; the change comes after the first of them."""
    before, other = random_bytes("before", 30_000_000), random_bytes("other", 30_000_000)
    after = {"in place": other, "longer": before + other, "shorter": before[:1_000]}[change]
    made(tmp_path, {"f": before, "z": b"next"})
    blob = MemoryBackend()
    changing = Doing(1, lambda: (tmp_path / "f").write_bytes(after))
    kept = keep_all(opened(blob).session(), tmp_path, changing)
    assert_kept(blob, kept, {"f": after, "z": b"next"})


@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
def test_a_file_that_went_away_is_an_error_that_names_it(size: int, tmp_path: Path, with_threads: None) -> None:
    session = opened(MemoryBackend()).session()
    with Beneath(made(tmp_path, {"a": b"there", "gone": random_bytes("gone", size)})) as tree:
        found = found_in(tree)
        (tmp_path / "gone").unlink()
        with pytest.raises(Invalid, match=r"gone' changed each time") as raised:
            list(keep(session, tree, found))
    assert raised.value.code == "file-changed"
    session.discard()


@pytest.mark.parametrize("size", [10, 5_000_000])
@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_what_takes_a_files_place_is_not_read(kind: str, size: int, tmp_path: Path, with_threads: None) -> None:
    made(tmp_path, {"secret": random_bytes("secret", size), "tree/f": random_bytes("f", size)})
    session = opened(MemoryBackend()).session()
    with Beneath(tmp_path / "tree") as tree:
        found = found_in(tree)
        place = tmp_path / "tree" / "f"
        place.unlink()
        if kind == "symlink":
            place.symlink_to(tmp_path / "secret")
        elif kind == "fifo":
            os.mkfifo(place)
        else:
            place.mkdir()
        with pytest.raises((Invalid, Denied), match="f'"):
            list(keep(session, tree, found))
    assert session.chunk_count_new == 0
    session.discard()


def test_a_directory_that_was_moved_is_still_the_one_that_is_read(tmp_path: Path, with_threads: None) -> None:
    """Threads open it anew; not by its name, which may be another's by now."""
    made(tmp_path, {"tree/sub/f": b"this"})
    session = opened(MemoryBackend()).session()
    with Beneath(tmp_path / "tree") as tree:
        found = found_in(tree)
        (tmp_path / "tree").rename(tmp_path / "moved")
        made(tmp_path, {"tree/sub/f": b"that"})
        (kept,) = keep(session, tree, found)
    session.close()
    assert kept.stored.content == PLAIN.chunk(b"this").hex()


@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError, Killed])
@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_listener_that_raises_stops_the_work(
    error: type[BaseException], number: int, tmp_path: Path, with_threads: None
) -> None:
    def act() -> None:
        raise error

    blob = MemoryBackend()
    with pytest.raises(error):
        keep_all(opened(blob, 1_000_000).session(), made(tmp_path, MIXED), Doing(number, act))
    assert_kept(blob, keep_all(opened(blob).session(), tmp_path), MIXED)


def test_a_closed_iterator_stops_the_work_and_the_session_can_go_on(tmp_path: Path, with_threads: None) -> None:
    blob = MemoryBackend()
    session = opened(blob).session()
    with Beneath(made(tmp_path, {f"{number:03}": random_bytes(str(number), 300_000) for number in range(200)})) as tree:
        found = found_in(tree)
        kept = keep(session, tree, found)
        first = next(kept)
        kept.close()  # type: ignore[attr-defined]
        assert session.chunk_count_new < 600
        again = list(keep(session, tree, found))
    session.close()
    assert again[0] == first
    assert_kept(blob, again, {f"{number:03}": random_bytes(str(number), 300_000) for number in range(200)})


def test_a_session_that_was_given_up_keeps_nothing(tmp_path: Path) -> None:
    session = opened(MemoryBackend()).session()
    session.discard()
    with Beneath(made(tmp_path, {"a": b"a"})) as tree, pytest.raises(ValueError, match="discarded"):
        list(keep(session, tree, found_in(tree)))


@pytest.mark.parametrize("kind", ["before", "after", "full", "killed-before", "killed-after"])
def test_a_fault_at_every_call_while_threads_run_is_told_and_a_second_try_works(
    kind: FaultKind, tmp_path: Path, with_threads: None
) -> None:
    files = {"a": b"a" * 1_000, "b": random_bytes("b", 3_000_000), "c": random_bytes("c", 100_000), "d": b"d"}
    made(tmp_path, files)
    watched = FaultyBackend(MemoryBackend())
    keep_all(opened(watched, 500_000).session(), tmp_path)
    assert len(watched.calls) > 8
    for number in range(1, len(watched.calls) + 1):
        inner = MemoryBackend()
        session = opened(FaultyBackend(inner, Fault(number, kind)), 500_000).session()
        with pytest.raises((Unavailable, Killed)):
            keep_all(session, tmp_path)
        assert not opened(inner).packs_absent()
        assert_kept(inner, keep_all(opened(inner, 500_000).session(), tmp_path), files)
