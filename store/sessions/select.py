"""Which part of a directory a split holds: files that were listed, files whose paths a pattern finds, files that can be read."""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from datamon.errors import NotFound
from datamon.store.beneath import Beneath
from datamon.store.entries import clean_path
from datamon.store.name_filter import check_filter
from datamon.store.walk import Listing


@dataclass(frozen=True, slots=True)
class Choice:
    """With `files` only these paths (and all below them), with `pattern` only files in whose paths it finds something; with
    `skip_unreadable` files that cannot be kept, or are not there, are left out, and `skipped` is told of each."""

    files: tuple[str, ...] | None = None
    pattern: str = ""
    skip_unreadable: bool = False
    skipped: Callable[[str], None] = lambda _: None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.files is None and not self.pattern and not self.skip_unreadable

    def select(self, tree: Beneath, listings: Mapping[str, Listing]) -> Mapping[str, Listing]:
        """The listings of what is chosen, with the directories above it.

        Raises NotFound (`path-not-found`) for a listed file that is not there and may not be skipped, Invalid (`bad-argument`,
        `bad-path`).
        """
        rows = {_joined(lead, name): row for lead, here in listings.items() for name, row in here.items()}
        chosen = self._listed(set(rows))
        if self.pattern:
            finds = check_filter(self.pattern).search
            chosen = {path for path in chosen if not stat.S_ISDIR(rows[path][0]) and finds(path)}
        if self.skip_unreadable:
            chosen -= {path for path in chosen if self._is_skipped(tree, path, rows[path][0])}
        kept = {above for path in chosen for above in _upward(path)}
        return {
            lead: {name: row for name, row in here.items() if _joined(lead, name) in kept}
            for lead, here in listings.items()
            if not lead or lead in kept
        }

    def _listed(self, paths: set[str]) -> set[str]:
        if self.files is None:
            return paths
        wanted = {clean_path(line) for line in self.files}
        missing = wanted - paths
        if self.skip_unreadable:
            for path in sorted(missing):
                self.skipped(path)
        elif missing:
            path = min(missing)
            raise NotFound("path-not-found", f"{path!r} is listed and is not there; correct the list", path=path)
        return {path for path in paths if wanted.intersection(_upward(path))}

    def _is_skipped(self, tree: Beneath, path: str, mode: int) -> bool:
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and _can_be_read(tree, path)):
            return False
        self.skipped(path)
        return True


def _can_be_read(tree: Beneath, path: str) -> bool:
    try:
        above, name = tree.parent(path)
        os.close(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above))
    except OSError:
        return False
    return True


def _joined(lead: str, name: str) -> str:
    return f"{lead}/{name}" if lead else name


def _upward(path: str) -> list[str]:
    """The path and those of the directories above it."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
