"""A directory shown by mfusepy as it is, and nothing more: what the library alone costs, for `bench/mounts.py`.

python bench/passthrough.py SOURCE DIR
"""

import os
import sys
from collections.abc import Iterator

import mfusepy

_STAT = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
_LASTS_S = 86_400


class Passthrough:
    """The source's files, to be read."""

    use_ns = True

    def __init__(self, source: str) -> None:
        self._source = source

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        """What `stat` says of the source."""
        found = os.lstat(self._source + path)
        return {name: getattr(found, name) for name in _STAT} | {"st_mtime": found.st_mtime_ns}

    def readdir(self, path: str, _handle: int) -> Iterator[str]:
        """The source's names."""
        yield from (".", "..", *os.listdir(self._source + path))

    def open(self, path: str, flags: int) -> int:
        """The source's file."""
        return os.open(self._source + path, flags)

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        """A stretch of it."""
        return os.pread(handle, size, offset)

    def release(self, _path: str, handle: int) -> None:
        """It is closed."""
        os.close(handle)


if __name__ == "__main__":
    lasting = dict.fromkeys(("attr_timeout", "entry_timeout", "negative_timeout"), _LASTS_S)
    mfusepy.FUSE(
        Passthrough(sys.argv[1]),
        sys.argv[2],
        foreground=True,
        ro=True,
        default_permissions=True,
        use_ino=True,
        kernel_cache=True,
        fsname="passthrough",
        **lasting,
    )
