"""The clock that sets the times of files, for tests of what those times prove."""

import os
import time
from pathlib import Path

from datamon.store.file_times import GUARD_NS

_LOOKS = 10_000_000


def file_time_ns(directory: Path) -> int:
    """Now, by the clock of the file system that the directory is on."""
    descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o600)
    try:
        return os.fstat(descriptor).st_ctime_ns
    finally:
        os.close(descriptor)


def settle(directory: Path) -> None:
    """Returns when everything in the directory is old enough for its times to prove something."""
    newest_ns = max(path.stat().st_ctime_ns for path in directory.rglob("*"))
    while file_time_ns(directory) - newest_ns <= GUARD_NS:
        time.sleep(0.1)


def next_tick(directory: Path) -> None:
    """Returns when that clock has moved on, which it does every few milliseconds: what is written now has a later time than all
    that was written before this call."""
    before_ns = file_time_ns(directory)
    assert any(file_time_ns(directory) > before_ns for _ in range(_LOOKS))
