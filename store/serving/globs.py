"""Globs over a served tree: what fits is found without reading what cannot."""

import fnmatch
import re
from collections.abc import Iterator, Sequence

from datamon.store.entries import TreeEntry, clean_path
from datamon.store.serving.served_tree import ServedTree

_MAGIC = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"


def is_glob(text: str) -> bool:
    """Whether a path has characters that stand for others."""
    return _MAGIC.search(text) is not None


def globbed(tree: ServedTree, pattern: str) -> Iterator[TreeEntry]:
    """What fits the pattern, nothing twice: `*`, `?` and `[…]` within a name, `**` for any number of directories. A path that is
    there just as it is written fits itself alone. Symlinks are not followed. Raises as `ServedTree.entry`, and Invalid
    (`bad-path`)."""
    path = clean_path(pattern)
    exact = tree.peek(path)
    if exact is not None:
        yield exact
        return
    if not is_glob(path):
        return
    seen: set[str] = set()
    for entry in _below(tree, "", path.split("/")):
        if entry.path not in seen:
            seen.add(entry.path)
            yield entry


def _below(tree: ServedTree, directory: str, parts: Sequence[str]) -> Iterator[TreeEntry]:
    """What fits the parts of a pattern, from a directory on."""
    part, rest = parts[0], parts[1:]
    if part == _ANY_DEPTH:
        if rest:
            yield from _below(tree, directory, rest)
        tree.note_listed(directory)
        for entry in tree.children(directory):
            if not rest:
                yield entry
            if entry.kind == "dir":
                yield from _below(tree, entry.path, parts)
        return
    for entry in _fitting(tree, directory, part):
        if not rest:
            yield entry
        elif entry.kind == "dir":
            yield from _below(tree, entry.path, rest)


def _fitting(tree: ServedTree, directory: str, part: str) -> Iterator[TreeEntry]:
    if not is_glob(part):
        found = tree.peek(f"{directory}/{part}" if directory else part)
        return iter(() if found is None else (found,))
    tree.note_listed(directory)
    fits = re.compile(fnmatch.translate(part)).match
    return (entry for entry in tree.children(directory) if fits(entry.path.rpartition("/")[2]))
