"""Appends that are not waited for, and notes: seen at once, kept when the process is killed, durable a moment later."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from datamon.errors import Unavailable
from datamon.lineage.decorators import make_step
from datamon.lineage.records import RUN_KINDS
from datamon.store.backend import Noting, Unhurried, drop_note, put_note
from datamon.store.backend.lagging import Lagging
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.journal import FileJournal, ObjectJournal, without_waiting
from datamon.store.opening import Places, open_store, unhurried
from datamon.store.testing.clocks import SteppingClock

ADA = Author("Ada", "ada@example.org")


def test_what_is_not_waited_for_is_seen_at_once_and_in_its_order(tmp_path: Path) -> None:
    journal = FileJournal(LocalBackend(tmp_path), SteppingClock())
    hurried = without_waiting(journal)
    for number in range(6):
        (hurried if number % 2 else journal).append({"kind": "x", "number": number})
    assert [record["number"] for record in journal.read({})[0]] == list(range(6))


def test_only_a_local_journal_need_not_be_waited_for() -> None:
    journal = ObjectJournal(MemoryBackend(), "w")
    assert without_waiting(journal) is journal


_KILLED = """
import os, signal, sys
from pathlib import Path
from datamon.store.backend.local import LocalBackend
from datamon.store.journal import FileJournal, without_waiting
journal = without_waiting(FileJournal(LocalBackend(Path(sys.argv[1]))))
for number in range(50):
    journal.append({"kind": "x", "number": number})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(FileJournal(LocalBackend(tmp_path)).read({})[0]) == 50


def test_what_was_noted_is_synced_once_for_many_writes_and_at_the_end(tmp_path: Path) -> None:
    synced: list[Path] = []
    lagging = Lagging(synced.append)
    for _ in range(100):
        lagging.note(tmp_path / "a")
    lagging.note(tmp_path / "b")
    lagging.finish()
    assert sorted(synced) == [tmp_path / "a", tmp_path / "b"]
    lagging.finish()
    assert len(synced) == 2


def test_a_thread_syncs_without_being_asked(tmp_path: Path) -> None:
    done = threading.Event()
    Lagging(lambda _: done.set()).note(tmp_path)
    assert done.wait(30)


def test_a_sync_that_failed_is_told_by_the_next_append(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    lagging = Lagging(fail)
    lagging.note(tmp_path)
    lagging.finish()
    with pytest.raises(OSError, match="Input/output error"):
        lagging.note(tmp_path)
    backend = LocalBackend(tmp_path)
    backend._lagging = lagging
    lagging.finish()
    with pytest.raises(Unavailable):
        backend.append_soon("journal/log", b"x")


def test_a_step_that_does_not_wait_makes_no_sync_of_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(Places(str(tmp_path / "s"), str(tmp_path / "s")), ADA)

    def calls_of(wait: bool) -> int:
        @make_step(lambda: store)(wait=wait)
        def nothing(number: int) -> int:
            return number

        nothing(0)
        synced: list[int] = []
        with monkeypatch.context() as patch:
            patch.setattr("datamon.store.backend.local._sync", synced.append)
            patch.setattr("datamon.store.backend.lagging._LAG_S", 3600.0)
            for number in range(5):
                nothing(number)
        return len(synced)

    assert calls_of(wait=True) == 10
    assert calls_of(wait=False) == 0
    assert sum(record["kind"] in RUN_KINDS for record in store.journal.read({})[0]) == 24
    assert unhurried(store).logs is store.logs


def test_a_note_is_whole_and_goes_when_it_is_dropped(tmp_path: Path) -> None:
    for backend in (LocalBackend(tmp_path), MemoryBackend()):
        put_note(backend, "open/a", b"1")
        put_note(backend, "open/a", b"2")
        assert backend.get("open/a") == b"2"
        assert [stored.key for stored in backend.list("")] == ["open/a"]
        drop_note(backend, "open/a")
        drop_note(backend, "open/a")
        assert not backend.has("open/a")
    assert isinstance(LocalBackend(tmp_path), Noting)
    assert isinstance(LocalBackend(tmp_path), Unhurried)
    assert not os.listdir(tmp_path / "+tmp")
