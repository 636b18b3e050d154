"""A backend that keeps on this machine's disk what was read from a far one (docs/operations.md, "The cache on disk")."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from blake3 import blake3

from datamon.store.backend import Backend, Content, Span, Stored
from datamon.store.backend.keys import check_key
from datamon.store.cache_files import drop_file, keep_file
from datamon.store.clock import Clock, system_clock

BLOCK_BYTES = 2**20
"""Stretches are read and kept in aligned blocks of this size."""
WHOLE_BYTES = 8 * 2**20
"""What is read whole is kept when it is not larger: a check of every pack would push out all that is in use."""
_DIGEST_BYTES = 32
_LEFT_SHARE = 0.8
"""Where there is too much, so much of the limit stays."""
_FRESH_NS = 60 * 10**9
"""A use is noted when the last one noted is older than this."""


@dataclass(frozen=True, slots=True)
class DiskCache:
    """Where to keep what was read, at most how many bytes of it, and of which keys: such whose content never changes."""

    folder: Path
    limit_bytes: int
    keeps: Callable[[str], bool]


class CachingBackend:
    """`backend`, of which `get` is asked once for what `cache` keeps. Everything else goes to the place itself: what was deleted
    there is not there, and what is not there is asked for again.

    Any number of processes share the folder, and anyone may delete what is in it. A file that does not hold what was written is
    dropped and its bytes are read anew. A disk that takes nothing is left alone. What was used longest ago goes first.
    """

    def __init__(self, backend: Backend, cache: DiskCache, clock: Clock = system_clock) -> None:
        self._backend = backend
        self._cache = cache
        self._kept = _Kept(cache.folder, cache.limit_bytes, clock)

    @property
    def url(self) -> str:
        """See `Backend`."""
        return self._backend.url

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return self._backend.pack_bytes

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`. Of a key that the cache keeps, what it has may be given after the key was deleted."""
        if not self._cache.keeps(check_key(key)) or (span is not None and span.length == 0):
            return self._backend.get(key, span)
        whole = self._kept.get(self._name(key))
        if span is None:
            return whole if whole is not None else self._read_whole(key)
        if whole is not None:
            start = span.start if span.start >= 0 else max(0, len(whole) + span.start)
            return whole[start : start + span.length]
        return self._from_the_end(key, span) if span.start < 0 else self._from_blocks(key, span)

    def put(self, key: str, content: Content) -> None:
        """See `Backend`. Nothing is kept of it: who writes seldom reads."""
        self._backend.put(key, content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        return self._backend.put_if_absent(key, content)

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._backend.has(key)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        return self._backend.list(prefix, after)

    def delete(self, key: str) -> None:
        """See `Backend`. What is kept of it goes as well."""
        self._backend.delete(key)
        if self._cache.keeps(key):
            self._kept.drop(self._name(key))

    def _name(self, key: str) -> str:
        return blake3(f"{self._backend.url}\n{key}".encode()).hexdigest()

    def _read_whole(self, key: str) -> bytes:
        content = self._backend.get(key)
        if len(content) <= WHOLE_BYTES:
            self._kept.keep(self._name(key), content)
        return content

    def _from_the_end(self, key: str, span: Span) -> bytes:
        """Where the end is, only the place knows: such a stretch is kept as it is."""
        name = f"{self._name(key)}{span.start}+{span.length}"
        content = self._kept.get(name)
        if content is None:
            content = self._backend.get(key, span)
            self._kept.keep(name, content)
        return content

    def _from_blocks(self, key: str, span: Span) -> bytes:
        """The stretch, of whose blocks those that are missing are read, neighbours by one request."""
        first = span.start // BLOCK_BYTES
        numbers = range(first, (span.start + span.length - 1) // BLOCK_BYTES + 1)
        name = self._name(key)
        found: list[bytes] = []
        for is_kept, several in groupby(
            ((number, self._kept.get(f"{name}.{number}")) for number in numbers), lambda pair: pair[1] is not None
        ):
            blocks = list(several)
            if is_kept:
                found += [content for _, content in blocks if content is not None]
            else:
                found += self._read_blocks(key, blocks[0][0], len(blocks))
            if len(found[-1]) < BLOCK_BYTES:
                break  # the end of what is stored
        start = span.start - first * BLOCK_BYTES
        content = found[0] if len(found) == 1 else b"".join(found)
        return content[start : start + span.length]

    def _read_blocks(self, key: str, first: int, count: int) -> Sequence[bytes]:
        content = self._backend.get(key, Span(first * BLOCK_BYTES, count * BLOCK_BYTES))
        blocks = [content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES)] or [b""]
        name = self._name(key)
        for number, block in enumerate(blocks, first):
            self._kept.keep(f"{name}.{number}", block)
        return blocks


class _Kept:
    """Files by name below a folder, each with a digest of its name and content."""

    def __init__(self, folder: Path, limit_bytes: int, clock: Clock) -> None:
        self._clock = clock
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None
        self._takes_nothing = False

    def get(self, name: str) -> bytes | None:
        """What is kept under `name`, right to the last bit, or None."""
        place = self._place(name)
        try:
            with open(place, "rb") as source:
                content = source.read()
                found = os.fstat(source.fileno())
        except OSError:
            return None
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if digest != _digest(name, content):
            drop_file(place)
            return None
        self._note_use(place, found.st_mtime_ns)
        return content

    def keep(self, name: str, content: bytes) -> None:
        """`content` is kept under `name`, if the disk takes it and there is room for it below the limit."""
        size_bytes = len(content) + _DIGEST_BYTES
        if self._takes_nothing or size_bytes > self._limit_bytes:
            return
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in self._files())
            if self._bytes + size_bytes > self._limit_bytes:
                self._bytes = self._evict(min(int(self._limit_bytes * _LEFT_SHARE), self._limit_bytes - size_bytes))
            self._bytes += size_bytes
        digest = _digest(name, content)
        if not keep_file(self._place(name), lambda target: (target.write(digest), target.write(content))):
            self._takes_nothing = True

    def drop(self, prefix: str) -> None:
        """Nothing is kept under names that begin so."""
        with suppress(OSError):
            for entry in os.scandir(self._place(prefix).parent):
                if entry.name.startswith(prefix):
                    drop_file(Path(entry.path))

    def _place(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _note_use(self, place: Path, noted_ns: int) -> None:
        with suppress(OSError):
            now_ns = self._clock()
            if now_ns - noted_ns > _FRESH_NS:
                os.utime(place, ns=(now_ns, now_ns))

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """When each file was last used (ns), how many bytes it has, and where it is."""
        for folder in _entries(self._folder):
            for entry in _entries(folder.path):
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    yield found.st_mtime_ns, found.st_size, entry.path

    def _evict(self, left_bytes: int) -> int:
        """So few bytes are left, of the files used last; gives how many."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= left_bytes:
                break
            drop_file(Path(path))
            total -= size
        return total


def _digest(name: str, content: bytes) -> bytes:
    hasher = blake3(name.encode())
    hasher.update(b"\n")
    hasher.update(content)
    return hasher.digest()


def _entries(folder: str | Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
