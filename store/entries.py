"""The entries of a tree, and which of them can form one: the rule that keeps a manifest inside its destination."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Literal, Protocol, TypeVar

from datamon.errors import Invalid
from datamon.store.ids import ContentId

Kind = Literal["file", "dir", "symlink", "external"]

NO_CONTENT = ContentId("0" * 64)
"""The content id of a directory."""
PERMISSION_BITS = 0o7777
_UNSAFE_PARTS = ("//", "/./", "/../")


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One path of a tree. `content` is that of docs/format.md ("Manifests"), `mode` the 12 permission bits, `executable` the
    owner's execute bit of a file; `target` is a symlink's target or an external entry's canonical JSON; `recipe` is None for
    no or one chunk."""

    path: str
    kind: Kind
    size_bytes: int
    content: ContentId
    target: str | None
    recipe: bytes | None
    executable: bool
    mode: int
    mtime_ns: int


class Placed(Protocol):
    """What has a path in a tree."""

    @property
    def path(self) -> str:
        """Relative, `/` between parts."""


class Holding(Placed, Protocol):
    """What a path holds, with the words of TreeEntry."""

    @property
    def kind(self) -> Kind: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def content(self) -> ContentId: ...
    @property
    def target(self) -> str | None: ...
    @property
    def executable(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """What an entry holds: all of it but its recipe, mode and time."""

    path: str
    kind: Kind
    size_bytes: int
    content: ContentId
    target: str | None
    executable: bool


Old = TypeVar("Old", bound=Placed)
New = TypeVar("New", bound=Placed)


def same_content(one: Holding, other: Holding) -> bool:
    """Whether both hold the same: kind, bytes, target and execute bit, whatever their modes and times."""
    return (one.kind, one.content, one.target, one.executable) == (
        other.kind,
        other.content,
        other.target,
        other.executable,
    )


def as_file(entry: TreeEntry) -> TreeEntry:
    """The entry as it stands in a directory: what an external entry names is a file there."""
    return replace(entry, kind="file", target=None) if entry.kind == "external" else entry


def paired(olds: Iterable[Old], news: Iterable[New]) -> Iterator[tuple[Old | None, New | None]]:
    """Both sequences, each sorted by path, side by side: what has one path comes together, the rest with None."""
    new_ones = iter(news)
    new = next(new_ones, None)
    for old in olds:
        while new is not None and new.path < old.path:
            yield None, new
            new = next(new_ones, None)
        if new is not None and new.path == old.path:
            yield old, new
            new = next(new_ones, None)
        else:
            yield old, None
    while new is not None:
        yield None, new
        new = next(new_ones, None)


def check_paths(paths: Sequence[str], after: str = "") -> None:
    """Every path is relative, has no empty part, `.`, `..` or NUL, and is greater than the one before it (the first: than
    `after`). Raises Invalid (`unsafe-path`) otherwise."""
    if not paths:
        return
    # One search through all of them: between slashes an unsafe part of any path shows as itself.
    joined = "/" + "/\0/".join(paths) + "/"
    if joined.count("\0") != len(paths) - 1 or any(part in joined for part in _UNSAFE_PARTS):
        raise _unsafe(next(filter(_leaves, paths)), "could be written outside the destination")
    if paths[0] <= after or not all(map(operator.lt, paths, islice(paths, 1, None))):
        ordered = (after, *paths)
        fault = next(path for before, path in pairwise(ordered) if path <= before)
        raise _unsafe(fault, "is out of order or there twice")


def _leaves(path: str) -> bool:
    return "\0" in path or any(part in f"/{path}/" for part in _UNSAFE_PARTS)


def check_directories(paths: Sequence[str], kinds: Sequence[str]) -> None:
    """What lies directly above each path is a directory among them, or the top. Raises Invalid (`unsafe-path`) for the first
    that would be written below something that is no directory."""
    directories = {path for path, kind in zip(paths, kinds, strict=True) if kind == "dir"}
    directories.add("")
    if {path.rpartition("/")[0] for path in paths} <= directories:
        return
    raise _homeless(next(path for path in paths if path.rpartition("/")[0] not in directories))


def checked_tree(entries: Iterable[TreeEntry]) -> Iterator[TreeEntry]:
    """The same entries, once each is known to come after its directory, which is one. They must be in the order of their paths.
    Raises Invalid (`unsafe-path`) at the first that would be written below something that is no directory."""
    directories = {""}
    for entry in entries:
        if entry.path.rpartition("/")[0] not in directories:
            raise _homeless(entry.path)
        if entry.kind == "dir":
            directories.add(entry.path)
        yield entry


def _homeless(path: str) -> Invalid:
    return _unsafe(path, f"lies below {path.rpartition('/')[0]!r}, which is no directory of this tree")


def _unsafe(path: str, fault: str) -> Invalid:
    return Invalid(
        "unsafe-path",
        f"the entry {path!r} {fault}; nothing was written: upload the tree again from its source",
        path=path,
    )


def clean_path(text: str) -> str:
    """`text` as entries are named: without `./` in front and `/` behind; `""` is the whole tree.
    Raises Invalid (`bad-path`) when it leaves the tree.

    >>> clean_path("./raw/"), clean_path(".")
    ('raw', '')
    """
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or ".." in parts or "\0" in text:
        raise Invalid(
            "bad-path", f"{text!r} is no path inside a bundle; name it from its top, like 'a/b.csv'", path=text
        )
    return "/".join(parts)


def printable(path: str) -> str:
    """`path` with bytes that are not UTF-8 written as `\\xff`.

    >>> printable("a\\udcff")
    'a\\\\xff'
    """
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_at_or_below(path: str, part: str) -> bool:
    """Whether `path` is `part` or lies below it; everything lies below `""`.

    >>> is_at_or_below("a/b", "a"), is_at_or_below("a-b", "a")
    (True, False)
    """
    return not part or path == part or path.startswith(part + "/")
