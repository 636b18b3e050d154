"""Merge: the trees of several splits as one tree, with what becomes of each path that they hold differently."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

from datamon.store.entries import NO_CONTENT, TreeEntry, same_content
from datamon.store.sessions.joint import ConflictMode

CONFLICTS, CHECKPOINTS = ".conflicts", ".checkpoints"
RESERVED = (CONFLICTS, CHECKPOINTS)
"""Names at a tree's top that commits make; what splits hold there (copies of an earlier merge) takes no part."""

Tree = tuple[str, Iterable[TreeEntry]]
"""A split's name, and its entries in the order of their paths."""


@dataclass(slots=True)
class Merged:
    """The outcome of a merge: `lost` are the versions that another split's stands in place of, with their split's name, in the
    order of their paths; `left_out` counts entries at reserved names. Both are whole once all entries were taken."""

    lost: list[tuple[str, TreeEntry]] = field(default_factory=list)
    left_out: int = 0


def winners(trees: Sequence[Tree], merged: Merged) -> Iterator[TreeEntry]:
    """The entries that stand, in the order of their paths, of `trees` in the order of their completions.

    At each path the last tree's entry stands. Below a path where a tree's directory gave way to something else, that tree has
    nothing that stands; where its file gave way to a directory, the file does not. Equal content is no conflict, and neither are
    two directories. Never in memory: more than the trees' iterators hold, and what lost.
    """
    gone: list[set[str]] = [set() for _ in trees]
    ranked = [_ranked(place, entries) for place, (_, entries) in enumerate(trees)]
    for path, group in groupby(heapq.merge(*ranked, key=itemgetter(0, 1)), key=itemgetter(0)):
        if path.partition("/")[0] in RESERVED:
            merged.left_out += sum(1 for _ in group)
            continue
        standing: TreeEntry | None = None
        parent = path.rpartition("/")[0]
        for _, negative, entry in group:
            place = -negative
            if standing is None and parent not in gone[place]:
                standing = entry
            elif parent in gone[place] or standing is None or not _agree(standing, entry):
                merged.lost.append((trees[place][0], entry))
                if entry.kind == "dir":
                    gone[place].add(path)
        if standing is not None:
            yield standing


def _ranked(place: int, entries: Iterable[TreeEntry]) -> Iterator[tuple[str, int, TreeEntry]]:
    """The entries with what they are merged by: their paths, and of one path the last tree's first."""
    return ((entry.path, -place, entry) for entry in entries)


def _agree(one: TreeEntry, other: TreeEntry) -> bool:
    return (one.kind == "dir" and other.kind == "dir") or same_content(one, other)


def kept_aside(lost: Iterable[tuple[str, TreeEntry]], mode: ConflictMode) -> list[TreeEntry]:
    """The entries by which a commit in this mode keeps what lost: each at its path below `.conflicts/<split>/` or
    `.checkpoints/<split>/`, with the directories above it."""
    top = {"with-conflicts": CONFLICTS, "with-checkpoints": CHECKPOINTS}.get(mode)
    if top is None:
        return []
    kept: dict[str, TreeEntry] = {}
    for split, entry in lost:
        path = f"{top}/{split}/{entry.path}"
        kept[path] = replace(entry, path=path)
        while (path := path.rpartition("/")[0]) and path not in kept:
            kept[path] = _directory(path, entry.mtime_ns)
    return list(kept.values())


def _directory(path: str, mtime_ns: int) -> TreeEntry:
    return TreeEntry(path, "dir", 0, NO_CONTENT, None, None, False, 0o755, mtime_ns)
