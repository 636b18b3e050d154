"""What lies in a directory: every path below it with its status, less what `.datamonignore` files leave out."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeVar

from datamon.errors import Invalid, NotFound
from datamon.store.beneath import Beneath, is_plain_file, reading
from datamon.store.entries import NO_CONTENT, PERMISSION_BITS, TreeEntry, printable
from datamon.store.hashing import Hashing
from datamon.store.ids import ContentId

IGNORE_FILE = ".datamonignore"
"""Holds patterns as Git's ignore files do, for the directory it lies in and those below; it is kept like any other file."""
READS = 3
"""How often a file is read that changes while it is read."""

T = TypeVar("T")


Row = tuple[int, int, int, int, int, int]
"""What the file system says of one name: mode (with the kind), size in bytes, modification and change time in nanoseconds,
inode, device. A plain tuple: there are hundreds of thousands of them."""

Listing = Mapping[str, Row]
"""What lies in one directory, by name."""

_NOTHING_KNOWN: Mapping[str, Listing] = {}
_KIND_BITS = 0o170000
_FILE, _DIRECTORY, _SYMLINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK


def is_directory(row: Row) -> bool:
    """Whether a directory has this row."""
    return row[0] & _KIND_BITS == _DIRECTORY


class Found(NamedTuple):
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


def list_tree(tree: Beneath, *, ignoring: bool, known: Mapping[str, Listing] = _NOTHING_KNOWN) -> dict[str, Listing]:
    """What lies in the directory and in each one below it, by directory path (`""` is the top); `ignoring` leaves out what
    `.datamonignore` says. A listing that equals the one in `known` is that very one, so that both cost memory only once.

    Raises Denied (`unreadable`) for a directory or an ignore file that cannot be read, Invalid (`bad-argument`) for a pattern.
    """
    listings: dict[str, Listing] = {}
    waiting: list[tuple[str, _Rules]] = [("", ())]
    while waiting:
        directory, rules = waiting.pop()
        lead = f"{directory}/" if directory else ""
        here = _list_directory(tree, directory)
        if ignoring:
            rules = _with_rules_of(tree, lead, here, rules)
            if rules:
                here = {name: row for name, row in here.items() if not _is_ignored(lead + name, row, rules)}
        waiting += [(lead + name, rules) for name, row in here.items() if is_directory(row)]
        before = known.get(directory)
        listings[directory] = before if before == here else here
    return listings


def scan(tree: Beneath, *, ignoring: bool) -> list[Found]:
    """Everything below the directory, sorted by path, symlinks not followed; `ignoring` as in `list_tree`, which says what is
    raised."""
    return sorted(_all_found(tree, list_tree(tree, ignoring=ignoring)), key=attrgetter("path"))


def scan_top(tree: Beneath) -> list[Found]:
    """What lies in the directory itself, in no order. Raises Denied (`unreadable`)."""
    return list(_all_found(tree, {"": _list_directory(tree, "")}))


def scan_to_keep(tree: Beneath) -> list[Found]:
    """Everything below the directory that an upload keeps, sorted by path. Raises as `scan` and `check_can_be_kept`."""
    found = scan(tree, ignoring=True)
    for one in found:
        check_can_be_kept(tree, one)
    return found


def found_at(tree: Beneath, path: str, row: Row) -> Found:
    """What `row` says of `path`. Raises Denied, NotFound (`path-not-found`) for a symlink that went away."""
    mode, size_bytes, mtime_ns, ctime_ns, _, _ = row
    bits, permissions = mode & _KIND_BITS, mode & PERMISSION_BITS
    if bits == _FILE:
        return Found(path, "file", size_bytes, permissions, mtime_ns, ctime_ns, None)
    if bits == _DIRECTORY:
        return Found(path, "dir", 0, permissions, mtime_ns, ctime_ns, None)
    if bits != _SYMLINK:
        return Found(path, "special", 0, permissions, mtime_ns, ctime_ns, None)
    with reading(tree.shown(path)):
        above, name = tree.parent(path)
        target = os.readlink(name, dir_fd=above)
    return Found(path, "symlink", 0, permissions, mtime_ns, ctime_ns, target)


def row_of(status: os.stat_result) -> Row:
    """What a listing would say of the file with this status."""
    return (
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev,
    )


