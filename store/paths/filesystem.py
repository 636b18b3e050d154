"""The file system `datamon://` of fsspec, by which pandas, pyarrow, polars, DuckDB, dask and zarr read and write bundles.

The one module that knows fsspec (the extra `fsspec`).
"""

import atexit
import errno
import gc
import os
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

try:
    from fsspec.registry import register_implementation
    from fsspec.spec import AbstractFileSystem
    from fsspec.transaction import Transaction
except ImportError as error:
    from datamon.errors import Invalid

    raise Invalid(
        "missing-extra",
        f"datamon:// needs the package {error.name}; install it with: pip install 'datamon[fsspec]'",
        extra="fsspec",
    ) from error

from datamon.errors import Denied, Invalid, NotFound
from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry
from datamon.store.paths.address import PROTOCOL, Address, parse_address
from datamon.store.paths.files import PathReader, PathText, PathWriter, read_stretch
from datamon.store.paths.paths import Changes, Paths

_READERS = 8
_LONGEST_WAIT_S, _PAUSE_S = 0.1, 0.002
_TYPES = {"file": "file", "external": "file", "dir": "directory"}


class BundleTransaction(Transaction):  # type: ignore[misc]
    """What is written, moved and removed inside becomes one bundle of each branch when the block ends well, and nothing when an
    exception leaves it. `message` is theirs; `bundles` are they, afterwards."""

    def __init__(self, fs: "StoreFileSystem", **kwargs: Any) -> None:
        super().__init__(fs, **kwargs)
        self._changes = Changes(fs.message)

    @property
    def changes(self) -> Changes:
        """What is changed so far."""
        return self._changes

    @property
    def message(self) -> str | None:
        """The message of the bundles."""
        return self._changes.message

    @message.setter
    def message(self, text: str | None) -> None:
        self._changes.message = text

    @property
    def bundles(self) -> list[Bundle]:
        """The bundles that were committed."""
        return self._changes.bundles

    def start(self) -> None:
        """The beginning."""
        super().start()
        self._changes.begin(self.fs.paths.store)

    def complete(self, commit: bool = True) -> None:
        """The end. Raises as `Paths.commit`; then nothing was committed of the branch that failed."""
        fs: StoreFileSystem = self.fs
        files = list(self.files)
        self.files.clear()
        self._changes.end()
        try:
            for file in files:
                file.close() if commit else file.discard()
            if commit:
                with _translated():
                    fs.paths.commit(self._changes)
        finally:
            for file in files:
                file.discard()
            self._changes.drop()
            fs._intrans = False
            fs._transaction = None


class StoreFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files of a store; the class that a store is opened by gives `paths`. `message` is that of bundles made by writes."""

    protocol: ClassVar[str] = PROTOCOL
    root_marker = ""
    transaction_type = BundleTransaction

    def __init__(self, *args: Any, message: str | None = None, **storage_options: Any) -> None:
        super().__init__(*args, **storage_options)
        self.message = message

    @property
    @abstractmethod
    def paths(self) -> Paths:
        """The files of the store that is meant now."""

    @property
    def fsid(self) -> str:
        """The store's id."""
        return f"{PROTOCOL}-{self.paths.store.id}"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """What is at the path, symlinks followed: name, type, size, mtime, and of a file its content id."""
        address = _address(path)
        with _translated():
            entry = self.paths.entry(address, self._changes)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "there is nothing at this path", f"{PROTOCOL}://{address}")
        return _info(str(address), entry)

    def exists(self, path: str, **_: Any) -> bool:
        """Whether something is there; what cannot be read is an error, not absent."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What is in a directory, or the file itself. A symlink that leads to a file is one; another one is `other`."""
        own = self.info(path)
        found = [own] if own["type"] == "file" else list(self._listed(_address(path)))
        return found if detail else [each["name"] for each in found]

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        """All files below a path; symlinks to directories are not followed."""
        address = _address(path)
        if maxdepth is not None or not address.repo or address.ref == "":
            found = super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
            kept = {name: each for name, each in found.items() if each["type"] != "other"}
            return kept if detail else list(kept)
        try:
            own = self.info(path)
        except FileNotFoundError:
            return {} if detail else []
        if own["type"] == "file":
            found = {own["name"]: own}
        else:
            with _translated():
                below = self.paths.below(address, self._changes)
                found = {each["name"]: each for each in self._shown(address, below)}
            if withdirs:
                found[own["name"]] = own
            else:
                found = {name: each for name, each in found.items() if each["type"] == "file"}
        return dict(sorted(found.items())) if detail else sorted(found)

    def open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        """The file, to be read or written whole; in a text mode with `encoding`, `errors` and `newline`."""
        if "b" in mode or kwargs.get("compression") is not None:
            return super().open(path, mode, *args, **kwargs)
        text = {name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs}
        return PathText(super().open(path, mode.replace("t", "") + "b", *args, **kwargs), **text)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes from `start` to `end`, as of a slice; only what holds them is fetched."""
        with _translated():
            file = self.paths.open(_address(path), self._changes)
            begin, stop, _step = slice(start, end).indices(file.size)
            return read_stretch(file, begin, max(0, stop - begin))

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,  # noqa: ARG002 (what lies near each other is fetched together anyway)
        on_error: str = "return",
        **_: Any,
    ) -> list[Any]:
        """Many stretches at once, each file opened once."""
        begins = starts if isinstance(starts, list) else [starts] * len(paths)
        stops = ends if isinstance(ends, list) else [ends] * len(paths)
        opened: dict[str, Any] = {}
        for path in dict.fromkeys(paths):
            try:
                with _translated():
                    opened[path] = self.paths.open(_address(path), self._changes)
            except Exception as error:  # noqa: BLE001 (fsspec's caller asks for it in place of the bytes)
                opened[path] = error

        def read(path: str, begin: int | None, stop: int | None) -> Any:
            file = opened[path]
            if isinstance(file, Exception):
                return file
            first, last, _step = slice(begin, stop).indices(file.size)
            try:
                return read_stretch(file, first, max(0, last - first))
            except Exception as error:  # noqa: BLE001 (as above)
                return error

        with ThreadPoolExecutor(_READERS) as threads:
            found = list(threads.map(read, paths, begins, stops))
        if on_error != "return":
            for each in found:
                if isinstance(each, Exception):
                    raise each
        return found

    def start_transaction(self) -> BundleTransaction:
        """Begins a transaction that `end_transaction` ends."""
        transaction: BundleTransaction = self.transaction
        transaction.start()
        return transaction

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Does nothing: a directory is there once a file is in it."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """As `mkdir`."""

    def rmdir(self, path: str) -> None:
        """Nothing is at the path. Raises OSError when something is in it."""
        if next(iter(self._listed(_address(path))), None) is not None:
            raise OSError(errno.ENOTEMPTY, "the directory is not empty", path)
        self._remove([path])

    def rm_file(self, path: str) -> None:
        """The file is not there."""
        self.rm(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Nothing is at the path, or the paths: one bundle without them, where there is no transaction or run."""
        if maxdepth is not None:
            raise Invalid("bad-argument", "rm knows no maxdepth; name the paths that are to go", argument="maxdepth")
        paths = self.expand_path(path)
        for each in paths:
            if self.info(each)["type"] == "directory" and not recursive:
                raise IsADirectoryError(errno.EISDIR, "this is a directory; remove it with recursive=True", each)
        self._remove(paths)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """The second path has the bytes of the first."""
        if self.isdir(path1):
            return
        with self.open(path1, "rb") as old, self.open(path2, "wb") as new:
            while piece := old.read(2**20):
                new.write(piece)

    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> None:
        """What is at the first path is at the second: one bundle for both."""
        with self._together():
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **kwargs)

    def put(self, lpath: Any, rpath: Any, *args: Any, **kwargs: Any) -> Any:
        """Files of this machine are at the second path: one bundle for all of them."""
        with self._together():
            return super().put(lpath, rpath, *args, **kwargs)

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """The path has these bytes, or each path of a mapping its own: one bundle for all of them."""
        with self._together():
            super().pipe(path, value, **kwargs)

    def copy(self, path1: Any, path2: Any, *args: Any, **kwargs: Any) -> Any:
        """What is at the first path is at the second too: one bundle for all of it."""
        with self._together():
            return super().copy(path1, path2, *args, **kwargs)

    def created(self, path: str) -> datetime:
        """When the file was last written, as the bundle says."""
        return self.modified(path)

    def modified(self, path: str) -> datetime:
        """When the file was last written, as the bundle says."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    def ukey(self, path: str) -> str:
        """The content id: the same for the same bytes."""
        return str(self.info(path)["content"])

    def checksum(self, path: str) -> int:
        """The content id as a number."""
        return int(self.ukey(path), 16)

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **_: Any) -> Any:
        address = _address(path)
        if mode == "rb":
            with _translated():
                return PathReader(self.paths.open(address, self._changes))
        if mode not in ("wb", "xb"):
            message = f"{path!r} cannot be opened with mode {mode!r}; read it, or write it anew ('rb', 'wb', 'xb')"
            raise Invalid("bad-argument", message, argument="mode")
        if mode == "xb" and self.exists(path):
            raise FileExistsError(errno.EEXIST, "there is a file at this path", path)
        with _translated():
            writing = self.paths.writing(address, None if autocommit else self._changes, self.message)
            return PathWriter(self.paths, writing, address.path)

    @property
    def _changes(self) -> Changes | None:
        """What the transaction changes that is open; None when there is none."""
        return self.transaction.changes if self._intrans else None

    @contextmanager
    def _together(self) -> Iterator[None]:
        if self._intrans or self.paths.is_joined:
            yield
        else:
            with self.transaction:
                yield

    def _remove(self, paths: Sequence[str]) -> None:
        with self._together(), _translated():
            for path in paths:
                address = _address(path)
                self.paths.changing(address, self._changes).staged.remove(address.path)

    def _listed(self, address: Address) -> Iterator[dict[str, Any]]:
        with _translated():
            yield from self._shown(address, self.paths.children(address, self._changes))

    def _shown(self, address: Address, entries: Iterator[TreeEntry]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            name = str(address.at(entry.path)) if address.repo and address.ref != "" else entry.path
            if entry.kind != "symlink":
                yield _info(name, entry)
                continue
            led = self.paths.entry(address.at(entry.path), self._changes)
            shown = _info(name, entry if led is None else led)
            yield {**shown, "type": "file" if shown["type"] == "file" else "other", "islink": True}

    @classmethod
    def _parent(cls, path: str) -> str:
        return str(cls._strip_protocol(path)).rpartition("/")[0]


def _wait_for_arrow() -> None:
    """At the end of the process nothing of pyarrow's holds a file system of ours any more, or a tenth of a second has passed. Its
    threads let go of one a moment after a read has returned; if Python is gone by then, they end the process by an abort."""
    arrow = sys.modules.get("pyarrow.fs")
    until = time.monotonic() + _LONGEST_WAIT_S
    while arrow is not None and time.monotonic() < until:
        held = (each for each in gc.get_objects() if type(each) is arrow.FSSpecHandler)
        if not any(isinstance(each.fs, StoreFileSystem) for each in held):
            return
        time.sleep(_PAUSE_S)


atexit.register(_wait_for_arrow)


def register(implementation: type[StoreFileSystem]) -> None:
    """`datamon://` is this class in this process, also where no package of ours is installed."""
    register_implementation(PROTOCOL, implementation, clobber=True)


def _address(path: str | os.PathLike[str]) -> Address:
    return parse_address(os.fspath(path))


def _info(name: str, entry: TreeEntry) -> dict[str, Any]:
    return {
        "name": name,
        "type": _TYPES.get(entry.kind, "other"),
        "size": entry.size_bytes if entry.kind != "dir" else 0,
        "mtime": entry.mtime_ns / 10**9,
        "mode": entry.mode,
        "content": None if entry.kind == "dir" else entry.content,
    }


@contextmanager
def _translated() -> Iterator[None]:
    """What is not there, or not permitted, is told in the way that users of files expect; the rest is an error of ours."""
    try:
        yield
    except NotFound as error:
        raise FileNotFoundError(errno.ENOENT, error.message) from error
    except Denied as error:
        raise PermissionError(errno.EACCES, error.message) from error
    except Invalid as error:
        if error.code == "bad-path" and "is a directory" in error.message:
            raise IsADirectoryError(errno.EISDIR, error.message) from error
        raise
