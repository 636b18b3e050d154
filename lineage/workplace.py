"""The temporary directories of runs that this process records; a later command removes them when this one was killed."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from datamon.lineage.capture.host import capture_host, presence
from datamon.lineage.endpoints import Source
from datamon.lineage.records import Host
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

_FOLDER = "work"
_OWNER = re.compile(r"(?P<pid>\d+)-(?P<started>\d+)-")


class Workplace:
    """A directory with one directory for each input and output. As a context it removes them all at its end."""

    def __init__(self, store: Store, host: Host) -> None:
        self._host = host
        self._made: Path | None = None
        # Notes on directories that will be gone with this process are kept in its memory only.
        self._store = replace(store, state_dir=None)
        self._original = store
        self._count = 0
        self._process = os.getpid()

    @property
    def _top(self) -> Path:
        """The directory, made when it is first needed: a run without inputs and outputs needs none."""
        if self._made is None:
            self._made = new_place(self._original, self._host)
        return self._made

    def directory(self, name: str) -> Path:
        """A new, empty directory that is called something like `name`."""
        self._count += 1
        place = self._top / f"{self._count}-{name}"
        place.mkdir()
        return place

    def fill(self, source: Source, progress: Progress = SILENT) -> None:
        """The input stands in its directory."""
        from datamon.store.checkout import checkout  # brings pyarrow, which a run without inputs does not need

        checkout(self._sharing_chunks(), source.bundle, source.directory, path=source.record.path, progress=progress)

    def changed(self, source: Source) -> list[str]:
        """The paths of the input that are not as `fill` left them."""
        from datamon.store.checkout import changed_paths

        return changed_paths(self._store, source.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made is not None and os.getpid() == self._process:  # one that was forked off has no right to it
            remove_tree(self._made)

    def _sharing_chunks(self) -> Store:
        vars(self._store)["chunks"] = self._original.chunks  # its cached property, so that the index is read once
        return self._store


@contextmanager
def scratch(store: Store) -> Iterator[Path]:
    """A directory that is gone afterwards, for this process alone."""
    process, place = os.getpid(), new_place(store, capture_host())
    try:
        yield place
    finally:
        if os.getpid() == process:  # as above
            remove_tree(place)


def new_place(store: Store, host: Host) -> Path:
    """An empty directory whose name says to whom it belongs."""
    above = store.state_dir / _FOLDER if store.state_dir else None
    if above:
        above.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{host.pid}-{host.pid_started}-", dir=above)).resolve()


def remove_tree(top: Path) -> None:
    """Nothing is at `top` afterwards, whatever modes its directories were given, unless the file system refuses."""
    for directory, _, _ in os.walk(top):
        with suppress(FileNotFoundError):  # a process that a command left behind may be at work there
            os.chmod(directory, 0o700)  # noqa: PTH101
    shutil.rmtree(top, ignore_errors=True)


def holds_nothing(directory: Path) -> bool:
    """Whether the directory is empty or gone."""
    try:
        return next(directory.iterdir(), None) is None
    except FileNotFoundError:
        return True
    except OSError:  # no directory, or one that may not be read: an upload says which
        return False


def sweep(store: Store, host: Host) -> None:
    """The temporary directories that processes of this host left behind when they were killed are removed."""
    for place in _left(store):
        owner = _OWNER.match(place.name)
        if owner is None:
            continue
        process = replace(host, pid=int(owner["pid"]), pid_started=int(owner["started"]))
        if presence(process, host) == "gone":
            remove_tree(place)


def _left(store: Store) -> Iterator[Path]:
    folder = store.state_dir / _FOLDER if store.state_dir else None
    if folder is not None and folder.is_dir():
        yield from sorted(folder.iterdir())
