"""Export: the runs of a store as lines of JSON, one for each run."""

from collections.abc import Iterator
from dataclasses import dataclass

from datamon.errors import NotFound
from datamon.lineage.bulk.documents import document_of
from datamon.lineage.bulk.shelf import Shelf
from datamon.store import layout
from datamon.store.codec import Record, decode, encode
from datamon.store.ids import RunId
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

_REMEMBERED = 64
"""So many environments are in memory: most runs share a few."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs: these (None: all), of them those that began at `since_ns` or later."""

    runs: frozenset[RunId] | None = None
    since_ns: int | None = None

    def wants(self, run: RunId) -> bool:
        """Whether it may be among them, by its id alone."""
        return self.runs is None or run in self.runs


def export_runs(store: Store, selection: Selection, *, progress: Progress = SILENT) -> Iterator[bytes]:
    """A line for each of these runs as the journal tells of it now, in the order of their ids, whatever that of the journal is.
    A batch of the journal is in memory, the rest on disk.

    Raises Unavailable, Denied, Corrupt.
    """
    environments = _Environments(store)
    with Shelf() as shelf:
        shelf.fill(store, {}, wanted=selection.wants)
        progress.begin("export runs", None, None)
        for run in shelf.runs():
            if selection.since_ns is None or run.opened.started_ns >= selection.since_ns:
                line = encode(document_of(run, environments.of(run.opened.environment))) + b"\n"
                yield line
                progress.advance(1, len(line))
        progress.end()


class _Environments:
    """The records of environments, of which the last used are remembered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._remembered: dict[str, Record | None] = {}

    def of(self, digest: str | None) -> Record | None:
        """The record of this hash; None when it is gone from the store."""
        if digest is None:
            return None
        if digest not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[digest] = self._read(digest)
        return self._remembered[digest]

    def _read(self, digest: str) -> Record | None:
        key = layout.environment(digest)
        try:
            return decode(self._store.metadata.get(key), f"{self._store.metadata.url}/{key}")
        except NotFound:
            return None
