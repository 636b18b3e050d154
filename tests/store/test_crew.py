"""A crew: its work is as if one process had done it, and no member outlives the process, the failure or the command."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.errors import Corrupt, Denied, Unavailable
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.crew import Crew
from datamon.store.download import download
from datamon.store.forking import can_fork
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.processes import forks
from datamon.store.testing.trees import snapshot, upload_tree
from datamon.store.update import UpdateRequest, update

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a crew is for Linux")
SMALL_FILES = 6_000


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that servers of earlier tests left behind, which hold no lock of ours, do not count."""
    count, left_over = threading.active_count, threading.active_count() - 1
    monkeypatch.setattr(threading, "active_count", lambda: count() - left_over)


class Counting:
    """A listener that counts, and raises or does something else at the n-th call of `advance`."""

    def __init__(self, number: int = 0, then: object = None) -> None:
        self.begun: list[tuple[int | None, int | None]] = []
        self.files = self.size_bytes = self._calls = 0
        self._number = number
        self._then = then

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        self.begun.append((files, size_bytes))

    def advance(self, files: int, size_bytes: int) -> None:
        self.files += files
        self.size_bytes += size_bytes
        self._calls += 1
        if self._calls == self._number:
            if isinstance(self._then, BaseException):
                raise self._then
            assert callable(self._then)
            self._then()

    def end(self) -> None:
        pass


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of many tiny files, a long one, empty ones and a symlink."""
    root = tmp_path_factory.mktemp("crew") / "source"
    for number in range(30):
        (root / f"{number:02}").mkdir(parents=True)
    for number in range(SMALL_FILES):
        (root / f"{number % 30:02}" / f"{number}.txt").write_bytes(b"%d" % number * (number % 50))
    (root / "long.bin").write_bytes(random_bytes("long", 3_000_000))
    (root / "link").symlink_to("00/0.txt")
    return root


@pytest.fixture
def bundle(local_store: Store, source: Path) -> Bundle:
    return upload_tree(local_store, source)


@pytest.fixture(autouse=True)
def childless() -> Iterator[None]:
    """After each test no process is left, nor a zombie."""
    yield
    assert forks() == []


def test_several_processes_bring_what_one_does(
    local_store: Store, bundle: Bundle, source: Path, tmp_path: Path
) -> None:
    progress, alone = Counting(), Counting()
    assert download(local_store, bundle, tmp_path / "out", processes=3, progress=progress) == SMALL_FILES + 2
    assert snapshot(tmp_path / "out") == snapshot(source)
    download(local_store, bundle, tmp_path / "alone", progress=alone)
    assert (progress.begun, progress.files, progress.size_bytes) == (alone.begun, alone.files, alone.size_bytes)


def test_members_work_at_the_tree(local_store: Store, bundle: Bundle, tmp_path: Path) -> None:
    seen: list[int] = []
    download(local_store, bundle, tmp_path / "out", processes=3, progress=Counting(1, lambda: seen.extend(forks())))
    assert len(seen) == 2


def test_a_process_with_threads_works_alone(local_store: Store, bundle: Bundle, tmp_path: Path) -> None:
    seen: list[int] = []
    over = threading.Event()
    waiting = threading.Thread(target=over.wait)
    waiting.start()
    try:
        assert not can_fork()
        download(local_store, bundle, tmp_path / "out", processes=3, progress=Counting(1, lambda: seen.extend(forks())))
    finally:
        over.set()
        waiting.join()
    assert seen == []


def test_damage_is_named_and_leaves_nothing(local_store: Store, bundle: Bundle, tmp_path: Path) -> None:
    for stored in local_store.blob.list(layout.PACKS):
        (tmp_path / "store" / "blob" / stored.key).write_bytes(b"x" * stored.size_bytes)
    with pytest.raises(Corrupt) as caught:
        download(local_store, bundle, tmp_path / "out", processes=2)
    assert caught.value.bundle == bundle.id
    assert str(caught.value.path) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_member_that_is_killed_fails_the_work_and_leaves_nothing(
    local_store: Store, bundle: Bundle, tmp_path: Path
) -> None:
    def kill() -> None:
        os.kill(forks()[0], signal.SIGKILL)

    with pytest.raises(Unavailable) as caught:
        download(local_store, bundle, tmp_path / "out", processes=2, progress=Counting(1, kill))
    assert caught.value.code == "worker-died"
    assert not (tmp_path / "out").exists()


def test_an_interrupt_leaves_nothing_and_no_member(local_store: Store, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        download(local_store, bundle, tmp_path / "out", processes=2, progress=Counting(700, KeyboardInterrupt()))
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_process_left_update_finishes(
    local_store: Store, bundle: Bundle, source: Path, tmp_path: Path
) -> None:
    destination = tmp_path / "out"
    pid = os.fork()
    if pid == 0:
        try:
            dying = Counting(1_000, lambda: os.kill(os.getpid(), signal.SIGKILL))
            download(local_store, bundle, destination, processes=2, progress=dying)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert 0 < len(snapshot(destination)) < len(snapshot(source))
    update(local_store, UpdateRequest(bundle, destination))  # it waits for the lock, which members would still hold
    assert snapshot(destination) == snapshot(source)


def test_an_error_of_a_member_is_raised_as_it_was() -> None:
    def fail(number: int, progress: Progress) -> None:
        raise Denied("unwritable", "no\nroom", path="é", edits=["a", "b"])

    with pytest.raises(Denied) as caught, Crew(SILENT, 1, fail) as crew:
        crew.wait()
    assert (caught.value.code, caught.value.message) == ("unwritable", "no\nroom")
    assert caught.value.facts == {"path": "é", "edits": ["a", "b"]}


def test_any_other_error_of_a_member_is_told_with_its_name() -> None:
    def fail(number: int, progress: Progress) -> None:
        raise LookupError("x" * 1_000_000)

    with pytest.raises(RuntimeError, match="LookupError: xxx"), Crew(SILENT, 1, fail) as crew:
        crew.wait()


def test_every_member_does_its_own_duty_and_all_is_told() -> None:
    def work(number: int, progress: Progress) -> None:
        for _ in range(1_000):
            progress.advance(1, number)

    progress = Counting()
    with Crew(progress, 3, work) as crew:
        assert len(crew.pids) == 3
        crew.wait()
    assert (progress.files, progress.size_bytes) == (3_000, 6_000)


def test_a_member_does_not_heed_ctrl_c() -> None:
    def interrupted(number: int, progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        progress.advance(1, 0)

    progress = Counting()
    with Crew(progress, 1, interrupted) as crew:
        crew.wait()
    assert progress.files == 1


def test_members_end_when_the_block_does() -> None:
    def work(number: int, progress: Progress) -> None:
        threading.Event().wait()

    with Crew(SILENT, 2, work) as crew:
        pids = crew.pids
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_members_end_with_the_process_that_was_killed() -> None:
    def work(number: int, progress: Progress) -> None:
        threading.Event().wait()

    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with Crew(SILENT, 2, work):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    os.close(writing)
    os.waitpid(pid, 0)
    assert os.read(reading, 1) == b"", "ends when the last process that holds the other end does"
    os.close(reading)
