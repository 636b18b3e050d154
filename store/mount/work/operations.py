"""What the kernel asks of a tree that can be changed: the calls of FUSE's high level, as mfusepy names them."""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator

from datamon.store.mount.answering import Answer, Answering, Listing, Tell
from datamon.store.mount.operations import NO_LABEL
from datamon.store.mount.tree import Attributes
from datamon.store.mount.work.node import SYMLINK, failed
from datamon.store.mount.work.open_file import OpenFile
from datamon.store.mount.work.work_tree import WorkTree
from datamon.store.serving.served_tree import ServedTree

COMMIT, COMMITTED = "user.datamon.commit", "user.datamon.bundle"
"""Extended attributes of the top: setting the first to a message commits, and the second says as which bundle."""
Commit = Callable[[str], str]
"""Commits with a message and gives the bundle's id. Raises DatamonError."""
_WRITES = os.O_WRONLY | os.O_RDWR


class WorkOperations:
    """The tree's answers. `ready` is called when the kernel shows it; `commit` when a program asks for it."""

    use_ns = True

    def __init__(
        self, work: WorkTree, tree: ServedTree | None, *, tell: Tell, ready: Callable[[], object], commit: Commit
    ) -> None:
        self._work = work
        self._tree = tree
        self._answers = Answering(tell)
        self._ready = ready
        self._commit = commit
        self._files: dict[int, OpenFile] = {}
        self._listings: dict[int, Listing] = {}

    def init(self, _path: str) -> None:
        """The kernel shows the tree."""
        self._ready()

    def attributes(self, path: str) -> Attributes:
        """What is at a path."""
        return self._work.attributes(self._work.find(path))

    def children(self, path: str, after: str) -> Iterator[tuple[str, Attributes]]:
        """What is in a directory."""
        return self._work.children(path, after)

    def getattr(self, path: str | None, handle: int | None = None) -> Answer:
        """What `stat` says."""
        if handle is not None and handle in self._files:
            return self._answers.stat(self._work.attributes(self._files[handle].node))
        return self._answers.stat(self._answers.asked(path or "", self.attributes))

    def readlink(self, path: str) -> str:
        """Where a symlink points."""
        node = self._answers.asked(path, self._work.find)
        if node.kind != SYMLINK:
            raise failed(errno.EINVAL, path)
        return node.target

    def open(self, path: str, flags: int) -> int:
        """A handle of a file."""
        return self._answers.asked(path, lambda place: self._opened(place, flags))

    def create(self, path: str, mode: int) -> int:
        """A handle of a file that was not there."""
        return self._answers.asked(path, lambda place: self._created(place, mode))

    def mknod(self, path: str, mode: int, _device: int) -> None:
        """A new empty file; no other kind can be in a bundle."""
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise failed(errno.EPERM, path)
        self._answers.asked(path, lambda place: self._work.create(place, mode))

    def read(self, path: str | None, size: int, offset: int, handle: int) -> bytes:
        """A stretch of an open file."""
        return self._answers.asked(path or "", lambda _: self._files[handle].read(offset, size))

    def write(self, path: str | None, content: bytes, offset: int, handle: int) -> int:
        """How many bytes were written."""
        return self._answers.asked(path or "", lambda _: self._files[handle].write(content, offset))

    def truncate(self, path: str | None, size: int, handle: int | None = None) -> None:
        """The file has so many bytes."""
        if handle is not None and handle in self._files:
            self._files[handle].truncate(size)
            return
        self._answers.asked(path or "", lambda place: self._truncated(place, size))

    def fsync(self, path: str | None, _datasync: int, handle: int) -> None:
        """What was written survives a power cut."""
        self._answers.asked(path or "", lambda _: self._files[handle].sync())

    def fsyncdir(self, _path: str | None, _datasync: int, _handle: int) -> None:
        """What was done to names survives a power cut."""
        self._work.sync()

    def release(self, _path: str | None, handle: int) -> None:
        """The handle is no longer used."""
        opened = self._files.pop(handle, None)
        if opened is not None:
            opened.close()

    def opendir(self, path: str) -> int:
        """A handle of a directory."""
        if not self._answers.asked(path, self._work.find).is_directory:
            raise failed(errno.ENOTDIR, path)
        return self._answers.kept(self._listings, Listing(self, path.lstrip("/")))

    def readdir_with_offset(self, path: str | None, offset: int, handle: int) -> Iterator[tuple[str, Answer, int]]:
        """The names behind the first `offset`, each with its place."""
        names = self._listings[handle].behind(offset)
        while (found := self._answers.asked(path or "", lambda _: next(names, None))) is not None:
            name, attributes, place = found
            yield name, {"st_mode": attributes.mode, "st_ino": attributes.inode}, place

    def releasedir(self, _path: str | None, handle: int) -> None:
        """The handle is no longer used."""
        self._listings.pop(handle, None)

    def mkdir(self, path: str, mode: int) -> None:
        """A new directory."""
        self._answers.asked(path, lambda place: self._work.make_directory(place, mode))

    def unlink(self, path: str) -> None:
        """A file or symlink is gone."""
        self._answers.asked(path, self._work.unlink)

    def rmdir(self, path: str) -> None:
        """An empty directory is gone."""
        self._answers.asked(path, self._work.remove_directory)

    def rename(self, old: str, new: str) -> None:
        """A path is another one."""
        self._answers.asked(old, lambda place: self._work.rename(place, new.lstrip("/")))

    def symlink(self, path: str, target: str) -> None:
        """A new symlink."""
        try:
            target.encode("utf-8")
        except UnicodeEncodeError as error:
            raise failed(errno.EILSEQ, path) from error
        self._answers.asked(path, lambda place: self._work.make_symlink(place, target))

    def link(self, path: str, _source: str) -> None:
        """A bundle has no hard links."""
        raise failed(errno.EPERM, path)

    def chmod(self, path: str, mode: int) -> None:
        """The permissions are these."""
        self._answers.asked(path, lambda place: self._work.set_mode(place, mode))

    def chown(self, path: str, uid: int, gid: int) -> None:
        """A bundle has no owners: only its reader's own can be asked for."""
        if uid not in (-1, os.getuid()) or gid not in (-1, os.getgid()):
            raise failed(errno.EPERM, path)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        """The file was changed then."""
        mtime_ns = time.time_ns() if times is None else times[1]
        self._answers.asked(path, lambda place: self._work.set_time(place, mtime_ns))

    def statfs(self, _path: str) -> Answer:
        """The room of this machine's disk."""
        found = os.statvfs(self._work.directory)
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail")
        return {name: getattr(found, name) for name in names} | {"f_namemax": 255}

    def setxattr(self, path: str, name: str, value: bytes, _options: int, _position: int = 0) -> None:
        """Setting COMMIT of the top commits; nothing else can be set."""
        if path != "/" or name != COMMIT:
            raise failed(errno.ENOTSUP, path)
        self._answers.asked(path, lambda _: self._commit(value.decode("utf-8", "replace")))

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """COMMITTED of the top is the bundle that it was committed as last."""
        if path == "/" and name == COMMITTED and self._work.committed:
            return self._work.committed.encode()
        raise failed(NO_LABEL, path)

    def _opened(self, place: str, flags: int) -> int:
        with self._work.lock:
            node = self._work.find(place)
            if node.is_directory:
                raise failed(errno.EISDIR, place)
            if flags & _WRITES and node.staged is None:
                self._work.stage(place, node, keeping=0 if flags & os.O_TRUNC else None)
            elif flags & os.O_TRUNC and flags & _WRITES:
                self._truncated(place, 0)
            return self._answers.kept(self._files, OpenFile(self._work, self._tree, node))

    def _created(self, place: str, mode: int) -> int:
        with self._work.lock:
            node = self._work.create(place, mode)
            return self._answers.kept(self._files, OpenFile(self._work, self._tree, node))

    def _truncated(self, place: str, size: int) -> None:
        with self._work.lock:
            node = self._work.find(place)
            if node.is_directory:
                raise failed(errno.EISDIR, place)
            number = self._work.stage(place, node, keeping=size)
            self._work.touch()
            os.truncate(self._work.file(number), size)
