"""Writing below a directory: each file whole at once under its name, nothing outside touched, nothing of others overwritten."""

import errno
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from datamon.errors import Conflict, DatamonError
from datamon.store.beneath import Beneath, writing, writing_error
from datamon.store.entries import TreeEntry, printable
from datamon.store.walk import Found

_UNFINISHED = re.compile(r"\.datamon-[0-9a-f]{16}\.part")
_OWNER = stat.S_IRWXU
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FORMATS = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "symlink": stat.S_IFLNK}


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


@dataclass(frozen=True, slots=True)
class TreeWriter:
    """Makes and removes what lies below an open directory. Each file and symlink begins under `unfinished_name(token)` and is
    renamed when it is whole. `standing` is what was found there and may be replaced or removed.

    All methods raise as `beneath.writing` does, and Conflict where something is in the way: `local-edits` when it is in
    `standing` and was changed since, otherwise `destination-not-empty`. Between that look and the rename or removal, which
    follows at once, nothing else is done; a change in those microseconds is not seen.
    """

    tree: Beneath
    token: str
    standing: Mapping[str, Found] = field(default_factory=dict)

    def make_directory(self, path: str) -> None:
        """An empty directory that its owner may fill; `set_status` gives it its mode when it is full."""
        with writing(self.tree.shown(path)):
            above, name = self.tree.parent(path)
            try:
                os.mkdir(name, _OWNER, dir_fd=above)
            except FileExistsError as error:
                raise self._in_the_way(path) from error

    def write_file(self, entry: TreeEntry, content: memoryview) -> None:
        """The file with these bytes, its mode and time."""
        file = self.begin_file(entry)
        try:
            file.write(content)
            file.finish()
        except BaseException:
            file.abandon()
            raise

    def begin_file(self, entry: TreeEntry) -> "BegunFile":
        """The file, to be written; until it is finished or abandoned, this writer makes directories, and nothing else."""
        return BegunFile(self, entry)

    def make_symlink(self, entry: TreeEntry) -> None:
        """The symlink, with its time where the system can set it."""
        assert entry.target is not None
        with writing(self.tree.shown(entry.path)):
            above, name = self.tree.parent(entry.path)
            begun = unfinished_name(self.token)
            os.symlink(entry.target, begun, dir_fd=above)
            try:
                _set_link_time(begun, above, entry.mtime_ns)
                self.check_replaceable(above, name, entry.path)
                os.rename(begun, name, src_dir_fd=above, dst_dir_fd=above)
            except BaseException:
                with suppress(OSError):
                    os.unlink(begun, dir_fd=above)
                raise

    def set_status(self, entry: TreeEntry) -> None:
        """What stands at the path has the entry's mode and time; of a symlink the time."""
        with writing(self.tree.shown(entry.path)):
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
        with writing(self.tree.shown(directory)):
            above, name = self.tree.parent(directory)
            status = os.stat(name, dir_fd=above, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and status.st_mode & _OWNER != _OWNER:
                os.chmod(name, stat.S_IMODE(status.st_mode) | _OWNER, dir_fd=above)

    def remove(self, path: str, *, directory: bool) -> None:
        """Nothing is at `path`, which was an empty directory or something in `standing`; no error when nothing was."""
        with writing(self.tree.shown(path)), suppress(FileNotFoundError):
            above, name = self.tree.parent(path)
            if not directory:
                self.check_replaceable(above, name, path)
                os.unlink(name, dir_fd=above)
                return
            self.tree.forget(path)
            try:
                os.rmdir(name, dir_fd=above)
            except OSError as error:
                if error.errno == errno.ENOTEMPTY:
                    raise self._edited(path) from error
                raise

    def empty(self) -> None:
        """Nothing is left below the top, whatever it was."""
        waiting, directories = [""], []
        while waiting:
            directory = waiting.pop()
            self.open_up(directory)
            with writing(self.tree.shown(directory)):
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

    def check_replaceable(self, above: int, name: str, path: str) -> None:
        """Returns when nothing has the name, or what does is as it was found. Raises OSError besides."""
        try:
            status = os.stat(name, dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return
        found = self.standing.get(path)
        if found is None:
            raise self._in_the_way(path)
        if not _is_as_found(status, found):
            raise self._edited(path)

    def _in_the_way(self, path: str) -> Conflict:
        shown = self.tree.shown(path)
        message = f"{shown!r} is there already, perhaps by a name that this file system takes for the same; choose another place"
        return Conflict("destination-not-empty", message, path=shown)

    def _edited(self, path: str) -> Conflict:
        shown = self.tree.shown(path)
        message = f"{shown!r} was edited just now; wait until nothing writes to it, then begin again"
        return Conflict("local-edits", message, path=shown, edits=[printable(path)])


class BegunFile:
    """A file under its unfinished name. Every method raises as `TreeWriter`'s do."""

    __slots__ = ("_begun", "_descriptor", "_entry", "_writer")

    def __init__(self, writer: TreeWriter, entry: TreeEntry) -> None:
        self._writer = writer
        self._entry = entry
        self._begun = unfinished_name(writer.token)
        try:
            above, _ = writer.tree.parent(entry.path)
            self._descriptor = os.open(self._begun, _NEW_FILE, 0o600, dir_fd=above)
        except OSError as error:
            raise self._translated(error) from error

    def write(self, piece: memoryview) -> None:
        """Adds these bytes at its end."""
        try:
            while piece:
                piece = piece[os.write(self._descriptor, piece) :]
        except OSError as error:
            raise self._translated(error) from error

    def finish(self) -> None:
        """It stands in its place, with its mode and time, by one rename."""
        entry, descriptor = self._entry, self._descriptor
        try:
            os.fchmod(descriptor, entry.mode)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            self._descriptor = -1
            os.close(descriptor)
            above, name = self._writer.tree.parent(entry.path)  # others may have been asked for since
            self._writer.check_replaceable(above, name, entry.path)
            os.rename(self._begun, name, src_dir_fd=above, dst_dir_fd=above)
        except OSError as error:
            raise self._translated(error) from error

    def abandon(self) -> None:
        """It is gone; to be called when anything failed before `finish` returned."""
        with suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)
        with suppress(OSError):
            above, _ = self._writer.tree.parent(self._entry.path)
            os.unlink(self._begun, dir_fd=above)

    def _translated(self, error: OSError) -> DatamonError:
        return writing_error(error, self._writer.tree.shown(self._entry.path))


def _is_as_found(status: os.stat_result, found: Found) -> bool:
    """Whether nothing was written to it since; its mode may be another."""
    return (
        stat.S_IFMT(status.st_mode) == _FORMATS.get(found.kind, stat.S_IFMT(status.st_mode))
        and (status.st_mtime_ns, status.st_ctime_ns) == (found.mtime_ns, found.ctime_ns)
        and (found.kind != "file" or status.st_size == found.size_bytes)
    )


def _set_link_time(name: str, above: int, mtime_ns: int) -> None:
    if os.utime in os.supports_follow_symlinks:
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=above, follow_symlinks=False)
