"""The nodes of a tree that is being changed, each made when it is first looked at."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge

from datamon.store.entries import TreeEntry
from datamon.store.serving.served_tree import ServedTree

FILE, DIRECTORY, SYMLINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
_KINDS = {"file": FILE, "external": FILE, "dir": DIRECTORY, "symlink": SYMLINK}


REMOVED = ".fuse_hidden"
"""How libfuse begins the name of what was removed while a program has it open. It is there for this program only: it stands in no
listing, keeps no directory from being removed, and is not committed."""


def failed(number: int, path: str = "") -> OSError:
    """The error with this number of the system's."""
    return OSError(number, os.strerror(number), path or None)


@dataclass(slots=True, eq=False)
class Node:
    """A file, directory or symlink. `below` is what the bundle has of it: a file's content, a directory's entries under the
    path that it has there. `staged` is the number of the file on this disk that has a file's content since it was written to.
    `names` are a directory's known names, None for one that is gone."""

    kind: int
    mode: int
    mtime_ns: int
    inode: int
    below: TreeEntry | None = None
    staged: int | None = None
    target: str = ""
    names: dict[str, "Node | None"] = field(default_factory=dict)
    handles: int = 0
    is_linked: bool = True

    @classmethod
    def of(cls, entry: TreeEntry, inode: int) -> "Node":
        """What the bundle has there."""
        return cls(_KINDS[entry.kind], entry.mode, entry.mtime_ns, inode, below=entry, target=entry.target or "")

    @property
    def is_directory(self) -> bool:
        """Whether it has names."""
        return self.kind == DIRECTORY


class Names:
    """Looks names up in directories: those that are known, and behind them those of the bundle. For one thread at a time."""

    def __init__(self, tree: ServedTree | None) -> None:
        self._tree = tree
        self._inodes = 1

    def new_inode(self) -> int:
        """A number that no other node of this mount has."""
        self._inodes += 1
        return self._inodes

    def find(self, directory: Node, name: str) -> Node | None:
        """What has this name there; None when nothing has."""
        if name in directory.names:
            return directory.names[name]
        if self._tree is None or directory.below is None:
            return None
        entry = self._tree.entry(_joined(directory.below.path, name))
        if entry is None:
            return None
        node = directory.names[name] = Node.of(entry, self.new_inode())
        return node

    def list(self, directory: Node, after: str = "") -> Iterator[tuple[str, Node]]:
        """The names greater than `after`, in order, each with what it is. What is changed meanwhile may be in it or not."""
        own = sorted(
            name
            for name, node in directory.names.items()
            if node is not None and name > after and not name.startswith(REMOVED)
        )
        for name in merge(own, self._below(directory, after)):
            node = self.find(directory, name)
            if node is not None:
                yield name, node

    def is_empty(self, directory: Node) -> bool:
        """Whether it has no names."""
        return next(self.list(directory), None) is None

    def _below(self, directory: Node, after: str) -> Iterator[str]:
        """The bundle's names that nothing is known of."""
        if self._tree is None or directory.below is None:
            return
        start = len(directory.below.path) + 1 if directory.below.path else 0
        for entry in self._tree.children(directory.below.path, after):
            name = entry.path[start:]
            if name not in directory.names:
                yield name

    def entries(self, directory: Node, path: str) -> Iterator[tuple[str, Node | TreeEntry]]:
        """Everything below it with its path now: nodes, and entries of the bundle (under the paths that they have there) below
        directories in which nothing was looked at. In no order."""
        if directory.below is not None and not directory.names and self._tree is not None:
            start = len(directory.below.path) + 1 if directory.below.path else 0
            for entry in self._tree.below(directory.below.path):
                yield _joined(path, entry.path[start:]), entry
            return
        for name, node in self.list(directory):
            here = _joined(path, name)
            yield here, node
            if node.is_directory:
                yield from self.entries(node, here)


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def check_node_name(name: str, path: str) -> None:
    """The name can be in a bundle. Raises OSError (ENAMETOOLONG, EILSEQ)."""
    try:
        if len(name.encode("utf-8")) > 255:
            raise failed(errno.ENAMETOOLONG, path)
    except UnicodeEncodeError as error:
        raise failed(errno.EILSEQ, path) from error
