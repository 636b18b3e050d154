"""A bundle as a mount shows it."""

import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from datamon.errors import Invalid, NotFound
from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry
from datamon.store.mount.tree import Attributes, Room, inode
from datamon.store.serving.served_file import ServedFile
from datamon.store.serving.served_tree import Accessed, ServedTree

if TYPE_CHECKING:
    from datamon.store.opening import Store
    from datamon.store.serving.decoded_chunks import DecodedChunks

CONTENT, BUNDLE = "user.datamon.content", "user.datamon.bundle"
"""Extended attributes: a path's content id, and the bundle that the tree is."""
_KINDS = {"file": stat.S_IFREG, "external": stat.S_IFREG, "dir": stat.S_IFDIR, "symlink": stat.S_IFLNK}
_DIRECTORY_BYTES = 4096


class BundleTree:
    """See `MountedTree`. `accessed` is told what is opened and listed, and what is looked up and not there. With `part` only
    what lies below this directory of the bundle is shown. With
    `each_time` it is told whenever something happens, else of each path once."""

    changes = False

    def __init__(
        self,
        store: "Store",
        bundle: Bundle,
        decoded: "DecodedChunks",
        accessed: Accessed | None = None,
        part: str = "",
        *,
        each_time: bool = False,
    ) -> None:
        self.bundle = bundle
        self._part = part
        self.hears_misses = each_time
        self._tree = ServedTree(store, bundle, decoded, accessed, each_time=each_time)

    def attributes(self, path: str) -> Attributes:
        """See `MountedTree`."""
        return self._attributes(self._entry(path))

    def children(self, path: str, after: str) -> Iterator[tuple[str, Attributes]]:
        """See `MountedTree`."""
        if self._entry(path).kind != "dir":
            raise _failed(errno.ENOTDIR, path)
        place = self._place(path)
        self._tree.note_listed(place)
        start = len(place) + 1 if place else 0
        for entry in self._tree.children(place, after):
            yield entry.path[start:], self._attributes(entry)

    def target(self, path: str) -> str:
        """See `MountedTree`."""
        entry = self._entry(path)
        if entry.kind != "symlink":
            raise _failed(errno.EINVAL, path)
        return entry.target or ""

    def open(self, path: str) -> ServedFile:
        """See `MountedTree`."""
        try:
            return self._tree.open(self._place(path))
        except NotFound as error:
            raise _failed(errno.ENOENT, path) from error
        except Invalid as error:
            raise _failed(errno.EISDIR, path) from error

    def labels(self, path: str) -> dict[str, bytes]:
        """See `MountedTree`."""
        entry = self._entry(path)
        known = {BUNDLE: self.bundle.id.encode()} if not path else {}
        return known | ({CONTENT: entry.content.encode()} if entry.kind in ("file", "external") else {})

    def room(self) -> Room:
        """See `MountedTree`."""
        return Room(self.bundle.size_bytes, self.bundle.entries)

    def _place(self, path: str) -> str:
        """Where the path lies in the bundle."""
        return f"{self._part}/{path}".strip("/") if self._part else path

    def _entry(self, path: str) -> TreeEntry:
        entry = self._tree.entry(self._place(path))
        if entry is None:
            raise _failed(errno.ENOENT, path)
        return entry

    def _attributes(self, entry: TreeEntry) -> Attributes:
        size_bytes = _DIRECTORY_BYTES if entry.kind == "dir" else entry.size_bytes
        if entry.kind == "symlink":
            size_bytes = len((entry.target or "").encode("utf-8", "surrogateescape"))
        return Attributes(_KINDS[entry.kind] | entry.mode, size_bytes, entry.mtime_ns, inode(entry.path))


def _failed(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
