"""A file that a program has open in a tree that is being changed."""

import os
from contextlib import suppress

from datamon.store.mount.work.node import Node
from datamon.store.mount.work.work_tree import WorkTree
from datamon.store.serving.served_file import ServedFile
from datamon.store.serving.served_tree import ServedTree


class OpenFile:
    """A handle of a node. It reads what the node has at that moment: of the bundle, or, once it was written to, on this disk.
    One that writes is opened on a node that lies on this disk."""

    def __init__(self, work: WorkTree, tree: ServedTree | None, node: Node) -> None:
        self.node = node
        self._work = work
        self._tree = tree
        self._file: int | None = None
        self._served: ServedFile | None = None
        with work.lock:
            node.handles += 1

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from `offset` on. Raises OSError, Corrupt, Denied, Unavailable."""
        if self.node.staged is not None:
            return os.pread(self._descriptor(), size, offset)
        if self._tree is None or self.node.below is None:
            return b""
        if self._served is None:
            self._served = self._tree.open(self.node.below.path)
        return self._served.read(offset, size)

    def write(self, content: bytes, offset: int) -> int:
        """How many bytes were written there. Raises OSError."""
        with self._work.lock:
            self._work.touch()
            return os.pwrite(self._descriptor(), content, offset)

    def truncate(self, size: int) -> None:
        """The file has so many bytes. Raises OSError."""
        with self._work.lock:
            self._work.touch()
            os.ftruncate(self._descriptor(), size)

    def sync(self) -> None:
        """What was written survives a power cut. Raises OSError."""
        if self._file is not None:
            os.fsync(self._file)
        self._work.sync()

    def close(self) -> None:
        """The handle is no longer used."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
        self._work.release(self.node)

    def _descriptor(self) -> int:
        if self._file is None:
            assert self.node.staged is not None
            self._file = os.open(self._work.file(self.node.staged), os.O_RDWR | os.O_CLOEXEC)
        return self._file
