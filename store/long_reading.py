"""A large file that is read in parts, while it may be written to."""

import io
import os
from collections.abc import Callable

from datamon.store.beneath import Beneath
from datamon.store.chunks import WHOLE_BYTES
from datamon.store.walk import Row, row_of
from datamon.store.whole_files import same_version


class Limited(io.RawIOBase):
    """The next bytes of a file, which may grow faster than it is read."""

    def __init__(self, descriptor: int, most_bytes: int) -> None:
        self._descriptor = descriptor
        self.left_bytes = most_bytes
        """So many more it gives at most."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = os.readv(self._descriptor, [buffer[: self.left_bytes]])
        self.left_bytes -= count
        return count


class _ReadError(Exception):
    """The file cannot be read. No error of those who take its bytes can be taken for one of these."""


def read_parts(tree: Beneath, path: str, take: Callable[[Callable[[memoryview], int]], None]) -> Row | None:
    """The file's row, which was the same before and after `take` got all its bytes. `take` is given what fills a buffer from its
    start and returns how many bytes, 0 only at the end. None when the file cannot be read, is no large one, or was written to
    meanwhile, whatever `take` got. Raises what `take` raises."""
    try:
        descriptor = tree.open_file(path)
    except OSError:
        return None
    try:
        before = os.fstat(descriptor)
        if before.st_size <= WHOLE_BYTES:
            return None
        content = Limited(descriptor, before.st_size + 1)
        take(_as_read_error(content.readinto))
        after = os.fstat(descriptor)
    except _ReadError:
        return None
    finally:
        os.close(descriptor)
    return row_of(after) if content.left_bytes == 1 and same_version(before, after) else None


def _as_read_error(read: Callable[[memoryview], int]) -> Callable[[memoryview], int]:
    def told(buffer: memoryview) -> int:
        try:
            return read(buffer)
        except OSError as error:
            raise _ReadError from error

    return told
