"""What must be done to a directory so that it holds a tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datamon.store.edits import Inspection
from datamon.store.entries import TreeEntry, as_file, same_content
from datamon.store.walk import Found


@dataclass(frozen=True, slots=True)
class Work:
    """Files and directories that go, entries to be made, entries whose mode or time alone differs, and every directory of the
    tree, with the directories that are there already."""

    files_gone: Sequence[str]
    directories_gone: Sequence[str]
    made: Sequence[TreeEntry]
    restated: Sequence[TreeEntry]
    directories: Sequence[TreeEntry]
    standing: frozenset[str]

    @property
    def is_nothing(self) -> bool:
        """Whether the directory is as it should be."""
        return not (self.files_gone or self.directories_gone or self.made or self.restated)

    def entered(self) -> list[str]:
        """The standing directories in which something is made or removed, outermost first."""
        paths = (*self.files_gone, *self.directories_gone, *(entry.path for entry in self.made))
        above = {path.rpartition("/")[0] for path in paths}
        return sorted(path for path in above if path in self.standing)


def work_to_do(inspection: Inspection, entries: Sequence[TreeEntry], kept: frozenset[str] = frozenset()) -> Work:
    """What brings the directory to the entries. Edits go, but the paths `kept` stay, none of which is in the way."""
    wanted = {entry.path: entry for entry in entries}
    found = {one.path: one for one in inspection.found}
    staying = kept | {above for path in kept for above in _above(path)}
    directories_gone = [
        p for p, one in found.items() if one.kind == "dir" and not _is_directory(wanted.get(p)) and p not in staying
    ]
    files_gone = [
        p
        for p, one in found.items()
        if one.kind != "dir" and p not in kept and (p not in wanted or _is_directory(wanted[p]))
    ]
    made, restated = _to_be_made(inspection, found, entries)
    return Work(
        files_gone=files_gone,
        directories_gone=directories_gone,
        made=made,
        restated=restated,
        directories=[entry for entry in entries if entry.kind == "dir"],
        standing=frozenset(p for p, one in found.items() if one.kind == "dir"),
    )


def additions_kept(inspection: Inspection, entries: Sequence[TreeEntry]) -> frozenset[str]:
    """What people added and the entries leave room for: no entry has its path, and none above it is anything but a directory."""
    kinds = {entry.path: entry.kind for entry in entries}
    return frozenset(
        path
        for path in inspection.added
        if path not in kinds and all(kinds.get(above, "dir") == "dir" for above in _above(path))
    )


def _to_be_made(
    inspection: Inspection, found: Mapping[str, Found], entries: Sequence[TreeEntry]
) -> tuple[list[TreeEntry], list[TreeEntry]]:
    """The entries to be made, and those of which only mode or time differ."""
    made, restated = [], []
    for entry in entries:
        held = inspection.held.get(entry.path)
        if held is None or not same_content(held, as_file(entry)):
            made.append(entry)
        elif _status_differs(found[entry.path], entry):
            restated.append(entry)
    return made, restated


def _above(path: str) -> list[str]:
    """The directories above `path`, without the top.

    >>> _above("a/b/c")
    ['a/b', 'a']
    """
    found = []
    while path := path.rpartition("/")[0]:
        found.append(path)
    return found


def _is_directory(entry: TreeEntry | None) -> bool:
    return entry is not None and entry.kind == "dir"


def _status_differs(found: Found, entry: TreeEntry) -> bool:
    if found.kind == "symlink":
        return found.mtime_ns != entry.mtime_ns
    return (found.mode, found.mtime_ns) != (entry.mode, entry.mtime_ns)
