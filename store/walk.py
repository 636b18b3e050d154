"""What lies in a directory: every path below it with its status, less what `.datamonignore` files leave out."""

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

from blake3 import blake3

from datamon.errors import Invalid, NotFound
from datamon.store.beneath import Beneath, is_plain_file, reading
from datamon.store.entries import NO_CONTENT, PERMISSION_BITS, TreeEntry, printable
from datamon.store.ids import ContentId

IGNORE_FILE = ".datamonignore"
"""Holds patterns as Git's ignore files do, for the directory it lies in and those below; it is kept like any other file."""
READS = 3
"""How often a file is read that changes while it is read."""
_PIECE_BYTES = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """One path below a directory, as the file system describes it; `special` is a socket, fifo or device."""

    path: str
    kind: Literal["file", "dir", "symlink", "special"]
    size_bytes: int
    mode: int
    mtime_ns: int
    ctime_ns: int
    target: str | None

    @property
    def executable(self) -> bool:
        """The owner's execute bit of a file."""
        return self.kind == "file" and bool(self.mode & stat.S_IXUSR)


def open_tree(path: Path) -> Beneath:
    """The directory `path`, open. Raises NotFound (`path-not-found`), Invalid (`bad-path` for a file), Denied (`unreadable`)."""
    shown = printable(str(path))
    try:
        with reading(path):
            return Beneath(path)
    except Invalid as error:
        raise Invalid("bad-path", f"{shown!r} is a file; name the directory that holds it", path=shown) from error
    except NotFound as error:
        message = f"there is no directory {shown!r}; name one that is there"
        raise NotFound("path-not-found", message, path=shown) from error


def scan(tree: Beneath, *, ignoring: bool) -> list[Found]:
    """Everything below the directory, sorted by path, symlinks not followed; `ignoring` leaves out what `.datamonignore` says.

    Raises Denied (`unreadable`) for a directory or an ignore file that cannot be read, Invalid (`bad-argument`) for a pattern.
    """
    every: list[Found] = []
    waiting: list[tuple[str, _Rules]] = [("", ())]
    while waiting:
        directory, rules = waiting.pop()
        found = _list_directory(tree, directory)
        if ignoring:
            rules = _with_rules_of(tree, directory, found, rules)
            found = [one for one in found if not _is_ignored(one, rules)]
        every += found
        waiting += ((one.path, rules) for one in found if one.kind == "dir")
    every.sort(key=lambda one: one.path)
    return every


def scan_top(tree: Beneath) -> list[Found]:
    """What lies in the directory itself, in no order. Raises Denied (`unreadable`)."""
    return _list_directory(tree, "")


def scan_to_keep(tree: Beneath) -> list[Found]:
    """Everything below the directory that an upload keeps, sorted by path.

    Raises as `scan`, and Invalid (`unsupported-file`, `bad-path`) for what cannot be kept: sockets, fifos, devices, names and
    link targets that are not UTF-8.
    """
    found = scan(tree, ignoring=True)
    for one in found:
        shown = tree.shown(one.path)
        if one.kind == "special":
            message = (
                f"{shown} is a socket, fifo or device, which cannot be kept; remove it or name it in {IGNORE_FILE}"
            )
            raise Invalid("unsupported-file", message, path=shown)
        if not _is_text(one.path):
            message = f"the name of {shown} is not UTF-8; rename it or leave it out by a pattern in {IGNORE_FILE}"
            raise Invalid("bad-path", message, path=shown)
        if one.target is not None and not _is_text(one.target):
            message = f"the target of the symlink {shown} is not UTF-8; make it anew or name it in {IGNORE_FILE}"
            raise Invalid("bad-path", message, path=shown)
    return found


def read_stable(tree: Beneath, path: str, read: Callable[[BinaryIO, int], T]) -> tuple[T, os.stat_result]:
    """What `read` made of the file's bytes (a stream, and how many to expect), and its status, which was the same before and
    after. A file that changed meanwhile is read again, `READS` times in all.

    Raises Invalid (`file-changed`), Denied (`unreadable`).
    """
    shown = tree.shown(path)
    for _ in range(READS):
        try:
            with reading(shown), open(tree.open_file(path), "rb") as stream:
                before = os.fstat(stream.fileno())
                if not is_plain_file(before):
                    continue
                result = read(stream, before.st_size)
                end, after = stream.tell(), os.fstat(stream.fileno())
        except NotFound:
            continue
        if _version(before) == _version(after) and end == after.st_size:
            return result, after
    message = f"{shown!r} changed each time it was read; upload again when nothing writes to it"
    raise Invalid("file-changed", message, path=shown)


