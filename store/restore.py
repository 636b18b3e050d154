"""Restore: entries become files below a directory, each whole at once, and nothing outside it is touched."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Conflict, Corrupt, Invalid
from datamon.store.beneath import Beneath, reading, writing
from datamon.store.bundle import Bundle
from datamon.store.chunk_store import ChunkStore, read_file
from datamon.store.entries import TreeEntry, checked_tree, printable
from datamon.store.progress import Progress

_UNFINISHED = re.compile(r"\.datamon-[0-9a-f]{16}\.part")
_OWNER = stat.S_IRWXU


def unfinished_name(token: str) -> str:
    """The name under which a writer with this token begins each file, beside its place."""
    return f".datamon-{token}.part"


def new_token() -> str:
    """A token of its own for a writer: 16 hexadecimal digits."""
    return os.urandom(8).hex()


def is_unfinished_name(name: str) -> bool:
    """Whether a writer could have begun a file under this name.

    >>> is_unfinished_name(unfinished_name("0123456789abcdef"))
    True
    """
    return _UNFINISHED.fullmatch(name) is not None


def check_restorable(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """The entries, when every one can be made below a directory. Raises Invalid (`unsafe-path`, `unsupported-file`)."""
    checked = list(checked_tree(entries))
    for entry in checked:
        if entry.kind == "external":
            message = (
                f"{entry.path!r} lies outside the store and cannot be written from it; name another part of the bundle"
            )
            raise Invalid("unsupported-file", message, path=entry.path)
        if entry.kind == "symlink" and (not entry.target or "\0" in entry.target):
            message = f"the symlink {entry.path!r} has no target; upload the tree again from its source"
            raise Invalid("unsafe-path", message, path=entry.path)
    return checked


@contextmanager
def made_directory(path: Path) -> Iterator[Beneath]:
    """The directory `path`, open, made with those above it where absent; those that were made are gone again when the block
    fails and leaves them empty. Raises Invalid (`bad-path`) when something else has the name, Denied (`unwritable`)."""
    made: list[Path] = []
    try:
        _make_missing(path, made)
        with _opened(path) as tree:
            yield tree
    except BaseException:
        for directory in reversed(made):
            with suppress(OSError):
                directory.rmdir()
        raise


def check_empty(tree: Beneath) -> None:
    """Returns when nothing lies in the directory. Raises Conflict (`destination-not-empty`)."""
    with reading(tree.root), os.scandir(tree.directory("")) as listed:
        present = next(listed, None)
    if present is not None:
        shown = tree.shown("")
        message = f"{shown!r} is not empty ({printable(present.name)!r} is in it); name an empty directory or a new one"
        raise Conflict("destination-not-empty", message, path=shown)


@contextmanager
def naming(bundle: Bundle, path: str) -> Iterator[None]:
    """A Corrupt raised inside says which file of which bundle it concerns."""
    try:
        yield
    except Corrupt as error:
        what = f"{path!r} of the bundle {bundle.id}" if path else f"the bundle {bundle.id}"
        facts = {**error.facts, "path": path, "bundle": bundle.id}
        raise Corrupt(error.code, f"{what} cannot be restored: {error.message}", **facts) from error


@dataclass(frozen=True, slots=True)
class TreeWriter:
    """Makes and removes what lies below an open directory. Each file and symlink begins under `unfinished_name(token)` and is
    renamed when it is whole. All methods raise as `beneath.writing` does; without `replacing` they raise Conflict
    (`destination-not-empty`) where something is already."""

    tree: Beneath
    token: str
    replacing: bool = False

    def make_directory(self, path: str) -> None:
        """An empty directory that its owner may fill; `set_status` gives it its mode when it is full."""
        with writing(self._shown(path)):
            above, name = self.tree.parent(path)
            try:
                os.mkdir(name, _OWNER, dir_fd=above)
            except FileExistsError as error:
                raise self._taken(path) from error

    def write_file(self, entry: TreeEntry, pieces: Iterable[bytes]) -> None:
        """The file with these bytes (`pieces` raises when they are not the entry's), its mode and time."""
        with writing(self._shown(entry.path)):
            above, name = self.tree.parent(entry.path)
            self._check_free(above, name, entry.path)
            begun = unfinished_name(self.token)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(begun, flags, 0o600, dir_fd=above)
            try:
                with open(descriptor, "wb", buffering=0) as stream:
                    _write_all(stream.fileno(), entry, pieces)
                os.rename(begun, name, src_dir_fd=above, dst_dir_fd=above)
            except BaseException:
                with suppress(OSError):
                    os.unlink(begun, dir_fd=above)
                raise

    def make_symlink(self, entry: TreeEntry) -> None:
        """The symlink, with its time where the system can set it."""
        assert entry.target is not None
        with writing(self._shown(entry.path)):
            above, name = self.tree.parent(entry.path)
            self._check_free(above, name, entry.path)
            begun = unfinished_name(self.token)
            os.symlink(entry.target, begun, dir_fd=above)
            try:
                _set_link_time(begun, above, entry.mtime_ns)
                os.rename(begun, name, src_dir_fd=above, dst_dir_fd=above)
            except BaseException:
                with suppress(OSError):
                    os.unlink(begun, dir_fd=above)
                raise

    def set_status(self, entry: TreeEntry) -> None:
        """What stands at the path has the entry's mode and time; of a symlink the time."""
        with writing(self._shown(entry.path)):
            above, name = self.tree.parent(entry.path)
            if entry.kind == "symlink":
                _set_link_time(name, above, entry.mtime_ns)
                return
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=above)
            try:
                os.fchmod(descriptor, entry.mode)
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            finally:
                os.close(descriptor)

    def open_up(self, directory: str) -> None:
        """The owner may read, fill and empty the directory. The top itself is left as it is."""
        if not directory:
            return
        with writing(self._shown(directory)):
            above, name = self.tree.parent(directory)
            status = os.stat(name, dir_fd=above, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and status.st_mode & _OWNER != _OWNER:
                os.chmod(name, stat.S_IMODE(status.st_mode) | _OWNER, dir_fd=above)

    def remove(self, path: str, *, directory: bool) -> None:
        """Nothing is at `path`, which was an empty directory or no directory; no error when nothing was."""
        with writing(self._shown(path)), suppress(FileNotFoundError):
            above, name = self.tree.parent(path)
            if directory:
                self.tree.forget(path)
                os.rmdir(name, dir_fd=above)
            else:
                os.unlink(name, dir_fd=above)

    def empty(self) -> None:
        """Nothing is left below the top, whatever it was."""
        waiting, directories = [""], []
        while waiting:
            directory = waiting.pop()
            self.open_up(directory)
            with writing(self._shown(directory)):
                descriptor = self.tree.directory(directory)
                with os.scandir(descriptor) as listed:
                    names = [(one.name, one.is_dir(follow_symlinks=False)) for one in listed]
                for name, is_directory in names:
                    if is_directory:
                        waiting.append(f"{directory}/{name}" if directory else name)
                    else:
                        os.unlink(name, dir_fd=descriptor)
            directories.append(directory)
        for directory in reversed(directories[1:]):
            self.remove(directory, directory=True)

    def _check_free(self, above: int, name: str, path: str) -> None:
        if self.replacing:
            return
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=above, follow_symlinks=False)
            raise self._taken(path)

    def _taken(self, path: str) -> Conflict:
        shown = self._shown(path)
        message = f"{shown!r} is there already, perhaps by a name that this file system takes for the same; choose another place"
        return Conflict("destination-not-empty", message, path=shown)

    def _shown(self, path: str) -> str:
        return self.tree.shown(path)


