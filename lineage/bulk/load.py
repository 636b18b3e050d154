"""Import: lines of JSON become runs of a store."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Self

from datamon.errors import Conflict, DatamonError, Invalid
from datamon.lineage.bulk.documents import bad_document, digest_of, environment_in, events_of, read_document, run_in
from datamon.lineage.bulk.shelf import Shelf
from datamon.store import layout
from datamon.store.backend import has_durably
from datamon.store.codec import Record
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

_BATCH = 5_000
"""So many runs are put into the journal at once, and in memory."""
_LONGEST_LINE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line, counted from 1, that was not taken in, and why."""

    line: int
    error: DatamonError

    @property
    def message(self) -> str:
        """One sentence for a person."""
        return f"line {self.line:,}: {self.error.message}"


@dataclass(slots=True)
class Imported:
    """How many runs were added, were there already, had not ended when they were exported (and are left out), and how many
    lines were refused: because they hold no run, or because another run of this id is here."""

    added: int = 0
    known: int = 0
    unfinished: int = 0
    bad: int = 0
    differing: int = 0


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of refused lines, and of how far the work is."""

    refused: Callable[[Refusal], None] = lambda _: None
    progress: Progress = SILENT


def import_runs(store: Store, lines: Iterable[bytes], listener: Listener | None = None) -> Imported:
    """Every line that holds a run is a run of this store, durable, when this returns, marked as imported; those that were here
    already are not added again, and the order of the lines does not matter. Lines that are refused are told to the listener, and
    the others count. Stopped in the middle, it can be done again. Bundles that are named and not in this store stay named.

    Raises Unavailable, Denied, Corrupt.
    """
    given = listener or Listener()
    with _Import(store, given) as work:
        given.progress.begin("import runs", None, None)
        numbered = enumerate(lines, 1)
        while batch := list(islice(numbered, _BATCH)):
            work.take(batch)
        given.progress.end()
        return work.imported


def check_lines(store: Store, lines: Iterable[bytes]) -> None:
    """Returns when no line would be refused; nothing is written. Raises Invalid (`bad-run-record`), Conflict (`run-exists`) for
    the first line that would, which they name."""

    def refuse(refusal: Refusal) -> None:
        raise type(refusal.error)(refusal.error.code, refusal.message, line=refusal.line)

    with _Import(store, Listener(refuse), dry=True) as work:
        numbered = enumerate(lines, 1)
        while batch := list(islice(numbered, _BATCH)):
            work.take(batch)


def read_lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, none longer than 64 MiB: of a longer one only its beginning comes, which is no JSON."""
    while line := source.readline(_LONGEST_LINE):
        yield line
        while not line.endswith(b"\n") and len(line) == _LONGEST_LINE:
            line = source.readline(_LONGEST_LINE)


class _Import:
    """One import under way, which knows by digest every run that is here."""

    def __init__(self, store: Store, listener: Listener, *, dry: bool = False) -> None:
        self._store = store
        self._listener = listener
        self._dry = dry
        self._shelf = Shelf()
        self._environments: set[str] = set()
        self.imported = Imported()

    def __enter__(self) -> Self:
        self._shelf.fill(self._store, {})
        self._shelf.digest()
        return self

    def __exit__(self, *_: object) -> None:
        self._shelf.__exit__(None, None, None)

    def take(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """These lines are taken in."""
        fresh: list[tuple[bytes, Record]] = []
        for number, line in lines:
            if line.strip():
                try:
                    fresh += self._judged(line)
                except (Invalid, Conflict) as error:
                    self.imported.bad += isinstance(error, Invalid)
                    self.imported.differing += isinstance(error, Conflict)
                    self._listener.refused(Refusal(number, error))
        if not self._dry:
            self._put_environments(document for _, document in fresh)
            self._store.journal.append_many(
                [event for digest, document in fresh for event in events_of(document, digest)]
            )
        self.imported.added += len(fresh)
        self._listener.progress.advance(len(lines), sum(len(line) for _, line in lines))

    def _judged(self, line: bytes) -> Iterator[tuple[bytes, Record]]:
        """The run in a line and its digest, if it is to be added. Raises Invalid, Conflict."""
        if len(line) >= _LONGEST_LINE:
            raise bad_document(f"it is longer than {_LONGEST_LINE:,} bytes")
        document = read_document(line)
        run = run_in(document)
        digest = digest_of(run)
        known = self._shelf.known(run.id)
        if known == digest:
            self.imported.known += 1
        elif known is not None:
            message = (
                f"the run {run.id} is here and another than this line tells of; look at `datamon run show {run.id}`"
            )
            raise Conflict("run-exists", message, run=run.id)
        elif run.status == "running":
            self.imported.unfinished += 1
        else:
            self._shelf.know([(run.id, digest)])
            yield digest, document

    def _put_environments(self, documents: Iterable[Record]) -> None:
        for document in documents:
            held = environment_in(document)
            if held is not None and held[0] not in self._environments:
                digest, content = held
                key = layout.environment(digest)
                if not has_durably(self._store.metadata, key):
                    self._store.metadata.put(key, content)
                self._environments.add(digest)