def hash_stream(stream: BinaryIO, size_bytes: int) -> ContentId:
    """The content id of the stream's next `size_bytes` bytes, with one more when there are more: it may grow meanwhile."""
    hasher = blake3()
    left = size_bytes + 1
    while piece := stream.read(min(left, _PIECE_BYTES)):
        hasher.update(piece)
        left -= len(piece)
    return ContentId(hasher.hexdigest())


def text_content(text: str) -> ContentId:
    """The content id of a symlink with this target."""
    return ContentId(blake3(text.encode("utf-8", "surrogateescape")).hexdigest())


def observe(tree: Beneath, found: Found) -> TreeEntry:
    """The entry that an upload would make of `found`, its bytes hashed but not kept (so without a recipe)."""
    content, size_bytes = NO_CONTENT, 0
    if found.kind == "file":
        content, status = read_stable(tree, found.path, hash_stream)
        size_bytes = status.st_size
    elif found.target is not None:
        content = text_content(found.target)
    return entry_of(found, content, size_bytes)


def entry_of(found: Found, content: ContentId, size_bytes: int) -> TreeEntry:
    """An entry with the path, mode and time of `found`."""
    kind = "file" if found.kind == "special" else found.kind
    return TreeEntry(
        found.path, kind, size_bytes, content, found.target, None, found.executable, found.mode, found.mtime_ns
    )


def _list_directory(tree: Beneath, directory: str) -> list[Found]:
    lead = f"{directory}/" if directory else ""
    with reading(tree.shown(directory)):
        descriptor = tree.directory(directory)
        with os.scandir(descriptor) as listed:
            return [_found(lead, one, descriptor) for one in listed]


def _found(lead: str, one: os.DirEntry[str], directory: int) -> Found:
    status = one.stat(follow_symlinks=False)
    target = os.readlink(one.name, dir_fd=directory) if stat.S_ISLNK(status.st_mode) else None
    return Found(
        path=lead + one.name,
        kind=_kind(status.st_mode),
        size_bytes=status.st_size if stat.S_ISREG(status.st_mode) else 0,
        mode=status.st_mode & PERMISSION_BITS,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        target=target,
    )


def _kind(mode: int) -> Literal["file", "dir", "symlink", "special"]:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "symlink" if stat.S_ISLNK(mode) else "special"


def _version(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


_Rules = tuple[tuple[str, Callable[[str], bool | None]], ...]
"""The ignore files that apply, outermost first: the directory of each, and what it says of a path below that."""


def _with_rules_of(tree: Beneath, directory: str, found: Iterable[Found], rules: _Rules) -> _Rules:
    own = next((one for one in found if one.kind == "file" and one.path.rpartition("/")[2] == IGNORE_FILE), None)
    if own is None:
        return rules
    text, _ = read_stable(tree, own.path, lambda stream, _: stream.read().decode("utf-8", "surrogateescape"))
    return (*rules, (f"{directory}/" if directory else "", _compile(text, tree.shown(own.path))))


def _compile(text: str, shown: str) -> Callable[[str], bool | None]:
    import pathspec  # 15 ms; most trees have no ignore file

    try:
        spec = pathspec.GitIgnoreSpec.from_lines(_lines(text))
    except ValueError as error:
        message = f"{shown!r} has a pattern that cannot be read ({error}); correct it"
        raise Invalid("bad-argument", message, path=shown) from error
    return lambda path: spec.check_file(path).include


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")


def _is_ignored(one: Found, rules: _Rules) -> bool:
    """What the innermost ignore file says that says something."""
    path = f"{one.path}/" if one.kind == "dir" else one.path
    for base, verdict in reversed(rules):
        ignored = verdict(path[len(base) :])
        if ignored is not None:
            return ignored
    return False
