"""A directory and what lies beneath it, opened part by part without following a symlink, so that nothing outside is reached."""

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from datamon.errors import DatamonError, Denied, Invalid, NotFound, Unavailable
from datamon.store.entries import printable

_OPEN_AT_ONCE = 32
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Beneath:
    """An open directory. Paths are relative, with `/` between parts, and `""` is the directory itself. A part that is a symlink
    ends in OSError (ENOTDIR or ELOOP), whoever put it there and whenever. Used by one thread; a context manager."""

    def __init__(self, root: Path, *, same: int | None = None) -> None:
        """Raises OSError when `root` is no directory or cannot be opened. `root` itself may be reached through symlinks. With
        `same`, a descriptor of it, that very directory is opened, wherever it lies by now."""
        self.root = root
        self._top = os.open(root if same is None else ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=same)
        self._open: OrderedDict[str, int] = OrderedDict()

    def twin(self) -> "Beneath":
        """The same directory, opened for another thread, which closes it; this one may be used meanwhile."""
        return Beneath(self.root, same=self._top)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open afterwards."""
        self.forget("")
        os.close(self._top)

    def shown(self, path: str) -> str:
        """`path` as a person would name it."""
        return printable(f"{self.root}/{path}" if path else str(self.root))

    def directory(self, path: str) -> int:
        """A descriptor of the directory `path`, to be used before the next call and not to be closed."""
        if not path:
            return self._top
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        known, rest = self._nearest_open(path)
        here = self._open.get(known, self._top)
        for part in rest:
            here = os.open(part, _DIRECTORY, dir_fd=here)
            known = f"{known}/{part}" if known else part
            self._keep(known, here)
        return here

    def parent(self, path: str) -> tuple[int, str]:
        """A descriptor of the directory that holds `path`, as `directory` gives it, and the name in it."""
        above, _, name = path.rpartition("/")
        return self.directory(above), name

    def open_file(self, path: str) -> int:
        """A descriptor to read the file `path` by, which the caller closes. Never waits, not even for a fifo."""
        above, name = self.parent(path)
        return os.open(name, _FILE, dir_fd=above)

    def status(self, path: str) -> os.stat_result:
        """What the file system says of `path`, of a symlink itself."""
        if not path:
            return os.fstat(self._top)
        above, name = self.parent(path)
        return os.stat(name, dir_fd=above, follow_symlinks=False)

    def forget(self, path: str) -> None:
        """`path` and what lies below it is opened anew when it is next asked for: it is about to be removed or replaced."""
        below = path + "/"
        for known in [known for known in self._open if not path or known == path or known.startswith(below)]:
            os.close(self._open.pop(known))

    def _nearest_open(self, path: str) -> tuple[str, list[str]]:
        above = path
        while above and above not in self._open:
            above = above.rpartition("/")[0]
        return above, path[len(above) :].strip("/").split("/")

    def _keep(self, path: str, descriptor: int) -> None:
        self._open[path] = descriptor
        while len(self._open) > _OPEN_AT_ONCE:
            os.close(self._open.popitem(last=False)[1])


def is_plain_file(status: os.stat_result) -> bool:
    """Whether this is a file with bytes of its own: no directory, symlink, socket, fifo or device."""
    return stat.S_ISREG(status.st_mode)


@contextmanager
def reading(shown: str | Path) -> Iterator[None]:
    """What the operating system refuses inside becomes an error of ours that names `shown`: Denied (`unreadable`), NotFound
    (`path-not-found`), Invalid (`bad-path`)."""
    try:
        yield
    except OSError as error:
        raise _reading_error(error, shown) from error


def _reading_error(error: OSError, shown: str | Path) -> DatamonError:
    path = printable(str(shown))
    if error.errno == errno.ENOENT:
        return NotFound("path-not-found", f"there is nothing at {path!r}; name what is there", path=path)
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return Invalid("bad-path", f"{path!r} is no directory, or a symlink has taken its place; try again", path=path)
    return Denied(
        "unreadable",
        f"{path!r} cannot be read ({error.strerror}); get the right to it, or leave it out",
        path=path,
    )


@contextmanager
def writing(shown: str | Path) -> Iterator[None]:
    """What the operating system refuses inside becomes an error of ours that names `shown`: Unavailable (`disk-full`), Denied
    (`unwritable`), Invalid (`unsafe-path`, `bad-path`)."""
    try:
        yield
    except OSError as error:
        raise writing_error(error, shown) from error


def writing_error(error: OSError, shown: str | Path) -> DatamonError:
    """The error of ours that the operating system's refusal to write `shown` amounts to, as `writing` raises it."""
    path = printable(str(shown))
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable("disk-full", f"there is no room to write {path!r}; make room and try again", path=path)
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        message = f"{path!r} would be written through something that is no directory; remove it and try again"
        return Invalid("unsafe-path", message, path=path)
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
        message = f"this file system cannot hold the name {path!r} ({error.strerror}); choose another destination"
        return Invalid("bad-path", message, path=path)
    return Denied(
        "unwritable", f"{path!r} cannot be written ({error.strerror}); get the right, or go elsewhere", path=path
    )
