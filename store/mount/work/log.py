"""The log of what was done in a mount: each change is in it before anything else shows it, so that a killed process loses
none."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

Change = dict[str, object]
"""What was done (`do`), to which path, and when (`t`, nanoseconds since 1970)."""


class WorkLog:
    """A file of lines, each a change. For one thread at a time."""

    def __init__(self, place: Path) -> None:
        self._file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end = _whole_bytes(place)
        os.ftruncate(self._file, self._end)  # a line that was being written when its process was killed
        self.count = 0

    def append(self, change: Change) -> None:
        """The change is in the log; when this raises OSError (a full disk), it is not."""
        line = json.dumps(change).encode() + b"\n"
        try:
            written = os.pwrite(self._file, line, self._end)
            if written != len(line):
                raise OSError(28, os.strerror(28))
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(line)
        self.count += 1

    def sync(self) -> None:
        """What was appended survives a power cut."""
        os.fsync(self._file)

    def close(self) -> None:
        """Nothing is appended any more."""
        os.close(self._file)


def read_work(place: Path) -> Iterator[Change]:
    """The changes of a log, in order; a last line that is not whole is passed over. Raises OSError."""
    with place.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _whole_bytes(place: Path) -> int:
    with place.open("rb") as file:
        size = place.stat().st_size
        back = min(size, 1 << 20)
        while back:
            file.seek(size - back)
            found = file.read(back).rfind(b"\n")
            if found >= 0:
                return size - back + found + 1
            if back == size:
                return 0
            back = min(size, back * 2)
    return 0
