"""Index files on disk: whole generations that are published by a rename and never written afterwards.

The directory holds `<number>.duckdb` (the highest number is current), `lock`, and for moments `building-…` (only its lock's
holder makes these) and `reading-…` (private to one question). DuckDB lets a file have one writer or several readers, never
both, so that only unpublished files are ever opened for writing.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from datamon.errors import Unavailable

_SUFFIX = ".duckdb"
_LOOKS = 100
_FORGOTTEN_S = 3600.0


class Generations:
    """The generations of one index. Safe among any number of processes of one machine."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def current(self) -> int | None:
        """The number of the current generation; None when there is none."""
        numbers = [int(path.stem) for path in self._directory.glob(f"*{_SUFFIX}") if path.stem.isdigit()]
        return max(numbers, default=None)

    def private(self, stem: str) -> Path:
        """A name in the directory that no one else uses."""
        return self._directory / f"{stem}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"

    @contextlib.contextmanager
    def held(self) -> Iterator[tuple[int, Path] | None]:
        """The current generation and a path to its file that lasts as long as the block, even when the generation is replaced
        and deleted meanwhile; None when there is none."""
        path = self.private("reading")
        try:
            number = self._link(path)
            yield None if number is None else (number, path)
        finally:
            path.unlink(missing_ok=True)

    def _link(self, path: Path) -> int | None:
        for _ in range(_LOOKS):
            number = self.current()
            if number is None:
                return None
            with contextlib.suppress(FileNotFoundError):  # it was replaced between the two looks
                self.share(self._path(number), path)
                return number
        raise Unavailable(
            "index-busy", f"the index at {self._directory} is replaced faster than it can be opened; ask again"
        )

    @staticmethod
    def share(source: Path, target: Path) -> None:
        """`target` is another name of the file `source`. Raises FileNotFoundError when that is gone."""
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            shutil.copyfile(source, target)

    @contextlib.contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[bool]:
        """Whether this block may publish: one at a time may. Waits for its turn only when told to. It ends with its process."""
        handle = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield self._locked(handle, wait)
        finally:
            os.close(handle)

    @staticmethod
    def _locked(handle: int, wait: bool) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.utime(handle)
        return True

    def publish(self, built: Path) -> None:
        """The file `built` is the current generation, and the older ones are gone; readers that have one open keep it.
        Only under the lock; atomic."""
        number = (self.current() or 0) + 1
        built.rename(self._path(number))
        self._clear(number)

    def _clear(self, current: int) -> None:
        for path in self._directory.glob(f"*{_SUFFIX}*"):
            if self._is_left_over(path, current) and path.is_dir():  # what DuckDB had no memory for
                shutil.rmtree(path, ignore_errors=True)
            elif self._is_left_over(path, current):
                path.unlink(missing_ok=True)

    def _is_left_over(self, path: Path, current: int) -> bool:
        name = path.name.partition(_SUFFIX)[0]
        if name.isdigit():
            return int(name) < current
        if name.startswith("building"):
            return True  # whoever built it died: the lock is ours
        return self._is_forgotten(path)

    def _is_forgotten(self, path: Path) -> bool:
        """Whether a private file is so much older than the lock's last use that its reader must have died. A link's age shows
        in the change time only."""
        try:
            age_s = (self._directory / "lock").stat().st_ctime - path.stat().st_ctime
        except FileNotFoundError:
            return False
        return age_s > _FORGOTTEN_S

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:012d}{_SUFFIX}"
