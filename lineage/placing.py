"""How a command's inputs come to lie in their directories: as copies, or shown by mounts."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from datamon.errors import Unavailable
from datamon.lineage.endpoints import Source
from datamon.lineage.path_use import KEPT_PATHS
from datamon.lineage.records import InputRecord
from datamon.lineage.workplace import scratch
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

IsShown = Callable[[], bool]
ShowAt = Callable[[Source, Path], AbstractContextManager[IsShown]]
"""Shows an input in its directory as long as the block lasts, and writes what is read of it into a file: a line of JSON for
each, its kind (`read` or `absent`) and its path in the bundle. When somebody empties the file, all is written anew. It gives
what says whether it is still shown."""


class Placing(Protocol):
    """Puts inputs into their directories."""

    def fill(self, source: Source) -> None:
        """The input lies in its directory. Raises Conflict (`destination-not-empty`, `local-edits`, `already-mounted`), Denied,
        Unavailable, Corrupt."""

    def begin(self) -> None:
        """What is read from now on is read by the command."""

    def changed(self, source: Source) -> list[str]:
        """The paths of the input that the command changed."""

    def seen(self, source: Source, record: InputRecord) -> InputRecord:
        """The record with what is known to have been read of the input."""

    def check(self) -> None:
        """The inputs were there all the time. Raises Unavailable (`mount-failed`)."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Inputs as files of their own, which stay."""

    store: Store
    progress: Progress = SILENT

    def fill(self, source: Source) -> None:
        """See `Placing`."""
        from datamon.store.checkout import checkout  # brings pyarrow, which a run without inputs does not need

        checkout(self.store, source.bundle, source.directory, path=source.record.path, progress=self.progress)

    def begin(self) -> None:
        """See `Placing`. Nobody looks."""

    def changed(self, source: Source) -> list[str]:
        """See `Placing`."""
        from datamon.store.checkout import changed_paths  # as above

        return changed_paths(self.store, source.directory)

    def seen(self, source: Source, record: InputRecord) -> InputRecord:  # noqa: ARG002 (nobody looks)
        """See `Placing`."""
        return record

    def check(self) -> None:
        """See `Placing`. Files stay."""


class _Mounts:
    """Inputs as mounts, which cannot be changed, and tell exactly what is read of them."""

    def __init__(self, folder: Path, show: ShowAt, mounted: ExitStack) -> None:
        self._folder = folder
        self._show = show
        self._mounted = mounted
        self._told: dict[Path, Path] = {}
        self._shown: dict[Path, IsShown] = {}

    def fill(self, source: Source) -> None:
        """See `Placing`. Once is enough."""
        if source.directory in self._told:
            return
        told = self._folder / str(len(self._told))
        source.directory.mkdir(parents=True, exist_ok=True)
        self._shown[source.directory] = self._mounted.enter_context(self._show(source, told))
        self._told[source.directory] = told

    def begin(self) -> None:
        """See `Placing`. Recorders read scripts and parameters in their inputs too."""
        for told in self._told.values():
            told.write_bytes(b"")

    def changed(self, _source: Source) -> list[str]:
        """See `Placing`."""
        return []

    def seen(self, source: Source, record: InputRecord) -> InputRecord:
        """See `Placing`."""
        paths: dict[str, set[str]] = {"read": set(), "absent": set()}
        for kind, path in _lines(self._told[source.directory]):
            part = _within(path, record.path)
            if part is not None:
                paths[kind].add(part)
        if len(paths["read"]) > KEPT_PATHS:
            return record
        absent = tuple(sorted(paths["absent"]))[:KEPT_PATHS]
        return replace(record, read=tuple(sorted(paths["read"])), absent=absent)

    def check(self) -> None:
        """See `Placing`."""
        for directory, is_shown in self._shown.items():
            if not is_shown():
                raise Unavailable(
                    "mount-failed",
                    f"the mount at {directory} ended before the command did, which may have found no input there; its outputs "
                    "are not committed: record it again, or without --mount",
                )


@contextmanager
def placed(store: Store, show: ShowAt | None, progress: Progress) -> Iterator[Placing]:
    """What puts a command's inputs into their directories: by `show` when it is given, and then nothing is shown any more after
    the block."""
    if show is None:
        yield Copies(store, progress)
        return
    with scratch(store) as folder, ExitStack() as mounted:
        yield _Mounts(folder, show, mounted)


def _lines(told: Path) -> Iterator[tuple[str, str]]:
    for line in told.read_bytes().splitlines():
        kind, path = json.loads(line)
        yield kind, path


def _within(path: str, part: str) -> str | None:
    """The path as it is inside a part of the bundle; None when it is not. The part's own top is `/`.

    >>> _within("a/b", "a"), _within("a/", "a"), _within("ab", "a"), _within("/", "")
    ('b', '/', None, '/')
    """
    if not part:
        return path
    if path == f"{part}/":
        return "/"
    return path.removeprefix(f"{part}/") if path.startswith(f"{part}/") else None
