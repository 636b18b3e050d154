"""The stat cache: what an upload of a directory stored, and by which times and inodes its files are known not to have changed.

One file for each directory beside the store on this machine. It is a guess that is checked: whatever is wrong with it (deleted,
damaged, another machine's, another store's), files are read again and nothing else happens.
"""

import os
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, groupby, islice, pairwise, starmap
from operator import itemgetter
from pathlib import Path

from datamon.errors import DatamonError
from datamon.store.beneath import Beneath
from datamon.store.codec import Record, decode, encode, stamped
from datamon.store.file_times import GUARD_NS, trusted_time_ns
from datamon.store.ids import HASH_BYTES, ManifestId
from datamon.store.machine import boot_id
from datamon.store.opening import Store
from datamon.store.roots import Manifest, decode_root, encode_root
from datamon.store.seal import seal, unseal
from datamon.store.walk import Listing, Row, is_directory

FOLDER = "trees"
MOST_TREES = 100
"""So many directories are known; the one uploaded longest ago is forgotten first."""

Content = tuple[bytes, bytes | None]
"""What a path holds: the 32 bytes of its content id (zeros for a directory), and a file's recipe or a symlink's target."""

NO_CONTENT: Content = (bytes(HASH_BYTES), None)

Entry = tuple[str, Row, Content | None]
"""A path, what the file system says of it, and what it holds; None for a file that is still to be read."""
_KIND = "stat-cache"
_ROW = struct.Struct("<IQqqQQ")
_LENGTH = struct.Struct("<I")
_NOTHING = 0xFFFFFFFF


@dataclass(frozen=True)
class Remembered:
    """What the last upload of a directory stored: listings of what can be trusted of it, the manifest, and the packs that its
    chunks lie in."""

    listings: Mapping[str, Listing]
    manifest: Manifest
    packs: frozenset[str]
    sections: "_Sections" = field(repr=False)

    @property
    def is_whole(self) -> bool:
        """Whether the listings have every path of the manifest: what could not be trusted is not in them, nor missed when it is
        gone."""
        return sum(map(len, self.listings.values())) == self.manifest.entries

    @cached_property
    def contents(self) -> Mapping[str, Content]:
        """What each path in the listings holds."""
        paths = (
            f"{directory}/{name}" if directory else name for directory, here in self.listings.items() for name in here
        )
        return dict(zip(paths, self.sections.contents(), strict=True))


@dataclass(frozen=True, slots=True)
class Trusted:
    """What can be trusted of a tree, as it is written: what the header says of it, and what follows."""

    header: Record
    body: Sequence[bytes]


class StatCache:
    """The stat cache of one directory, which is open as `tree`; `opened_ns` is the time then, on that directory's file system."""

    def __init__(self, store: Store, tree: Beneath, where: Path, opened_ns: int) -> None:
        self._tree = tree
        self._where = where
        self._cover = store.cover
        self._opened_ns = opened_ns
        status = tree.status("")
        self._device = status.st_dev
        self._identity: Record = {
            "store": store.id,
            "directory": _shown(tree.root),
            "boot": boot_id(),
            "device": status.st_dev,
            "inode": status.st_ino,
        }

    @staticmethod
    def open(store: Store, tree: Beneath) -> "StatCache | None":
        """The cache for `tree`; None where nothing may be kept or where times prove nothing."""
        if store.state_dir is None:
            return None
        opened_ns = trusted_time_ns(tree)
        if not opened_ns:
            return None
        name = store.cover.name_of(tree.root)
        return StatCache(store, tree, store.state_dir / FOLDER / name, opened_ns)

    def recall(self) -> Remembered | None:
        """What was remembered, by this machine since it started, for this store, of this very directory; None when nothing was,
        or when the clock has been set back since."""
        try:
            content = unseal(self._cover.off(self._where.read_bytes(), self._where.name), str(self._where))
            end = content.index(b"\n")
            record = decode(content[:end], str(self._where))
            if not self._is_ours(record):
                return None
            return _remembered(record, memoryview(content)[end + 1 :])
        except (OSError, DatamonError, KeyError, TypeError, ValueError, struct.error):
            return None

    def trusted(self, entries: Iterable[Entry], mapped: frozenset[int]) -> Trusted:
        """What can be trusted of these, which are each path of a tree with its row and content, in order: not what was written to
        later than `GUARD_NS` before the cache was opened, lies on another file system, or is one of the inodes `mapped`. Any
        thread may ask."""
        return _encoded([each for each in entries if self._is_kept(each[1], mapped)])

    def remember(self, trusted: Trusted, manifest: Manifest, packs: frozenset[str]) -> None:
        """What `recall` gives from now on: the tree with this manifest, which relies on these packs. Raises nothing."""
        header = {
            **self._identity,
            "time": self._opened_ns,
            "manifest": manifest.id,
            "root": encode_root(manifest.segments).decode(),
            "packs": sorted(packs),
            **trusted.header,
        }
        with suppress(OSError):
            self._write(
                self._cover.on(seal(b"".join([encode(stamped(_KIND, header)), b"\n", *trusted.body])), self._where.name)
            )

    def can_trust(self, row: Row) -> bool:
        """Whether a file with this row cannot be written to, other than through a mapping, without getting another row."""
        _, _, mtime_ns, ctime_ns, _, device = row
        limit_ns = self._opened_ns - GUARD_NS
        return ctime_ns < limit_ns and mtime_ns < limit_ns and device == self._device

    def _is_ours(self, record: Record) -> bool:
        same = all(record[name] == value for name, value in self._identity.items())
        return same and record["kind"] == _KIND and record["time"] <= self._opened_ns

    def _is_kept(self, row: Row, mapped: frozenset[int]) -> bool:
        # Of a directory its own row is all that is taken over: what is in it is always looked at.
        return is_directory(row) or (self.can_trust(row) and row[4] not in mapped)

    def _write(self, content: bytes) -> None:
        folder = self._where.parent
        folder.mkdir(parents=True, exist_ok=True)
        begun = self._where.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        try:
            begun.write_bytes(content)
            begun.replace(self._where)
        except BaseException:
            begun.unlink(missing_ok=True)
            raise
        _forget_oldest(folder)


