"""What a restore begins with: the directory it goes to, and errors that name what they concern."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datamon.errors import Conflict, Corrupt, Invalid
from datamon.store.beneath import Beneath, reading, writing
from datamon.store.bundle import Bundle
from datamon.store.entries import printable


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
        raise named(error, bundle, path) from error


def named(error: Corrupt, bundle: Bundle, path: str) -> Corrupt:
    """The error, which says in addition which file of which bundle it concerns."""
    what = f"{path!r} of the bundle {bundle.id}" if path else f"the bundle {bundle.id}"
    facts = {**error.facts, "path": path, "bundle": bundle.id}
    return Corrupt(error.code, f"{what} cannot be restored: {error.message}", **facts)


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
