"""A tree that is being changed: the changes of names and modes, each logged before it shows."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from datamon.store.entries import TreeEntry
from datamon.store.mount.tree import Attributes
from datamon.store.mount.work.log import Change, WorkLog, read_work
from datamon.store.mount.work.node import DIRECTORY, FILE, SYMLINK, Names, Node, check_node_name, failed
from datamon.store.serving.served_tree import ServedTree

LOG, FILES = "log", "files"
_PIECE_BYTES = 4 * 2**20
_LISTED = 512
"""So many names are listed under one lock."""


class WorkTree:
    """The tree of a bundle (None: an empty one) with what was done to it since, which lies in `directory`. What is there is done
    again first: so goes on what a killed process began.

    Paths are relative, `/` between parts, `""` is the top. Any thread may ask; `lock` is held by whoever needs several answers of
    one moment. Methods raise OSError with the number that the program is to get, and DatamonError where the store fails.
    """

    def __init__(self, directory: Path, tree: ServedTree | None, top: TreeEntry) -> None:
        self.lock = threading.RLock()
        self.directory = directory
        self.files = directory / FILES
        self.files.mkdir(parents=True, exist_ok=True)
        self.names = Names(tree)
        self.top = Node.of(top, 1)
        self.is_changed = False
        self._tree = tree
        self._next_file = 1
        log = directory / LOG
        changes = list(read_work(log)) if log.exists() else []
        self.committed: str | None = None
        self._log = WorkLog(log)
        self._is_again = True
        for change in changes:
            self._carry_out(change)
        self._is_again = False
        self._sweep()

    def find(self, path: str) -> Node:
        """The node at `path`. Raises ENOENT, ENOTDIR."""
        with self.lock:
            node = self.top
            for name in path.split("/") if path else ():
                if not node.is_directory:
                    raise failed(errno.ENOTDIR, path)
                found = self.names.find(node, name)
                if found is None:
                    raise failed(errno.ENOENT, path)
                node = found
            return node

    def attributes(self, node: Node) -> Attributes:
        """What `stat` says of it."""
        size, mtime_ns = 4096, node.mtime_ns
        if node.kind == SYMLINK:
            size = len(node.target.encode("utf-8", "surrogateescape"))
        elif node.staged is not None:
            found = self.file(node.staged).stat()
            size, mtime_ns = found.st_size, found.st_mtime_ns
        elif node.kind == FILE:
            size = node.below.size_bytes if node.below is not None else 0
        return Attributes(node.kind | node.mode, size, mtime_ns, node.inode)

    def children(self, path: str, after: str) -> Iterator[tuple[str, Attributes]]:
        """The names in a directory, in order, from the first on that is greater than `after`."""
        with self.lock:
            node = self.find(path)
            if not node.is_directory:
                raise failed(errno.ENOTDIR, path)
            if self._tree is not None and node.below is not None:
                self._tree.note_listed(node.below.path)
        while True:  # the lock is given back now and then, and a listing goes on behind the last name
            with self.lock:
                some = [(name, self.attributes(found)) for name, found in islice(self.names.list(node, after), _LISTED)]
            yield from some
            if len(some) < _LISTED:
                return
            after = some[-1][0]

    def create(self, path: str, mode: int) -> Node:
        """A new empty file. Raises EEXIST, ENOENT, ENOTDIR, ENAMETOOLONG, EILSEQ."""
        with self.lock:
            self._check_free(path)
            number = self._new_file()
            return self._done({"do": "create", "path": path, "mode": mode & 0o7777, "file": number})

    def make_directory(self, path: str, mode: int) -> None:
        """A new empty directory. Raises as `create`."""
        with self.lock:
            self._check_free(path)
            self._done({"do": "mkdir", "path": path, "mode": mode & 0o7777})

    def make_symlink(self, path: str, target: str) -> None:
        """A new symlink. Raises as `create`."""
        with self.lock:
            self._check_free(path)
            self._done({"do": "symlink", "path": path, "target": target})

    def unlink(self, path: str) -> None:
        """Nothing is at `path`; who has it open keeps it. Raises EISDIR, ENOENT, ENOTDIR."""
        with self.lock:
            if self.find(path).is_directory:
                raise failed(errno.EISDIR, path)
            self._done({"do": "remove", "path": path})

    def remove_directory(self, path: str) -> None:
        """Nothing is at `path`. Raises ENOTDIR, ENOTEMPTY, ENOENT, EBUSY for the top."""
        with self.lock:
            node = self.find(path)
            if not node.is_directory:
                raise failed(errno.ENOTDIR, path)
            if not path:
                raise failed(errno.EBUSY, path)
            if not self.names.is_empty(node):
                raise failed(errno.ENOTEMPTY, path)
            self._done({"do": "remove", "path": path})

    def rename(self, old: str, new: str) -> None:
        """What was at `old` is at `new`, in place of what was there, at once. Raises ENOENT, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL
        for a directory into itself, EBUSY for the top."""
        with self.lock:
            node = self.find(old)
            if not old or not new:
                raise failed(errno.EBUSY, old)
            if node.is_directory and new.startswith(f"{old}/"):
                raise failed(errno.EINVAL, new)
            above, name = self._above(new)
            check_node_name(name, new)
            there = self.names.find(above, name)
            if there is node:
                return
            if there is not None:
                self._check_replaceable(node, there, new)
            self._done({"do": "rename", "path": old, "to": new})

    def set_mode(self, path: str, mode: int) -> None:
        """The permissions are these. Raises ENOENT, ENOTDIR."""
        with self.lock:
            self.find(path)
            self._done({"do": "mode", "path": path, "mode": mode & 0o7777})

    def set_time(self, path: str, mtime_ns: int) -> None:
        """It was changed then. Raises ENOENT, ENOTDIR."""
        with self.lock:
            self.find(path)
            self._done({"do": "time", "path": path, "mtime": mtime_ns})

    def stage(self, path: str, node: Node, *, keeping: int | None = None) -> int:
        """The number of the file on this disk that has the node's content, or the first `keeping` bytes of it; from now on the
        node is that file. `path` is where it is, "" for one that is nowhere any more."""
        with self.lock:
            if node.staged is not None:
                return node.staged
            number = self._new_file()
            try:
                self._copy(node, number, keeping)
                if node.is_linked:
                    self._done({"do": "stage", "path": path, "file": number})
                else:
                    node.staged = number
            except BaseException:
                with suppress(OSError):
                    self.file(number).unlink()
                raise
            return number

    def touch(self) -> None:
        """A file's content was changed."""
        self.is_changed = True

    def note_commit(self, bundle: str) -> None:
        """What was done up to now is committed as this bundle."""
        with self.lock:
            self._log.append({"do": "committed", "bundle": bundle, "t": time.time_ns()})
            self._log.sync()
            self.committed, self.is_changed = bundle, False

    def release(self, node: Node) -> None:
        """One handle of the node less; the content of one that is nowhere any more goes with the last."""
        with self.lock:
            node.handles -= 1
            self._forget(node)

    def sync(self) -> None:
        """What was done survives a power cut, as far as names and modes go."""
        with self.lock:
            self._log.sync()

    def close(self) -> None:
        """Nothing more is done."""
        with self.lock:
            self._log.close()

    def file(self, number: int) -> Path:
        """The file of this number on this disk."""
        return self.files / str(number)

    def _done(self, change: Change) -> Node:
        """The change is logged, and then it shows."""
        change["t"] = time.time_ns()
        self._log.append(change)
        return self._carry_out(change)

    def _carry_out(self, change: Change) -> Node:
        self.is_changed = change["do"] != "committed"
        return _WAYS[str(change["do"])](self, change)

    def _created(self, change: Change) -> Node:
        node = self._put(change, FILE, _whole(change["mode"]))
        node.staged = _whole(change["file"])
        self._next_file = max(self._next_file, node.staged + 1)
        return node

    def _made_directory(self, change: Change) -> Node:
        return self._put(change, DIRECTORY, _whole(change["mode"]))

    def _made_symlink(self, change: Change) -> Node:
        node = self._put(change, SYMLINK, 0o777)
        node.target = str(change["target"])
        return node

    def _removed(self, change: Change) -> Node:
        above, name = self._above(str(change["path"]))
        node = self.names.find(above, name)
        assert node is not None
        above.names[name] = None
        above.mtime_ns = _whole(change["t"])
        self._unlinked(node)
        return node

    def _renamed(self, change: Change) -> Node:
        above, name = self._above(str(change["path"]))
        node = self.names.find(above, name)
        to, new = self._above(str(change["to"]))
        there = self.names.find(to, new)
        assert node is not None
        above.names[name] = None
        to.names[new] = node
        above.mtime_ns = to.mtime_ns = _whole(change["t"])
        if there is not None:
            self._unlinked(there)
        return node

    def _moded(self, change: Change) -> Node:
        node = self.find(str(change["path"]))
        node.mode = _whole(change["mode"])
        return node

    def _timed(self, change: Change) -> Node:
        node = self.find(str(change["path"]))
        node.mtime_ns = _whole(change["mtime"])
        if node.staged is not None and not self._is_again:  # when it is done again, the file has its last time already
            os.utime(self.file(node.staged), ns=(node.mtime_ns, node.mtime_ns))
        return node

    def _staged(self, change: Change) -> Node:
        node = self.find(str(change["path"]))
        node.staged = _whole(change["file"])
        self._next_file = max(self._next_file, node.staged + 1)
        return node

    def _was_committed(self, change: Change) -> Node:
        self.committed = str(change["bundle"])
        return self.top

    def _put(self, change: Change, kind: int, mode: int) -> Node:
        above, name = self._above(str(change["path"]))
        at_ns = _whole(change["t"])
        node = above.names[name] = Node(kind, mode, at_ns, self.names.new_inode())
        above.mtime_ns = at_ns
        return node

    def _unlinked(self, node: Node) -> None:
        node.is_linked = False
        self._forget(node)

    def _forget(self, node: Node) -> None:
        if not node.is_linked and not node.handles and node.staged is not None:
            with suppress(FileNotFoundError):
                self.file(node.staged).unlink()

    def _above(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rpartition("/")
        above = self.find(folder)
        if not above.is_directory:
            raise failed(errno.ENOTDIR, path)
        return above, name

    def _check_free(self, path: str) -> None:
        if not path:
            raise failed(errno.EEXIST, path)
        above, name = self._above(path)
        check_node_name(name, path)
        if self.names.find(above, name) is not None:
            raise failed(errno.EEXIST, path)

    def _check_replaceable(self, node: Node, there: Node, path: str) -> None:
        if node.is_directory and not there.is_directory:
            raise failed(errno.ENOTDIR, path)
        if there.is_directory and not node.is_directory:
            raise failed(errno.EISDIR, path)
        if there.is_directory and not self.names.is_empty(there):
            raise failed(errno.ENOTEMPTY, path)

    def _new_file(self) -> int:
        number = self._next_file
        self._next_file += 1
        os.close(os.open(self.file(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        return number

    def _copy(self, node: Node, number: int, keeping: int | None) -> None:
        assert node.below is not None
        assert self._tree is not None
        size = node.below.size_bytes if keeping is None else min(keeping, node.below.size_bytes)
        if size:
            source = self._tree.open(node.below.path)
            with self.file(number).open("r+b", buffering=0) as file:
                for begin in range(0, size, _PIECE_BYTES):
                    _write_all(file.fileno(), source.read(begin, min(_PIECE_BYTES, size - begin)))
        os.utime(self.file(number), ns=(node.mtime_ns, node.mtime_ns))

    def _sweep(self) -> None:
        """Files that nothing is: of what was removed, or never got a name, when a process was killed."""
        if self._next_file == 1:
            return
        used = {node.staged for node in self._nodes(self.top)}
        for place in self.files.iterdir():
            if place.name.isdigit() and int(place.name) not in used:
                place.unlink()

    def _nodes(self, directory: Node) -> Iterator[Node]:
        for node in directory.names.values():
            if node is not None:
                yield node
                yield from self._nodes(node)


_WAYS: dict[str, Callable[[WorkTree, Change], Node]] = {
    "create": WorkTree._created,
    "mkdir": WorkTree._made_directory,
    "symlink": WorkTree._made_symlink,
    "remove": WorkTree._removed,
    "rename": WorkTree._renamed,
    "mode": WorkTree._moded,
    "time": WorkTree._timed,
    "stage": WorkTree._staged,
    "committed": WorkTree._was_committed,
}


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _write_all(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
