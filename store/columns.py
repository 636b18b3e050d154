"""A tree as columns: one list for each field of its entries, which costs a tenth of an entry for each path."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import islice

from datamon.store.entries import Kind, TreeEntry, check_directories, check_paths


@dataclass(slots=True)
class TreeColumns:
    """The entries of a tree: row *n* of every list is one entry, with the fields of TreeEntry, but that `content` holds 32 bytes
    a row. Whoever has many entries adds to the lists themselves; all must be of one length when they are read."""

    path: list[str] = field(default_factory=list)
    kind: list[Kind] = field(default_factory=list)
    executable: list[bool] = field(default_factory=list)
    size_bytes: list[int] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    target: list[str | None] = field(default_factory=list)
    recipe: list[bytes | None] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    mtime_ns: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.path)

    @staticmethod
    def of(entries: Iterable[TreeEntry]) -> "TreeColumns":
        """These entries, in their order."""
        columns = TreeColumns()
        for entry in entries:
            columns.append(entry)
        return columns

    def append(self, entry: TreeEntry) -> None:
        """One row more."""
        self.path.append(entry.path)
        self.kind.append(entry.kind)
        self.executable.append(entry.executable)
        self.size_bytes.append(entry.size_bytes)
        self.content.append(bytes.fromhex(entry.content))
        self.target.append(entry.target)
        self.recipe.append(entry.recipe)
        self.mode.append(entry.mode)
        self.mtime_ns.append(entry.mtime_ns)

    def as_tree(self) -> "TreeColumns":
        """The same rows in the order of their paths, once they are known to form a tree; itself when they are in order.

        Raises Invalid (`unsafe-path`): a path that leaves the tree or is there twice, or one whose directory is no entry.
        """
        ordered = self._ordered()
        check_paths(ordered.path)
        check_directories(ordered.path, ordered.kind)
        return ordered

    def _ordered(self) -> "TreeColumns":
        if all(map(operator.lt, self.path, islice(self.path, 1, None))):
            return self
        order = sorted(range(len(self)), key=self.path.__getitem__)
        lists = {each.name: getattr(self, each.name) for each in fields(self)}
        return TreeColumns(**{name: [values[row] for row in order] for name, values in lists.items()})
