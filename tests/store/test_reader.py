"""A process that reads: whatever becomes of it, what is kept is what lies in the files, and none is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.store import reader
from datamon.store.backend.memory import MemoryBackend
from datamon.store.beneath import Beneath
from datamon.store.chunk_store import ChunkStore, read_file
from datamon.store.hashing import PLAIN
from datamon.store.ingest import keep_files
from datamon.store.progress import Silent
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.processes import forks
from datamon.store.walk import Found, scan

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a reader is for Linux")
FILES = {
    **{f"a/{number:04}": b"%d" % number * (number % 90) for number in range(2_000)},
    "b": random_bytes("b", 700_000),
    "c": random_bytes("c", 15_000_000),
    **{f"d/{number:02}": random_bytes(f"d{number}", 2_200_000) for number in range(8)},
    "e": b"last",
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that servers of earlier tests left behind, which hold no lock of ours, do not count."""
    count, left_over = threading.active_count, threading.active_count() - 1
    monkeypatch.setattr(threading, "active_count", lambda: count() - left_over)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beneath]:
    root = tmp_path_factory.mktemp("reader")
    for name, content in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    with Beneath(root) as opened:
        yield opened


@pytest.fixture(autouse=True)
def childless(tree: Beneath) -> Iterator[None]:
    """After each test no process is left, nor a zombie, nor an open file."""
    files_in(tree)  # which keeps its directories open
    before = os.listdir("/dev/fd")
    yield
    assert forks() == []
    assert len(os.listdir("/dev/fd")) <= len(before)


def files_in(tree: Beneath) -> list[Found]:
    """The files that are there."""
    return [found for found in scan(tree, ignoring=False) if found.kind == "file"]


class Once(Silent):
    """A listener that does something when so many bytes have come."""

    def __init__(self, size_bytes: int = 1 << 60, signal_number: int = 0) -> None:
        self.seen: list[int] = []
        self._left = size_bytes
        self._signal = signal_number

    def advance(self, files: int, size_bytes: int) -> None:
        """See `Progress`."""
        self._left -= size_bytes
        if self._left <= 0 and not self.seen:
            self.seen = forks()
            for child in self.seen if self._signal else ():
                os.kill(child, self._signal)


def assert_all_kept(tree: Beneath, progress: Once) -> None:
    """Keeps the files, heard from a reader, and reads them again as another process would."""
    blob = MemoryBackend()
    found = files_in(tree)
    session = ChunkStore(blob, clock=SteppingClock()).session()
    with reader.reader(tree, found, 2, PLAIN) as reading:
        assert reading is not None
        kept = list(keep_files(session, tree, found, progress, reader=reading))
    session.close()
    chunks = ChunkStore(blob, clock=SteppingClock())
    assert [each.found.path for each in kept] == sorted(FILES)
    for each in kept:
        _, size_bytes, recipe = each.stored
        content = b"".join(read_file(chunks, each.stored.content, size_bytes, recipe))
        assert content == FILES[each.found.path]


def test_it_reads_all_and_is_gone_afterwards(tree: Beneath) -> None:
    progress = Once(1)
    assert_all_kept(tree, progress)
    assert len(progress.seen) == 1


@pytest.mark.parametrize("size_bytes", [1, 900_000, 8_000_000, 20_000_000])
def test_what_a_reader_that_was_killed_did_not_read_is_read_without_it(tree: Beneath, size_bytes: int) -> None:
    progress = Once(size_bytes, signal.SIGKILL)
    assert_all_kept(tree, progress)
    assert len(progress.seen) == 1


@pytest.mark.parametrize(("slots", "long_slots"), [(1, 1), (2, 1), (3, 3), (12, 2)])
def test_few_slots_are_enough(tree: Beneath, slots: int, long_slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SLOTS", slots)
    monkeypatch.setattr(reader, "LONG_SLOTS", long_slots)
    assert_all_kept(tree, Once())


def test_there_is_none_where_it_would_not_be_worth_it_or_cannot_be(
    tree: Beneath, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = files_in(tree)
    over = threading.Event()
    waiting = threading.Thread(target=over.wait)
    with reader.reader(tree, found, 1, PLAIN) as alone, reader.reader(tree, found[:900], 2, PLAIN) as few:
        assert alone is few is None
    waiting.start()
    try:
        with reader.reader(tree, found, 2, PLAIN) as beside_a_thread:
            assert beside_a_thread is None
    finally:
        over.set()
        waiting.join()

    def refuse() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    with reader.reader(tree, found, 2, PLAIN) as refused:
        assert refused is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_it_ends_with_a_block_that_fails(tree: Beneath, error: type[BaseException]) -> None:
    with pytest.raises(error), reader.reader(tree, files_in(tree), 2, PLAIN):
        assert len(forks()) == 1
        raise error


def test_it_dies_with_the_process_that_started_it(tree: Beneath) -> None:
    made = (
        "import sys, time; from pathlib import Path; from datamon.store import reader;"
        "from datamon.store.beneath import Beneath; from datamon.store.hashing import PLAIN;"
        "from datamon.store.walk import scan;"
        "tree = Beneath(Path(sys.argv[1]));"
        "files = [each for each in scan(tree, ignoring=False) if each.kind == 'file'];"
        "started = reader.Reader(tree, files, PLAIN); print(started._pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", made, str(tree.root)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{child}").exists()
