"""Staged: files that were written by path, on the disk of this machine, until a commit makes them part of a branch."""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Invalid
from datamon.store.beneath import writing
from datamon.store.bundle import Repo
from datamon.store.entries import NO_CONTENT, TreeEntry, clean_path, is_at_or_below

_TREE, _BEGUN, _REMOVED = "tree", "begun", "removed"
_IGNORED = ".datamonignore"


@dataclass(frozen=True, slots=True)
class Staged:
    """What is to be changed on a branch: files below `directory`, and paths that are removed before those are put. Any number of
    threads and processes may write to it."""

    directory: Path
    repo: Repo
    branch: str

    @property
    def tree(self) -> Path:
        """The files, each whole."""
        return self.directory / _TREE

    def begin(self, path: str) -> Path:
        """A new empty file, to be written and then given to `finish`. Raises Invalid (`bad-path`), Denied, Unavailable."""
        if not clean_path(path) or path.rpartition("/")[2] == _IGNORED:
            raise Invalid("bad-path", f"{path!r} is no path of a file that can be written; name another", path=path)
        begun = self.directory / _BEGUN
        with writing(begun):
            begun.mkdir(parents=True, exist_ok=True)
            place = begun / os.urandom(12).hex()
            place.touch(exist_ok=False)
        return place

    def finish(self, place: Path, path: str) -> None:
        """The file is at `path`, whole at once, in place of what was staged there. Raises Invalid (`bad-path`) when something
        that is no directory is above it, or a directory is there; Denied, Unavailable."""
        target = self.tree / path
        with writing(target):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                place.replace(target)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                message = f"{path!r} would take the place of a directory, or lie below a file; name another path"
                raise Invalid("bad-path", message, path=path) from error

    def abandon(self, place: Path) -> None:
        """The file that was begun is gone."""
        with suppress(OSError):
            place.unlink()

    def remove(self, path: str) -> None:
        """Nothing is at `path` and below it, neither here nor on the branch once this is committed, save what is staged there
        later. Raises Denied, Unavailable."""
        with writing(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            with open(self.directory / _REMOVED, "ab", buffering=0) as file:
                file.write(path.encode("utf-8", "surrogateescape") + b"\0")
            target = self.tree / path
            for entry in reversed(list(_walk(target))):
                entry.rmdir() if entry.is_dir() else entry.unlink()
            with suppress(FileNotFoundError, NotADirectoryError):
                target.rmdir() if target.is_dir() else target.unlink()

    def removed(self) -> frozenset[str]:
        """The paths that are removed from the branch."""
        try:
            content = (self.directory / _REMOVED).read_bytes()
        except FileNotFoundError:
            return frozenset()
        return frozenset(path.decode("utf-8", "surrogateescape") for path in content.split(b"\0")[:-1])

    def hides(self, path: str) -> bool:
        """Whether what the branch has at `path` is removed."""
        return is_removed(path, self.removed())

    def is_empty(self) -> bool:
        """Whether a commit would change nothing."""
        return not self.removed() and next(_walk(self.tree), None) is None

    def entry(self, path: str) -> TreeEntry | None:
        """What is staged at `path`, without a content id; None when nothing is."""
        try:
            found = os.lstat(self.tree / path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _entry(path, found)

    def children(self, path: str) -> dict[str, TreeEntry]:
        """What is staged directly in a directory, by path."""
        found: dict[str, TreeEntry] = {}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.tree / path) as entries:
            for each in entries:
                here = f"{path}/{each.name}" if path else each.name
                found[here] = _entry(here, each.stat(follow_symlinks=False))
        return found

    def take(self, other: "Staged") -> None:
        """All that is staged in `other`, removals first, is staged here and no longer there. Raises as `remove` and `finish`."""
        for path in sorted(other.removed()):
            self.remove(path)
        for place in list(_walk(other.tree)):
            if not place.is_dir():
                self.finish(place, str(place.relative_to(other.tree)))


def is_removed(path: str, removed: Collection[str]) -> bool:
    """Whether one of the removed paths is `path` or above it."""
    return any(is_at_or_below(path, gone) for gone in removed)


def _walk(top: Path) -> Iterator[Path]:
    """Everything below `top`, directories before what is in them."""
    if top.is_symlink() or not top.is_dir():
        return
    for directory, names, files in os.walk(top):
        for name in sorted([*names, *files]):
            yield Path(directory, name)


def _entry(path: str, found: os.stat_result) -> TreeEntry:
    is_directory = stat.S_ISDIR(found.st_mode)
    return TreeEntry(
        path=path,
        kind="dir" if is_directory else "file",
        size_bytes=0 if is_directory else found.st_size,
        content=NO_CONTENT,
        target=None,
        recipe=None,
        executable=False,
        mode=stat.S_IMODE(found.st_mode),
        mtime_ns=found.st_mtime_ns,
    )
