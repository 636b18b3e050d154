"""Edits: what lies in a directory otherwise than datamon put it there, by content."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from datamon.errors import Corrupt
from datamon.store.beneath import Beneath
from datamon.store.entries import NO_CONTENT, TreeEntry, as_file, printable
from datamon.store.file_times import GUARD_NS, mapped_inodes, trusted_time_ns
from datamon.store.hashing import Hashing
from datamon.store.ids import ContentId
from datamon.store.manifest import part_entries, read_manifest
from datamon.store.name_filter import matching
from datamon.store.opening import Store
from datamon.store.tree_writer import unfinished_name
from datamon.store.walk import Found, entry_of, list_tree, read_stable, scan
from datamon.store.worktree import Source, Worktree


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a directory holds: every path with its status, by path what it was recognised as, what was left by a writer that did
    not finish, and the paths that are edits (edited, added, deleted), sorted and printable. `added` are those that datamon never
    put there, as they are. `is_sure` is false when a tree that was put there is not in the store any more: then all is an edit
    whose times do not prove that nobody touched it."""

    found: tuple[Found, ...]
    held: Mapping[str, TreeEntry]
    unfinished: tuple[str, ...]
    edits: tuple[str, ...]
    added: frozenset[str]
    is_sure: bool = True


def inspect(store: Store, tree: Beneath, note: Worktree, target: Source | None = None) -> Inspection:
    """The directory compared with its note. Files are hashed, save those whose times prove that they are as they were.

    Where something was begun and not finished, a path may be as in any of the trees noted, and may be absent. What is as in
    `target`, which is about to be put there, is no edit either. Raises Denied (`unreadable`), Invalid (`file-changed`), Corrupt.
    """
    found = scan(tree, ignoring=False)
    noted, is_sure = _noted_trees(store, note)
    trees = noted if target is None else [*noted, _by_path(source_entries(store, target))]
    untouched = _untouched(tree, note, found)
    seen = _Seen(tree, untouched, store.hashing)
    ours = {unfinished_name(token) for token in note.tokens}
    held: dict[str, TreeEntry] = {}
    unfinished, edits, added = [], [], []
    for one in found:
        candidates = [entries[one.path] for entries in trees if one.path in entries]
        match = next((entry for entry in candidates if seen.is_as(one, entry)), None)
        if match is not None:
            held[one.path] = match
        elif one.path.rpartition("/")[2] in ours and one.kind in ("file", "symlink"):
            unfinished.append(one.path)
        elif not is_sure and one.path in untouched:
            held[one.path] = entry_of(one, NO_CONTENT, one.size_bytes)  # whatever it was, it is as it was put there
        else:
            edits.append(printable(one.path))
            if not any(one.path in entries for entries in noted):
                added.append(one.path)
    if not note.partial:
        present = {one.path for one in found}
        edits += (path for entries in noted for path in entries if path not in present)
    return Inspection(tuple(found), held, tuple(unfinished), tuple(sorted(set(edits))), frozenset(added), is_sure)


def known_from_ns(tree: Beneath) -> int:
    """The time from which what is looked at now may later stand for itself by its times (see `file_times`); 0 when nothing may,
    as where a process has a file of the directory mapped for writing."""
    now_ns = trusted_time_ns(tree)
    mapped = mapped_inodes() if now_ns else frozenset()
    if mapped and any(row[4] in mapped for rows in list_tree(tree, ignoring=False).values() for row in rows.values()):
        return 0
    return now_ns


def noted_paths(store: Store, note: Worktree) -> list[str]:
    """Every path that the note says could be in the directory, as far as the store still has what was put there, sorted."""
    noted, _ = _noted_trees(store, note)
    return sorted({path for entries in noted for path in entries})


def source_entries(store: Store, source: Source) -> Iterable[TreeEntry]:
    """The entries of a tree that was put somewhere, as they stand there. Raises Corrupt, NotFound (`path-not-found`)."""
    entries = part_entries(store.metadata, read_manifest(store.metadata, source.manifest), source.part)
    return map(as_file, matching(entries, source.pattern))


class _Seen:
    """The files of one look at a directory, each hashed at most once and only when its hash can matter."""

    def __init__(self, tree: Beneath, untouched: frozenset[str], hashing: Hashing) -> None:
        self._hashing = hashing
        self._tree = tree
        self._untouched = untouched
        self._content: tuple[str, ContentId] = ("", NO_CONTENT)

    def is_as(self, one: Found, entry: TreeEntry) -> bool:
        """Whether what was found has the kind, the execute bit and the content of the entry."""
        if (one.kind, one.target, one.executable) != (entry.kind, entry.target, entry.executable):
            return False
        if one.kind != "file":
            return True
        if one.size_bytes != entry.size_bytes:
            return False
        if one.path in self._untouched and one.mtime_ns == entry.mtime_ns:
            return True
        if self._content[0] != one.path:
            content, _ = read_stable(self._tree, one.path, self._hashing.stream)
            self._content = (one.path, content)
        return self._content[1] == entry.content


def _noted_trees(store: Store, note: Worktree) -> tuple[list[dict[str, TreeEntry]], bool]:
    """The trees that were put there, and whether that is all: a bundle may have been deleted since, and collected."""
    trees, is_sure = [_by_path(note.extras)], True
    for source in filter(None, (note.done, *note.begun)):
        try:
            trees.append(_by_path(source_entries(store, source)))
        except Corrupt as error:
            if error.code != "missing-bytes":
                raise
            is_sure = False
    return trees, is_sure


def _by_path(entries: Iterable[TreeEntry]) -> dict[str, TreeEntry]:
    return {entry.path: entry for entry in entries}


def _untouched(tree: Beneath, note: Worktree, found: Iterable[Found]) -> frozenset[str]:
    """The paths that nobody can have touched since the directory was last known to hold `note.done`.

    A write or a rename sets the change time of the file, a rename of a directory above it that directory's, and a directory
    put in the place of the top has another inode.
    """
    top = tree.status("")
    if note.partial or not note.hashed_ns or (top.st_dev, top.st_ino) != (note.device, note.inode):
        return frozenset()
    limit_ns = note.hashed_ns - GUARD_NS
    still = {""}
    for one in found:
        times = (one.ctime_ns,) if one.kind == "dir" else (one.ctime_ns, one.mtime_ns)
        if one.path.rpartition("/")[0] in still and max(times) <= limit_ns:
            still.add(one.path)
    return frozenset(still)
