"""The journal, record by record, and whether it tells of every log entry there is."""

import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Appending, Backend
from datamon.store.check.findings import Finding, capped, damage, told_by
from datamon.store.check.journal_file import Line, read_journal_file
from datamon.store.check.journal_merges import last_number, missing_records, read_merged
from datamon.store.check.logs import Book, Ledger
from datamon.store.codec import Record, decode_sealed
from datamon.store.fetching import get_many
from datamon.store.ids import RepoId
from datamon.store.opening import Store

_RECORD = re.compile(r"journal/([0-9A-Za-z]{27})/([0-9]{20})")
_STRANDED = re.compile(r"stranded/[a-z0-9-]+/(?:repos/([0-9A-Za-z]{27})/)?log/([0-9]{20})\.[0-9A-Za-z]{27}")
_MOST_TOLD = 20
_ATTEMPTS = 5


@dataclass
class _Intents:
    """What the journal's intents say of one log: which of its entries they name, the highest number, and the ids that were meant
    for numbers where no entry can be read."""

    told: set[int] = field(default_factory=set)
    highest: int = 0
    meant: dict[int, set[str]] = field(default_factory=dict)
    passed: int = 0
    """The highest number behind which somebody of a mirrored store meant to write who did not know yet that he was passed
    over."""

    def take(self, book: Book, number: int, entry: str) -> None:
        if number > self.passed:
            self.highest = max(self.highest, number)
        there = book.entry_ids[number - 1] if 0 < number <= len(book.entry_ids) else None
        if there == entry:
            self.told.add(number)
        elif there is None:
            self.meant.setdefault(number, set()).add(entry)


Meant = dict[str, frozenset[str]]
"""The ids of the entries that were meant for a key of a log at which no entry can be read."""


def examine_journal(store: Store, ledger: Ledger) -> Generator[Finding, None, Meant]:
    """Every record is whole but those that a crash left torn, which are harmless; the objects of each writer have no gap; every
    entry of a log is told by an intent, and nothing was meant that is not there. In memory: one number for each log entry."""
    intents = {repo: _Intents(passed=number) for repo, number in _passed(store.metadata).items()}
    empty = Book(None, "")
    told = False
    for met in _records(store.metadata):
        if isinstance(met, Finding):
            yield met
            continue
        told = True
        if met.get("kind") == "intent":
            repo = RepoId(met["repo"]) if met["repo"] else None
            book = ledger.own if repo is None else ledger.repos.get(repo, empty)
            intents.setdefault(repo, _Intents()).take(book, met["number"], met["entry"])
    books: dict[RepoId | None, Book] = {None: ledger.own}
    books.update(ledger.repos.items())
    if not told and any(book.entry_ids for book in books.values()):
        yield _gone(store.metadata)
        return {}
    yield from capped(_untold(books, intents), _MOST_TOLD)
    for repo, said in intents.items():
        yield from _unsettled(store.metadata, repo, books.get(repo, empty), said)
    return {
        layout.log_entry(repo, number): frozenset(ids)
        for repo, said in intents.items()
        for number, ids in said.meant.items()
    }


def _passed(metadata: Backend) -> dict[RepoId | None, int]:
    """For each log the number that follows the last of its stranded entries."""
    passed: dict[RepoId | None, int] = {}
    for stored in metadata.list(layout.STRANDED):
        match = _STRANDED.fullmatch(stored.key)
        if match:
            repo = RepoId(match[1]) if match[1] else None
            passed[repo] = max(passed.get(repo, 0), int(match[2]) + 1)
    return passed


def _untold(books: dict[RepoId | None, Book], intents: dict[RepoId | None, _Intents]) -> Iterator[Finding]:
    for repo, book in books.items():
        told = intents[repo].told if repo in intents else set()
        for number, entry in enumerate(book.entry_ids, 1):
            if entry is not None and number not in told:
                key = layout.log_entry(repo, number)
                message = f"the journal has lost the intent of {key}; run `datamon repair`, which writes it again"
                yield Finding("intent-missing", "damage", message, key, book.name if repo else None)


def _unsettled(metadata: Backend, repo: RepoId | None, book: Book, said: _Intents) -> Iterator[Finding]:
    """An intent for number n shows that entry n - 1 stood there; whether n ever did nobody can know."""
    there = len(book.entry_ids)
    name = book.name or repo
    if said.highest > there + 1:
        key = layout.log_entry(repo, there + 1)
        message = (
            f"{key} to {said.highest - 1} are missing at the end of their log; run `datamon repair --from` with a copy"
        )
        yield Finding("entry-missing", "damage", message, key, name if repo else None)
    elif said.highest == there + 1:
        key = layout.log_entry(repo, said.highest)
        if metadata.has(key):
            return  # written since the logs were read
        ids = ", ".join(sorted(said.meant[said.highest])[:_MOST_TOLD])
        message = (
            f"{key} was meant (entry {ids}) and is not there: a writer was stopped or is at work, or the last entry was lost; "
            "`datamon repair --from` takes it from a copy that has it"
        )
        yield Finding("entry-missing", "notice", message, key, name if repo else None)


def _gone(metadata: Backend) -> Finding:
    key = layout.JOURNAL_FILE if isinstance(metadata, Appending) else layout.JOURNAL
    message = f"the journal at {metadata.url}/{key} is gone; run `datamon repair --from` with a copy of the store"
    return damage("missing-bytes", message, key)


def _records(metadata: Backend) -> Iterator[Record | Finding]:
    if metadata.has(layout.JOURNAL_FILE):
        for met in read_journal_file(metadata):
            yield _damaged(f"{metadata.url}/{layout.JOURNAL_FILE}", met) if isinstance(met, Line) else met
    yield from _records_of_objects(metadata)


def _damaged(where: str, line: Line) -> Finding:
    message = (
        f"{where} is damaged at byte {line.offset:,} ({len(line.content):,} bytes long); "
        "run `datamon repair --from` with a copy of the store"
    )
    return damage("bad-record", message, layout.JOURNAL_FILE)


def _records_of_objects(metadata: Backend) -> Iterator[Record | Finding]:
    """Some records may come twice: while this reads, others may merge what it is about to read, and then it looks again."""
    for attempt in range(1, _ATTEMPTS + 1):
        findings: list[Finding] = []
        merges = last_number(metadata)
        with suppress(NotFound):
            for met in _look_at_objects(metadata):
                if isinstance(met, Finding):
                    findings.append(met)
                else:
                    yield met
            if attempt == _ATTEMPTS or last_number(metadata) == merges:
                yield from findings
                return


def _look_at_objects(metadata: Backend) -> Iterator[Record | Finding]:
    last: dict[str, int] = {}
    loose = [match for stored in metadata.list(layout.JOURNAL) if (match := _RECORD.fullmatch(stored.key))]
    yield from read_merged(metadata, last)
    keys: list[str] = []
    for match in loose:
        writer, number = match[1], int(match[2])
        if number > last.get(writer, 0):
            yield from missing_records(metadata, writer, last.get(writer, 0), number)
            last[writer] = number
            keys.append(match[0])
    for key, content in zip(keys, get_many(metadata, keys), strict=True):
        try:
            yield decode_sealed(content, f"{metadata.url}/{key}")
        except Corrupt as error:
            yield told_by(error, key)
