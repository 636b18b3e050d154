"""What all kinds of mounts do to answer the kernel: handles, numbers of errors, listings in pieces."""

import ctypes
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from itertools import chain, count, islice
from typing import Protocol, TypeVar

from datamon.errors import Corrupt, DatamonError, Denied
from datamon.store.mount.tree import Attributes

Found = TypeVar("Found")
Opened = TypeVar("Opened")
Tell = Callable[[str], object]
"""Told in a sentence why a program got an input/output error. Called by any thread."""
Answer = dict[str, int]
"""Fields of a C struct by their names."""
BLOCK_BYTES = 4096
_THREAD = threading.local()
_known = count()
_MOST_KNOWN = 1_000
_SENTENCES = 1_000
"""So many different sentences are told; a program may try one file for ever."""


class Answering:
    """Answers for one mount. Any thread may ask."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._next = 1
        self._told: set[str] = set()
        self._owner = os.getuid(), os.getgid()

    def stat(self, found: Attributes) -> Answer:
        """The fields of `stat`."""
        uid, gid = self._owner
        links = 2 if stat.S_ISDIR(found.mode) else 1
        times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), found.mtime_ns)
        blocks = -(-found.size_bytes // 512)
        owned = {"st_mode": found.mode, "st_ino": found.inode, "st_nlink": links, "st_uid": uid, "st_gid": gid}
        return {**owned, "st_size": found.size_bytes, "st_blocks": blocks, "st_blksize": 128 * 1024, **times}

    def asked(self, path: str, question: Callable[[str], Found]) -> Found:
        """The tree's answer for a path of the kernel's, in a thread of libfuse's. Where the store fails, the program gets an
        input/output error, and a person the sentence that says why."""
        if not hasattr(_THREAD, "is_known"):
            _stay_known()
        try:
            return question(path.lstrip("/"))
        except OSError:
            raise
        except DatamonError as error:
            self._say(error.message if isinstance(error, Corrupt) else f"{path} cannot be read: {error.message}")
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

    def kept(self, among: dict[int, Opened], opened: Opened) -> int:
        """The number under which this is among what is open now."""
        with self._lock:
            handle = self._next
            self._next += 1
        among[handle] = opened
        return handle


def _stay_known() -> None:
    """The calling thread stays known to Python. Else each call out of C makes it known and forgets it again, which takes longer
    than most answers. What is kept of a thread is never given back; so only of so many."""
    _THREAD.is_known = True
    if next(_known) < _MOST_KNOWN:
        ctypes.pythonapi.PyGILState_Ensure()


class Listable(Protocol):
    """A tree whose directories can be listed."""

    def attributes(self, path: str) -> Attributes:
        """See `MountedTree`."""

    def children(self, path: str, after: str) -> Iterator[tuple[str, Attributes]]:
        """See `MountedTree`."""


class Listing:
    """A directory being listed, a piece at a time; each piece begins where the last one ended, unless a program goes back."""

    def __init__(self, tree: Listable, path: str) -> None:
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
