"""Files of this machine as a source."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datamon.errors import Invalid
from datamon.store.clock import system_clock
from datamon.store.external.failures import changed, gone, refused, unreachable
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import Url, path_url
from datamon.store.file_times import GUARD_NS

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_PIECE_BYTES = 2**20


class LocalFiles:
    """See `Source`. Symlinks to files are followed; one to a directory below the URL, and what is neither file nor directory, is
    an error that names it."""

    def find(self, url: Url) -> Iterator[Listed]:
        """See `Source`."""
        with _failures(url):
            status = os.stat(url.path)
        if not stat.S_ISDIR(status.st_mode):
            yield Listed("", url, _status(url, status), stat.S_IMODE(status.st_mode))
            return
        yield from self._beneath(url.path.rstrip("/") or "/", "")

    def _beneath(self, directory: str, lead: str) -> Iterator[Listed]:
        own = path_url(Path(directory))
        with _failures(own), os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            url = path_url(Path(entry.path))
            with _failures(url):
                status = entry.stat()
                is_link = entry.is_symlink()
            path = lead + entry.name
            if not stat.S_ISDIR(status.st_mode):
                yield Listed(path, url, _status(url, status), stat.S_IMODE(status.st_mode))
                continue
            if is_link:
                raise _unsupported(url, "is a symlink to a directory")
            at = Status(0, status.st_mtime_ns)
            yield Listed(path, url, at, stat.S_IMODE(status.st_mode), directory=True)
            yield from self._beneath(entry.path, f"{path}/")

    def status(self, url: Url) -> Status:
        """See `Source`."""
        with _failures(url):
            return _status(url, os.stat(url.path))

    def read(self, url: Url, at: Status, begin: int, end: int) -> bytes:
        """See `Source`."""
        with _failures(url), open(os.open(url.path, _OPEN), "rb", buffering=0) as file:
            _check_same(url, at, file.fileno())
            pieces = []
            while begin < end and (piece := os.pread(file.fileno(), min(end - begin, 8 * _PIECE_BYTES), begin)):
                pieces.append(piece)
                begin += len(piece)
            _check_same(url, at, file.fileno())
        if begin < end:
            raise changed(url, "it has become shorter")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def stream(self, url: Url, at: Status) -> Iterator[bytes]:
        """See `Source`."""
        with _failures(url), open(os.open(url.path, _OPEN), "rb", buffering=0) as file:
            _check_same(url, at, file.fileno())
            while piece := file.read(_PIECE_BYTES):
                yield piece
            _check_same(url, at, file.fileno())


def _check_same(url: Url, at: Status, descriptor: int) -> None:
    now = os.fstat(descriptor)
    if not stat.S_ISREG(now.st_mode):
        raise _unsupported(url, "is no regular file")
    if now.st_size != at.size_bytes or (at.version is not None and at.version != _version(now)):
        raise changed(url, "it was written to")


def _status(url: Url, status: os.stat_result) -> Status:
    if not stat.S_ISREG(status.st_mode):
        raise _unsupported(url, "is neither a regular file nor a directory")
    version = _version(status)
    settled = system_clock() - GUARD_NS > max(status.st_mtime_ns, status.st_ctime_ns)
    return Status(status.st_size, status.st_mtime_ns, version=version, proof=version if settled else None)


def _version(status: os.stat_result) -> str:
    return f"{status.st_dev}-{status.st_ino}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _unsupported(url: Url, what: str) -> Invalid:
    return Invalid(
        "unsupported-file", f"{url} {what}, which cannot be kept; leave it out with --name-filter", url=url.text
    )


@contextmanager
def _failures(url: Url) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise gone(url) from error
    except PermissionError as error:
        raise refused(url, error.strerror or "no permission") from error
    except OSError as error:
        raise unreachable(url, error.strerror or error) from error
