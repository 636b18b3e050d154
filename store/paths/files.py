"""Files of paths as Python has files: to be read from anywhere, or written and then committed."""

import errno
import io
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from datamon.errors import Corrupt, DatamonError, Unavailable
from datamon.store.paths.paths import Paths, Writing
from datamon.store.serving.served_file import ServedFile

BUFFER_BYTES = 64 * 1024


class _FileError(DatamonError, OSError):
    """An error of ours that is one of the system's too (EIO), for who reads files and knows no others."""

    def __init__(self, code: str, message: str, **facts: object) -> None:
        super().__init__(code, message, **facts)
        self.errno, self.strerror, self.filename = errno.EIO, message, facts.get("path")

    def __str__(self) -> str:
        return self.message


class CorruptFileError(_FileError, Corrupt):
    """A file of which a byte that was asked for is not what was stored."""


class UnavailableFileError(_FileError, Unavailable):
    """A file that cannot be read now."""


def read_stretch(file: ServedFile, offset: int, length: int) -> bytes:
    """As `ServedFile.read`; raises CorruptFileError, UnavailableFileError."""
    try:
        return file.read(offset, length)
    except Corrupt as error:
        raise CorruptFileError(error.code, error.message, **error.facts) from error
    except Unavailable as error:
        raise UnavailableFileError(error.code, error.message, **error.facts) from error


class PathReader(io.BufferedReader):
    """A file that is read. What is asked for is fetched, `BUFFER_BYTES` at least, and what the store reads ahead."""

    def __init__(self, file: ServedFile) -> None:
        super().__init__(_Served(file), BUFFER_BYTES)
        self.path = file.path
        self.size = file.size

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path!r}>"


class _Served(io.RawIOBase):
    def __init__(self, file: ServedFile) -> None:
        super().__init__()
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if begin + offset < 0:
            raise ValueError(f"there is no place {begin + offset} in a file")
        self._at = begin + offset
        return self._at

    def readinto(self, room: Any, /) -> int:
        content = read_stretch(self._file, self._at, len(room))
        room[: len(content)] = content
        self._at += len(content)
        return len(content)

    def readall(self) -> bytes:
        content = read_stretch(self._file, self._at, max(0, self._file.size - self._at))
        self._at += len(content)
        return content


class PathWriter(io.BufferedWriter):
    """A file that is written. When it is closed it is whole at its path, and committed unless a transaction or a run does that.

    When it is closed while an exception is on its way, or never closed, nothing of it is kept: half a file is no file.
    """

    def __init__(
        self, paths: Paths, writing: Writing, path: str, on_commit: Callable[[], object] = lambda: None
    ) -> None:
        self._place: Path | None = writing.staged.begin(path)
        super().__init__(io.FileIO(self._place, "wb"), BUFFER_BYTES)
        self.path = path
        self._paths = paths
        self._writing = writing
        self._on_commit = on_commit
        self._under_way = sys.exc_info()[1]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path!r}>"

    def close(self) -> None:
        """See the class. Raises as `Paths.commit`, and when the disk is full; then nothing is kept."""
        if self.closed or self._place is None:
            return
        if sys.exc_info()[1] not in (None, self._under_way):
            self.discard()
            return
        place, self._place = self._place, None
        staged, alone = self._writing
        try:
            super().close()
            staged.finish(place, self.path)
            if alone is not None:
                self._paths.commit(alone)
        except BaseException:
            staged.abandon(place)
            if alone is not None:
                alone.drop()
            raise
        self._on_commit()

    def commit(self) -> None:
        """As `close`."""
        self.close()

    def discard(self) -> None:
        """Nothing of it is kept."""
        place, self._place = self._place, None
        if place is None:
            return
        with suppress(OSError):
            super().close()
        self._writing.staged.abandon(place)
        if self._writing.alone is not None:
            self._writing.alone.drop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_place", None) is not None:
            warnings.warn(f"{self!r} was not closed; nothing of it is kept", ResourceWarning, stacklevel=2)
            self.discard()


class PathText(io.TextIOWrapper):
    """Text over one of these. As of a `PathWriter`, nothing is kept of what is not closed, or is closed by an exception."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._discard()
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self._discard()

    def _discard(self) -> None:
        under: Any = None if self.closed else self.buffer
        if isinstance(under, PathWriter) and not under.closed:
            under.__del__() if sys.exc_info()[1] is None else under.discard()
