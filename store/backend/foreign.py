"""What others put into a place, read by any name: for stores that are not ours, whose names no key of ours could be."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from datamon.errors import Denied, NotFound, Unavailable
from datamon.store.backend.keys import key_not_found


@dataclass(frozen=True, slots=True)
class Version:
    """One content that a name has or had. `number` is what `Foreign.read` knows it by; `deleted_ns` is set when nothing took its
    place since: the name was deleted then."""

    name: str
    number: int | None
    deleted_ns: int | None = None


class Foreign(Protocol):
    """Bytes by any name, to be read only. Every method may be called from any thread, and raises Unavailable when the place
    cannot be reached, Denied when it refuses."""

    @property
    def url(self) -> str:
        """The place, as a person would write it."""

    @property
    def is_far(self) -> bool:
        """Whether each read waits for an answer from elsewhere."""

    def check(self) -> None:
        """Returns when there is such a place. Raises NotFound (`path-not-found`), Unavailable."""

    def names(self, prefix: str) -> Iterator[str]:
        """All names that begin with `prefix`, those of one directory together."""

    def versions(self, prefix: str) -> Iterator[Version]:
        """What `names` gives and names that were deleted, each with everything that it ever held as far as the place keeps that,
        oldest first; a place without versions keeps the newest only."""

    def read(self, name: str, number: int | None = None) -> bytes:
        """The bytes under `name`, or those of that version. Raises NotFound (`key-not-found`)."""


class ForeignDirectory:
    """The files below a directory of this machine, by their paths relative to it."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def url(self) -> str:
        """See `Foreign`: the directory's absolute path."""
        return str(self._root)

    @property
    def is_far(self) -> bool:
        """See `Foreign`."""
        return False

    def check(self) -> None:
        """See `Foreign`."""
        if not self._root.is_dir():
            raise NotFound(
                "path-not-found", f"there is no directory {self.url}; name the old store's", path=str(self._root)
            )

    def names(self, prefix: str) -> Iterator[str]:
        """See `Foreign`."""
        folder = prefix.rpartition("/")[0]
        with self._errors(prefix):
            for directory, below, files in os.walk(self._root / folder, onerror=_raise_unless_absent):
                below.sort()
                lead = Path(directory).relative_to(self._root).as_posix()
                named = (name if lead == "." else f"{lead}/{name}" for name in sorted(files))
                yield from (name for name in named if name.startswith(prefix))

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Foreign`: a directory has no versions."""
        return (Version(name, None) for name in self.names(prefix))

    def read(self, name: str, number: int | None = None) -> bytes:
        """See `Foreign`."""
        if number is not None or not _stays_inside(name):
            raise key_not_found(name, self.url)
        with self._errors(name):
            return (self._root / name).read_bytes()

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise key_not_found(name, self.url) from error
        except PermissionError as error:
            raise Denied(
                "unreadable", f"the system refuses to read {name} in {self.url}; change its permissions", key=name
            ) from error
        except OSError as error:
            raise Unavailable(
                "backend-unavailable", f"cannot read {name} in {self.url} ({error.strerror}); try again later", key=name
            ) from error


def _stays_inside(name: str) -> bool:
    return not name.startswith("/") and "\0" not in name and ".." not in name.split("/")


def _raise_unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
