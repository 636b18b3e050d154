"""What the kernel asks of a mount, answered from its tree: the calls of FUSE's high level, as mfusepy names them."""

import errno
import os
import stat
from collections.abc import Callable, Iterator

from datamon.store.mount.answering import BLOCK_BYTES, Answer, Answering, Listing, Tell
from datamon.store.mount.tree import MountedTree
from datamon.store.serving.served_file import ServedFile

NO_LABEL = errno.ENODATA if hasattr(errno, "ENODATA") else 93  # macOS names it ENOATTR


class ReadOnlyOperations:
    """The tree's answers. `ready` is called when the kernel shows it."""

    use_ns = True

    def __init__(self, tree: MountedTree, tell: Tell, ready: Callable[[], object]) -> None:
        self._tree = tree
        self._answers = Answering(tell)
        self._ready = ready
        self._files: dict[int, ServedFile] = {}
        self._listings: dict[int, Listing] = {}

    def init(self, _path: str) -> None:
        """The kernel shows the tree."""
        self._ready()

    def getattr(self, path: str, _handle: int | None = None) -> Answer:
        """What `stat` says."""
        return self._answers.stat(self._answers.asked(path, self._tree.attributes))

    def readlink(self, path: str) -> str:
        """Where a symlink points."""
        return self._answers.asked(path, self._tree.target)

    def open(self, path: str, flags: int) -> int:
        """A handle of a file that is to be read."""
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return self._answers.kept(self._files, self._answers.asked(path, self._tree.open))

    def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
        """A stretch of an open file, verified; an input/output error where it cannot be."""
        return self._answers.asked(path, lambda _: self._files[handle].read(offset, size))

    def release(self, _path: str, handle: int) -> None:
        """The handle is no longer used."""
        self._files.pop(handle, None)

    def opendir(self, path: str) -> int:
        """A handle of a directory that is to be listed."""
        if not stat.S_ISDIR(self._answers.asked(path, self._tree.attributes).mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return self._answers.kept(self._listings, Listing(self._tree, path.lstrip("/")))

    def readdir_with_offset(self, path: str, offset: int, handle: int) -> Iterator[tuple[str, Answer, int]]:
        """The names behind the first `offset`, each with its place; whoever has taken enough stops asking."""
        names = self._listings[handle].behind(offset)
        while (found := self._answers.asked(path, lambda _: next(names, None))) is not None:
            name, attributes, place = found
            yield name, {"st_mode": attributes.mode, "st_ino": attributes.inode}, place

    def releasedir(self, _path: str, handle: int) -> None:
        """The handle is no longer used."""
        self._listings.pop(handle, None)

    def statfs(self, path: str) -> Answer:
        """How much there is; nothing is free."""
        room = self._answers.asked(path, lambda _: self._tree.room())
        blocks = -(-room.size_bytes // BLOCK_BYTES)
        sizes = {"f_bsize": BLOCK_BYTES, "f_frsize": BLOCK_BYTES, "f_blocks": blocks, "f_bfree": 0, "f_bavail": 0}
        return {**sizes, "f_files": room.entries, "f_ffree": 0, "f_favail": 0, "f_flag": os.ST_RDONLY, "f_namemax": 255}

    def listxattr(self, path: str) -> list[str]:
        """The names of the extended attributes."""
        return list(self._answers.asked(path, self._tree.labels))

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """An extended attribute."""
        found = self._answers.asked(path, self._tree.labels).get(name)
        if found is None:
            raise OSError(NO_LABEL, os.strerror(NO_LABEL), path)
        return found
