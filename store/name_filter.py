"""Name filters: the part of a tree whose files have paths that a regular expression finds."""

import re
from collections.abc import Iterable

from datamon.errors import Invalid
from datamon.store.entries import TreeEntry


def check_filter(pattern: str) -> re.Pattern[str]:
    """The regular expression `pattern`. Raises Invalid (`bad-argument`) when it is none."""
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        message = f"{pattern!r} is no regular expression ({error}); write one like '\\.csv$'"
        raise Invalid("bad-argument", message, pattern=pattern) from error


def matching(entries: Iterable[TreeEntry], pattern: str) -> Iterable[TreeEntry]:
    """The entries in whose paths the regular expression `pattern` finds something, and the directories above them; directories
    alone do not match. With `""` all entries. Raises Invalid (`bad-argument`)."""
    if not pattern:
        return entries
    finds = check_filter(pattern).search
    every = list(entries)
    kept = {entry.path for entry in every if entry.kind != "dir" and finds(entry.path)}
    for path in list(kept):
        while (path := path.rpartition("/")[0]) and path not in kept:
            kept.add(path)
    return [entry for entry in every if entry.path in kept]
