"""A backend in a directory of this machine's file system. Every key is a file; every write is on disk before it returns."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from datamon.errors import DatamonError, Denied, Invalid, Unavailable
from datamon.store.backend import Content, Span, Stored
from datamon.store.backend.exclusive import rename_if_absent
from datamon.store.backend.keys import check_key, check_prefix, is_key, key_not_found
from datamon.store.backend.lagging import Lagging

_PACK_BYTES = 16 * 2**20
_WRITE_BYTES = 128 * 1024
"""Written at once: on Linux 6.18 with ext4, calls of half a MiB and more take three times as long for the same bytes."""
_TEMPORARY = "+tmp"
"""Where files are written before they get their name. No key can name it: `+` is in no key."""
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: what reaches the disk itself and not only its cache."""
_LEFT_OVER_NS = 24 * 3600 * 10**9
"""A temporary file this much older than a new one was left by a process that was killed."""


class LocalBackend:
    """Bytes by key below `root`, which is made by the first write. Also `Appending`, `Noting`, `Settling`
    and `Unhurried`.

    A key's file appears by rename or link of a synced temporary file, and its directory is synced before a write returns,
    so that neither a kill nor a power cut leaves half a file under a key. Processes may share the directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._root_text = str(self._root)
        self._made: set[Path] = set()
        self._appended: set[Path] = set()
        self._lagging = Lagging(_sync_file)
        self._swept = False

    @property
    def url(self) -> str:
        """See `Backend`: the directory's absolute path."""
        return self._root_text

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return _PACK_BYTES

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        path = f"{self._root_text}/{check_key(key)}"  # a Path costs a third of reading a small file
        with self._errors("read", key):
            try:
                source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                if error.errno in _NOTHING_THERE:
                    raise key_not_found(key, self.url) from error
                raise
            try:
                size = os.fstat(source).st_size
                start, length = _within(span, size)
                return _read(source, start, length)
            except IsADirectoryError as error:
                raise key_not_found(key, self.url) from error
            finally:
                os.close(source)

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        path = self._path(key)
        with self._errors("write", key), self._temporary(content) as temporary:
            self._make(path.parent)
            temporary.replace(path)
            _sync_directory(path.parent)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`. The name is made by `link`: O_EXCL alone can show an empty file after a crash."""
        path = self._path(key)
        if self.has(key):
            self.settle(key)
            return False
        with self._errors("write", key), self._temporary(content) as temporary:
            self._make(path.parent)
            won = _name_if_absent(temporary, path)
            _sync_directory(path.parent)
            return won

    def has(self, key: str) -> bool:
        """See `Backend`."""
        path = self._path(key)
        with self._errors("read", key):
            try:
                return stat.S_ISREG(os.stat(path).st_mode)
            except OSError as error:
                if error.errno in _NOTHING_THERE:
                    return False
                raise

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`. Directories that cannot hold what is asked for are not read."""
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        return self._walk(folder + "/" if folder else "", prefix, after)

    def delete(self, key: str) -> None:
        """See `Backend`. Empty directories stay: another writer may be about to use them."""
        if self._unlink(key):
            with self._errors("delete", key):
                _sync_directory(self._path(key).parent)

    def note(self, key: str, content: bytes) -> None:
        """See `Noting`. Another process sees all of it or nothing."""
        path = self._path(key)
        unnamed = self._root / _TEMPORARY / os.urandom(12).hex()
        with self._errors("write", key):
            self._make(unnamed.parent)
            self._make(path.parent)
            try:
                unnamed.write_bytes(content)
                unnamed.replace(path)
            except OSError:
                unnamed.unlink(missing_ok=True)
                raise

    def drop(self, key: str) -> None:
        """See `Noting`."""
        self._unlink(key)

    def append(self, key: str, content: bytes) -> None:
        """See `Appending`: one `write` to a file opened for appending, then synced."""
        with self._errors("write", key):
            self._append(self._path(key), content, _sync)

    def append_soon(self, key: str, content: bytes) -> None:
        """See `Unhurried`: one `write`; the sync follows within a second. Raises Unavailable also when that of an earlier one
        failed."""
        path = self._path(key)
        with self._errors("write", key):
            self._append(path, content, lambda _: None)
            self._lagging.note(path)

    def settle(self, key: str) -> None:
        """See `Settling`. The content of a file was synced before it got its name; its name may not be yet."""
        path = self._path(key)
        with self._errors("write", key):
            self._make(path.parent)
            _sync_directory(path.parent)

    def _unlink(self, key: str) -> bool:
        """Whether something was there and is not now."""
        with self._errors("delete", key):
            try:
                self._path(key).unlink()
            except OSError as error:
                if error.errno in _NOTHING_THERE:
                    return False
                raise
        return True

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _make(self, folder: Path) -> None:
        """Makes `folder` and what is missing above it. On its first use every level down from the root is synced in its
        parent, also one that another process made: that process may not have come to its own sync yet."""
        if folder in self._made and folder.is_dir():
            return
        above = self._root.parent
        while not above.is_dir():
            above = above.parent
        for part in folder.relative_to(above).parts:
            parent, above = above, above / part
            above.mkdir(exist_ok=True)
            if above not in self._made:
                _sync_directory(parent)
        self._made.update(level for level in (folder, *folder.parents) if level.is_relative_to(self._root))

    def _append(self, path: Path, content: bytes, sync: Callable[[int], None]) -> None:
        target = self._open_to_append(path)
        try:
            written = os.write(target, content)
            if written != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            sync(target)
        finally:
            os.close(target)

    def _open_to_append(self, path: Path) -> int:
        if path not in self._appended:
            self._make(path.parent)
        target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if path not in self._appended:
            _sync_directory(path.parent)
            self._appended.add(path)
        return target

    @contextmanager
    def _temporary(self, content: Content) -> Iterator[Path]:
        """A synced file with `content` and a name of its own; gone afterwards unless it was renamed."""
        folder = self._root / _TEMPORARY
        path = folder / os.urandom(12).hex()
        self._make(folder)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            try:
                for piece in [content] if isinstance(content, bytes) else content:
                    _write(target, piece)
                _sync(target)
                self._sweep(folder, os.fstat(target).st_mtime_ns - _LEFT_OVER_NS)
            finally:
                os.close(target)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _sweep(self, folder: Path, before_ns: int) -> None:
        """Removes, once for each backend, temporary files last written before a time of this file system's clock."""
        if self._swept:
            return
        self._swept = True
        for path in folder.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < before_ns:
                    path.unlink()

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[Stored]:
        """The keys below `folder` ("" or ending with "/") that fit, in order of whole keys."""
        for name, entry in self._entries(folder):
            key = folder + name
            if not (key.startswith(prefix) or prefix.startswith(key)):
                continue
            if name.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(key, prefix, after)
            elif key > after and key.startswith(prefix):
                size_bytes = _size(entry)
                if size_bytes is not None:
                    yield Stored(key, size_bytes)

    def _entries(self, folder: str) -> Sequence[tuple[str, os.DirEntry[str]]]:
        """What lies in a folder, directories with "/" at the end, since that is how their keys go on.
        Names that are no part of a key, such as that of the temporary files' folder, are not ours to show."""
        with self._errors("list", folder):
            try:
                with os.scandir(self._root / folder) as entries:
                    found = [(entry.name + "/" * entry.is_dir(), entry) for entry in entries if is_key(entry.name)]
            except OSError as error:
                if error.errno in _NOTHING_THERE:
                    return []
                raise
        return sorted(found, key=lambda pair: pair[0])

    @contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translated(error, verb, key) from error

    def _translated(self, error: OSError, verb: str, key: str) -> DatamonError:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            return Unavailable(
                "disk-full",
                f"no room is left in {self.url} ({reason}); make room there and try again",
                url=self.url,
                key=key,
            )
        if error.errno in _REFUSED:
            code = "unreadable" if verb in ("read", "list") else "unwritable"
            return Denied(
                code,
                f"the file system refuses to {verb} {key} in {self.url} ({reason}); check its permissions",
                url=self.url,
                key=key,
            )
        if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
            return Invalid(
                "bad-path",
                f"{self.url} cannot {verb} {key} ({reason}); choose a directory that only datamon writes to",
                url=self.url,
                key=key,
            )
        return Unavailable(
            "backend-unavailable",
            f"cannot {verb} {key} in {self.url} ({reason}); check that disk",
            url=self.url,
            key=key,
        )


def _within(span: Span | None, size: int) -> tuple[int, int]:
    """Start and length of `span` in something of `size` bytes."""
    if span is None:
        return 0, size
    start = min(size, span.start if span.start >= 0 else max(0, size + span.start))
    return start, min(span.length, size - start)


def _read(source: int, start: int, length: int) -> bytes:
    first = os.pread(source, length, start)
    if len(first) == length or not first:
        return first
    pieces = [first]
    done = len(first)
    while done < length and (piece := os.pread(source, length - done, start + done)):
        pieces.append(piece)
        done += len(piece)
    return b"".join(pieces)


def _write(target: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(target, rest[:_WRITE_BYTES]) :]


def _sync(target: int) -> None:
    if _FULL_SYNC is None:
        os.fsync(target)
    else:
        fcntl.fcntl(target, _FULL_SYNC)


def _sync_file(path: Path) -> None:
    target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _sync(target)
    finally:
        os.close(target)


def _sync_directory(folder: Path) -> None:
    target = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(target)
    finally:
        os.close(target)


def _name_if_absent(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_LINKS:
            return rename_if_absent(temporary, path)
        raise
    return True


def _size(entry: os.DirEntry[str]) -> int | None:
    """The size of a listed file, or None when it was deleted meanwhile."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return None