def _forget_oldest(folder: Path) -> None:
    ages = sorted((path.stat().st_mtime_ns, path) for path in folder.iterdir())
    for _, path in ages[:-MOST_TREES]:
        path.unlink(missing_ok=True)


def _shown(directory: Path) -> str:
    return os.fsencode(directory.resolve()).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class _Sections:
    """What follows the header: for each entry its name, row, content id and the length of what more it needs, then all that."""

    names: memoryview
    rows: memoryview
    ids: memoryview
    lengths: memoryview
    more: memoryview

    @staticmethod
    def of(body: memoryview, count: int, name_bytes: int) -> "_Sections":
        """Raises ValueError when there are not so many entries."""
        ends = tuple(accumulate((name_bytes, count * _ROW.size, count * HASH_BYTES, count * _LENGTH.size)))
        names, rows, ids, lengths = (body[begin:end] for begin, end in pairwise((0, *ends)))
        if ends[-1] > len(body):
            raise ValueError("the stat cache is too short")
        return _Sections(names, rows, ids, lengths, body[ends[-1] :])

    def listed(self) -> Iterator[tuple[str, Row]]:
        """The names with their rows."""
        names = str(self.names, "utf-8").split("\0")
        return zip(names, _ROW.iter_unpack(self.rows), strict=bool(len(self.rows)))

    def contents(self) -> Iterator[Content]:
        """What each entry holds, in the same order."""
        ids, more, begin = bytes(self.ids), bytes(self.more), 0
        for row, (length,) in enumerate(_LENGTH.iter_unpack(self.lengths)):
            identity = ids[row * HASH_BYTES : (row + 1) * HASH_BYTES]
            if length == _NOTHING:
                yield identity, None
            else:
                yield identity, more[begin : begin + length]
                begin += length


def _remembered(record: Record, body: memoryview) -> Remembered:
    counts: list[tuple[str, int]] = record["directories"]
    sections = _Sections.of(body, sum(count for _, count in counts), record["name_bytes"])
    entries = sections.listed()
    manifest = decode_root(record["root"].encode(), ManifestId(record["manifest"]), "")
    listings = {directory: dict(islice(entries, count)) for directory, count in counts}
    return Remembered(listings, manifest, frozenset(record["packs"]), sections)


def _encoded(entries: Iterable[Entry]) -> Trusted:
    by_directory = _by_directory(entries)
    ordered = [each for here in by_directory.values() for each in here]
    names = "\0".join(path.rpartition("/")[2] for path, _, _ in ordered).encode()
    directories = [[directory, len(here)] for directory, here in by_directory.items()]
    return Trusted({"directories": directories, "name_bytes": len(names)}, [names, *_columns(ordered)])


def _by_directory(entries: Iterable[Entry]) -> Mapping[str, list[Entry]]:
    """The same by directory; a directory is there also when it is empty."""
    listings: dict[str, list[Entry]] = {"": []}
    for directory, here in groupby(entries, lambda each: each[0].rpartition("/")[0]):
        found = list(here)
        listings[directory] += found
        listings.update((path, []) for path, row, _ in found if is_directory(row))
    return listings


def _columns(entries: Sequence[Entry]) -> Iterator[bytes]:
    held = [content or NO_CONTENT for _, _, content in entries]
    yield from starmap(_ROW.pack, map(itemgetter(1), entries))
    yield from map(itemgetter(0), held)
    yield struct.pack(f"<{len(held)}I", *(_NOTHING if more is None else len(more) for _, more in held))
    yield from (more for _, more in held if more is not None)