def check_can_be_kept(tree: Beneath, found: Found) -> None:
    """Returns when an upload can keep this. Raises Invalid (`unsupported-file`, `bad-path`) for sockets, fifos, devices, names
    and link targets that are not UTF-8."""
    if found.kind != "special" and _is_text(found.path) and (found.target is None or _is_text(found.target)):
        return
    shown = tree.shown(found.path)
    if found.kind == "special":
        message = f"{shown} is a socket, fifo or device, which cannot be kept; remove it or name it in {IGNORE_FILE}"
        raise Invalid("unsupported-file", message, path=shown)
    if not _is_text(found.path):
        message = f"the name of {shown} is not UTF-8; rename it or leave it out by a pattern in {IGNORE_FILE}"
        raise Invalid("bad-path", message, path=shown)
    message = f"the target of the symlink {shown} is not UTF-8; make it anew or name it in {IGNORE_FILE}"
    raise Invalid("bad-path", message, path=shown)


def read_stable(tree: Beneath, path: str, read: Callable[[BinaryIO, int], T]) -> tuple[T, os.stat_result]:
    """What `read` made of the file's bytes (a stream, and how many to expect), and its status, which was the same before and
    after. A file that changed meanwhile is read again, `READS` times in all.

    Raises Invalid (`file-changed`), Denied (`unreadable`).
    """
    shown = tree.shown(path)
    for _ in range(READS):
        try:
            with reading(shown), _opened(tree, path) as stream:
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


def _opened(tree: Beneath, path: str) -> BinaryIO:
    descriptor = tree.open_file(path)
    try:
        return open(descriptor, "rb")
    except OSError:  # it is a directory
        os.close(descriptor)
        raise


def text_content(text: str, hashing: Hashing) -> ContentId:
    """The content id of a symlink with this target."""
    return hashing.content(text.encode("utf-8", "surrogateescape"))


def observe(tree: Beneath, found: Found, hashing: Hashing) -> TreeEntry:
    """The entry that an upload would make of `found`, its bytes hashed but not kept (so without a recipe)."""
    content, size_bytes = NO_CONTENT, 0
    if found.kind == "file":
        content, status = read_stable(tree, found.path, hashing.stream)
        size_bytes = status.st_size
    elif found.target is not None:
        content = text_content(found.target, hashing)
    return entry_of(found, content, size_bytes)


def entry_of(found: Found, content: ContentId, size_bytes: int) -> TreeEntry:
    """An entry with the path, mode and time of `found`."""
    kind = "file" if found.kind == "special" else found.kind
    return TreeEntry(
        found.path, kind, size_bytes, content, found.target, None, found.executable, found.mode, found.mtime_ns
    )


def _list_directory(tree: Beneath, directory: str) -> dict[str, Row]:
    here: dict[str, Row] = {}
    with reading(tree.shown(directory)), os.scandir(tree.directory(directory)) as listed:
        for one in listed:
            try:
                status = one.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # it went away since it was listed
            here[one.name] = (  # `row_of` written out: its call would be a tenth of the whole
                status.st_mode,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_ino,
                status.st_dev,
            )
    return here


def _all_found(tree: Beneath, listings: Mapping[str, Listing]) -> Iterator[Found]:
    for directory, here in listings.items():
        lead = f"{directory}/" if directory else ""
        for name, row in here.items():
            yield found_at(tree, lead + name, row)


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


def _with_rules_of(tree: Beneath, lead: str, here: Listing, rules: _Rules) -> _Rules:
    if IGNORE_FILE not in here or not stat.S_ISREG(here[IGNORE_FILE][0]):
        return rules
    path = lead + IGNORE_FILE
    text, _ = read_stable(tree, path, lambda stream, _: stream.read().decode("utf-8", "surrogateescape"))
    return (*rules, (lead, _compile(text, tree.shown(path))))


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


def _is_ignored(path: str, row: Row, rules: _Rules) -> bool:
    """What the innermost ignore file says that says something."""
    asked = f"{path}/" if is_directory(row) else path
    for base, verdict in reversed(rules):
        ignored = verdict(asked[len(base) :])
        if ignored is not None:
            return ignored
    return False
