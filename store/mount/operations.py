"""What the kernel asks of a mount, answered from its tree: the calls of FUSE's high level, as mfusepy names them."""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TypeVar

from datamon.errors import DatamonError, Denied
from datamon.store.mount.tree import Attributes, MountedTree
from datamon.store.serving.served_file import ServedFile

Found = TypeVar("Found")
Opened = TypeVar("Opened")
Tell = Callable[[str], object]
"""Told in a sentence why a program got an input/output error. Called by any thread."""
Answer = dict[str, int]
"""Fields of a C struct by their names."""
_BLOCK_BYTES = 4096
_SENTENCES = 1_000
"""So many different sentences are told; a program may try one file for ever."""
_NO_LABEL = errno.ENODATA if hasattr(errno, "ENODATA") else 93  # macOS names it ENOATTR


class ReadOnlyOperations:
    """The tree's answers. `ready` is called when the kernel shows it."""

    use_ns = True

    def __init__(self, tree: MountedTree, tell: Tell, ready: Callable[[], object]) -> None:
        self._tree = tree
        self._tell = tell
        self._ready = ready
        self._lock = threading.Lock()
        self._files: dict[int, ServedFile] = {}
        self._listings: dict[int, _Listing] = {}
        self._next = 1
        self._told: set[str] = set()
        self._owner = os.getuid(), os.getgid()

    def init(self, _path: str) -> None:
        """The kernel shows the tree."""
        self._ready()

    def getattr(self, path: str, _handle: int | None = None) -> Answer:
        """What `stat` says."""
        return self._stat(self._asked(path, self._tree.attributes))

    def readlink(self, path: str) -> str:
        """Where a symlink points."""
        return self._asked(path, self._tree.target)

    def open(self, path: str, flags: int) -> int:
        """A handle of a file that is to be read."""
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return self._kept(self._files, self._asked(path, self._tree.open))

    def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
        """A stretch of an open file, verified; an input/output error where it cannot be."""
        return self._asked(path, lambda _: self._files[handle].read(offset, size))

    def release(self, _path: str, handle: int) -> None:
        """The handle is no longer used."""
        self._files.pop(handle, None)

    def opendir(self, path: str) -> int:
        """A handle of a directory that is to be listed."""
        if not stat.S_ISDIR(self._asked(path, self._tree.attributes).mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return self._kept(self._listings, _Listing(self._tree, path.lstrip("/")))

    def readdir_with_offset(self, path: str, offset: int, handle: int) -> Iterator[tuple[str, Answer, int]]:
        """The names behind the first `offset`, each with its place; whoever has taken enough stops asking."""
        names = self._listings[handle].behind(offset)
        while (found := self._asked(path, lambda _: next(names, None))) is not None:
            name, attributes, place = found
            yield name, {"st_mode": attributes.mode, "st_ino": attributes.inode}, place

    def releasedir(self, _path: str, handle: int) -> None:
        """The handle is no longer used."""
        self._listings.pop(handle, None)

    def statfs(self, path: str) -> Answer:
        """How much there is; nothing is free."""
        room = self._asked(path, lambda _: self._tree.room())
        blocks = -(-room.size_bytes // _BLOCK_BYTES)
        sizes = {"f_bsize": _BLOCK_BYTES, "f_frsize": _BLOCK_BYTES, "f_blocks": blocks, "f_bfree": 0, "f_bavail": 0}
        return {**sizes, "f_files": room.entries, "f_ffree": 0, "f_favail": 0, "f_flag": os.ST_RDONLY, "f_namemax": 255}

    def listxattr(self, path: str) -> list[str]:
        """The names of the extended attributes."""
        return list(self._asked(path, self._tree.labels))

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """An extended attribute."""
        found = self._asked(path, self._tree.labels).get(name)
        if found is None:
            raise OSError(_NO_LABEL, os.strerror(_NO_LABEL), path)
        return found

    def _stat(self, found: Attributes) -> Answer:
        uid, gid = self._owner
        links = 2 if stat.S_ISDIR(found.mode) else 1
        times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), found.mtime_ns)
        blocks = -(-found.size_bytes // 512)
        owned = {"st_mode": found.mode, "st_ino": found.inode, "st_nlink": links, "st_uid": uid, "st_gid": gid}
        return {**owned, "st_size": found.size_bytes, "st_blocks": blocks, "st_blksize": 128 * 1024, **times}

    def _asked(self, path: str, question: Callable[[str], Found]) -> Found:
        """The tree's answer for a path of the kernel's. Where the store fails, the program gets an input/output error, and a
        person the sentence that says why."""
        try:
            return question(path.lstrip("/"))
        except OSError:
            raise
        except DatamonError as error:
            self._say(error.message)
            number = errno.EACCES if isinstance(error, Denied) else errno.EIO
            raise OSError(number, os.strerror(number), path) from error
        except Exception as error:
            self._say(f"{path} cannot be read: datamon failed without foreseeing it ({error!r}); please report it")
            raise OSError(errno.EIO, os.strerror(errno.EIO), path) from error

    def _say(self, sentence: str) -> None:
        with self._lock:
            if sentence in self._told or len(self._told) >= _SENTENCES:
                return
            self._told.add(sentence)
        self._tell(sentence)

    def _kept(self, among: dict[int, Opened], opened: Opened) -> int:
        with self._lock:
            handle = self._next
            self._next += 1
        among[handle] = opened
        return handle


class _Listing:
    """A directory being listed, a piece at a time; each piece begins where the last one ended, unless a program goes back."""

    def __init__(self, tree: MountedTree, path: str) -> None:
        self._tree = tree
        self._path = path
        self._place = 0
        self._rest = self._whole()
        self._next: tuple[str, Attributes] | None = None

    def behind(self, offset: int) -> Iterator[tuple[str, Attributes, int]]:
        """The names behind the first `offset`, each with how many there are up to it."""
        if offset != self._place:
            self._place, self._rest, self._next = offset, islice(self._whole(), offset, None), None
        while True:
            if self._next is None:
                self._next = next(self._rest, None)
            if self._next is None:
                return
            name, attributes = self._next
            yield name, attributes, self._place + 1
            self._place += 1
            self._next = None

    def _whole(self) -> Iterator[tuple[str, Attributes]]:
        here = self._tree.attributes(self._path)
        return chain([(".", here), ("..", here)], self._tree.children(self._path, ""))