def write_entries(
    writer: TreeWriter, entries: Sequence[TreeEntry], chunks: ChunkStore, bundle: Bundle, progress: Progress
) -> None:
    """The entries stand below the writer's top, read from the store and verified; directories do not have their modes and times
    yet (`settle_directories`). Raises Corrupt, naming the file and the bundle, and as TreeWriter does."""
    for entry in entries:
        if entry.kind == "dir":
            writer.make_directory(entry.path)
        elif entry.kind == "symlink":
            writer.make_symlink(entry)
        else:
            with naming(bundle, entry.path):
                writer.write_file(
                    entry, _counted(read_file(chunks, entry.content, entry.size_bytes, entry.recipe), progress)
                )
        progress.advance(1, 0)


def settle_directories(writer: TreeWriter, directories: Sequence[TreeEntry]) -> None:
    """The directories have their modes and times; to be called when nothing changes in them any more."""
    for entry in reversed(directories):
        writer.set_status(entry)


def _make_missing(path: Path, made: list[Path]) -> None:
    """`path` is a directory; each that had to be made is added to `made` at once."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        with writing(directory):
            try:
                directory.mkdir()
            except FileExistsError:
                continue  # another process made it meanwhile
            except NotADirectoryError as error:
                raise _no_directory(path) from error
        made.append(directory)


def _opened(path: Path) -> Beneath:
    with reading(path):
        try:
            return Beneath(path)
        except (NotADirectoryError, FileNotFoundError) as error:
            raise _no_directory(path) from error


def _no_directory(path: Path) -> Invalid:
    shown = printable(str(path))
    message = f"{shown!r} is there and is no directory; name an empty directory or a new one"
    return Invalid("bad-path", message, path=shown)


def _counted(pieces: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        progress.advance(0, len(piece))


def _write_all(descriptor: int, entry: TreeEntry, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    os.fchmod(descriptor, entry.mode)
    os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))


def _set_link_time(name: str, above: int, mtime_ns: int) -> None:
    if os.utime in os.supports_follow_symlinks:
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=above, follow_symlinks=False)
