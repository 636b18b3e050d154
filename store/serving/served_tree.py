"""A bundle's tree, opened: its paths are looked up and listed, and its files opened, without reading the rest of it."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from datamon.errors import Invalid, NotFound
from datamon.store.bundle import Bundle
from datamon.store.entries import NO_CONTENT, TreeEntry
from datamon.store.manifest import find_entry, read_manifest
from datamon.store.serving.naming import naming
from datamon.store.serving.segment_rows import SegmentRows
from datamon.store.serving.served_file import ChunkedFile, ServedFile

if TYPE_CHECKING:
    from datamon.store.external.sources import Sources
    from datamon.store.opening import Store
    from datamon.store.serving.decoded_chunks import DecodedChunks

AccessKind = Literal["read", "absent"]
"""A file was opened, or a path was looked for that is not there."""
Accessed = Callable[[AccessKind, str], object]
"""Told each path that was read or missed. It may be called by any thread."""

_MOST_LINKS = 40
_NOTED_ABSENT = 100_000
"""Of so many paths that are not there it is remembered that they were told: a look for something may be repeated for ever."""


class ServedTree:
    """A bundle, read here and there. Any thread may ask. Paths are relative, `/` between parts, `""` is the top.

    `accessed` is told of every file that is opened and every path that is looked up and is not there: once each, or with
    `each_time` whenever it happens.
    """

    def __init__(
        self,
        store: "Store",
        bundle: Bundle,
        decoded: "DecodedChunks",
        accessed: Accessed | None = None,
        *,
        each_time: bool = False,
    ) -> None:
        with naming(bundle, ""):
            manifest = read_manifest(store.metadata, bundle.manifest)
        self.bundle = bundle
        self.manifest = manifest
        self._store = store
        self._rows = SegmentRows(store.metadata, manifest)
        self._decoded = decoded
        self._accessed = accessed
        self._each_time = each_time
        self._told: set[tuple[AccessKind, str]] = set()
        self._lock = threading.Lock()
        self._sources: Sources | None = None
        self._top = TreeEntry("", "dir", 0, NO_CONTENT, None, None, False, 0o755, bundle.time_ns)

    def entry(self, path: str) -> TreeEntry | None:
        """What is at `path`, None when nothing is; symlinks are not followed. Reads one segment of the manifest at most.
        Raises Corrupt, Denied, Unavailable."""
        found = self.peek(path)
        if found is None:
            self._tell("absent", path)
        return found

    def peek(self, path: str) -> TreeEntry | None:
        """As `entry`, and nobody is told when nothing is there."""
        if not path:
            return self._top
        with naming(self.bundle, path):
            return self._rows.entry(path)

    def children(self, path: str, after: str = "") -> Iterator[TreeEntry]:
        """What lies directly in the directory `path`, in the order of the names, from the first name greater than `after` on.
        Segments of which all rows lie deeper are not read, and few are in memory at a time. A path at which no directory is has
        none. Raises as `entry`."""
        lead = f"{path}/" if path else ""
        beyond = f"{path}0" if path else None  # "0" is the character after "/"
        begin = f"{lead}{after}\0" if after else lead  # no path has a NUL
        segments = self.manifest.segments
        with naming(self.bundle, path):
            number = self._rows.number(begin)
            while number < len(segments) and (beyond is None or segments[number].first < beyond):
                segment = self._rows.segment(number)
                row = bisect_left(segment.paths, begin)
                while row < len(segment.paths):
                    here = segment.paths[row]
                    if not here.startswith(lead):
                        return
                    slash = here.find("/", len(lead))
                    if slash < 0:
                        yield segment.entries[row]
                        begin = f"{here}\0"
                        row += 1
                    else:  # all that lies below one directory is passed over
                        begin = f"{here[:slash]}0"
                        row = bisect_left(segment.paths, begin, lo=row)
                number = max(number + 1, self._rows.number(begin))

    def note_listed(self, path: str) -> None:
        """`accessed` is told that the directory was listed: as a read of the path with a `/` at its end, `/` of the top."""
        self._tell("read", f"{path}/")

    def below(self, path: str) -> Iterator[TreeEntry]:
        """Everything below the directory `path`, at any depth, in order; few segments are in memory. Raises as `entry`."""
        lead = f"{path}/" if path else ""
        with naming(self.bundle, path):
            for number in range(self._rows.number(lead), len(self._rows.manifest.segments)):
                segment = self._rows.segment(number)
                for row in range(bisect_left(segment.paths, lead), len(segment.paths)):
                    if not segment.paths[row].startswith(lead):
                        return
                    yield segment.entries[row]

    def followed(self, path: str) -> TreeEntry | None:
        """What `path` leads to when symlinks are followed, in it and at its end; None when that is nothing, or lies outside the
        bundle. Raises as `entry`, and Invalid (`bad-path`) for symlinks that lead in a circle."""
        found = self.peek(path)  # where it is something else than a symlink, all above it are directories
        if found is None or found.kind == "symlink":
            found = self._walked(path)
        if found is None:
            self._tell("absent", path)
        return found

    def open(self, path: str) -> ServedFile:
        """The file at `path`, or the one to which a symlink there leads. Nothing of it is read yet.

        Raises NotFound (`path-not-found`), which names the nearest path there is; Invalid (`bad-path`) when it is a directory, or
        symlinks lead in a circle; and as `entry`.
        """
        entry = self.followed(path)
        if entry is None:
            find_entry(self._store.metadata, self.manifest, path)  # raises when nothing is there, and says what is near
            message = f"{path!r} leads through a symlink to nothing in the bundle {self.bundle.id}; name another path"
            raise NotFound("path-not-found", message, path=path, nearest=None)
        if entry.kind == "dir":
            message = f"{path!r} is a directory in the bundle {self.bundle.id}; name a file in it"
            raise Invalid("bad-path", message, path=path)
        self._tell("read", entry.path)
        return self._opened(entry)

    def _walked(self, path: str) -> TreeEntry | None:
        """As `followed`, part by part."""
        left, here, links = path.split("/")[::-1], self._top, 0
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if here.kind != "dir" or (part == ".." and not here.path):
                return None
            found = self.peek(here.path.rpartition("/")[0] if part == ".." else f"{here.path}/{part}".lstrip("/"))
            if found is None:
                return None
            if found.kind != "symlink":
                here = found
                continue
            links += 1
            if links > _MOST_LINKS:
                message = (
                    f"{path!r} of the bundle {self.bundle.id} leads through symlinks in a circle; name the file itself"
                )
                raise Invalid("bad-path", message, path=path)
            self._tell("read", found.path)
            target = found.target or ""
            if target.startswith("/"):
                return None
            left += target.split("/")[::-1]
        return here

    def _opened(self, entry: TreeEntry) -> ServedFile:
        if entry.kind != "external":
            return ChunkedFile(self.bundle, entry, self._decoded)
        # Imported at first use: few bundles name what lies elsewhere.
        from datamon.store.external.sources import Sources
        from datamon.store.serving.external_file import ExternalFile

        with self._lock:
            sources = self._sources = self._sources or Sources()
        return ExternalFile(self.bundle, entry, sources, self._store.hashing)

    def _tell(self, kind: AccessKind, path: str) -> None:
        if self._accessed is None:
            return
        if self._each_time:
            self._accessed(kind, path)
            return
        with self._lock:
            if (kind, path) in self._told:
                return
            if len(self._told) < _NOTED_ABSENT or kind == "read":
                self._told.add((kind, path))
        try:
            self._accessed(kind, path)
        except BaseException:
            with self._lock:
                self._told.discard((kind, path))  # whoever comes next tells it
            raise
