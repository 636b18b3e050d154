"""What a mount shows: the questions that a kernel asks of a file tree, and the answers, without a word of FUSE."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from blake3 import blake3

from datamon.store.serving.served_file import ServedFile


class Attributes(NamedTuple):
    """What `stat` says of a path. `mode` has the kind's bits and the permissions; times are nanoseconds since 1970; `inode` is
    the same for the same path, whenever and wherever it is mounted."""

    mode: int
    size_bytes: int
    mtime_ns: int
    inode: int


class Room(NamedTuple):
    """What `statfs` says: the bytes and the entries that are there."""

    size_bytes: int
    entries: int


class MountedTree(Protocol):
    """A tree that can only be read. Paths are relative, `/` between parts, `""` is the top. Any thread may ask.

    Every method raises OSError with the number that the program in front of the mount is to get (ENOENT, ENOTDIR, EISDIR, EINVAL,
    ENODATA), and DatamonError where the store fails: Corrupt, Denied, Unavailable.
    """

    @property
    def changes(self) -> bool:
        """Whether what lies at a path may become another while it is mounted."""

    @property
    def hears_misses(self) -> bool:
        """Whether every look for a path that is not there has to arrive, also when it was answered before."""

    def attributes(self, path: str) -> Attributes:
        """What is at `path`; symlinks are not followed."""

    def children(self, path: str, after: str) -> Iterator[tuple[str, Attributes]]:
        """The names in the directory `path`, in order, from the first on that is greater than `after`, each with what it is."""

    def target(self, path: str) -> str:
        """Where the symlink at `path` points."""

    def open(self, path: str) -> ServedFile:
        """The file at `path`."""

    def labels(self, path: str) -> dict[str, bytes]:
        """The extended attributes of `path`, by their names."""

    def room(self) -> Room:
        """How much there is."""


def inode(*parts: str) -> int:
    """A number for what has these names, the same each time. Two of a hundred million paths have one number by a chance of one in
    3,600; nothing but a program's own count of hard links goes by it."""
    return int.from_bytes(blake3("\0".join(parts).encode("utf-8", "surrogateescape")).digest(8), "little") >> 1 or 1
