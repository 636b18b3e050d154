"""The journal's lost records are appended again: it is unordered, and a record that comes twice counts once."""

from collections.abc import Iterable
from contextlib import suppress

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.check.findings import Finding
from datamon.store.check.journal_file import Line, journal_lines, read_journal_file
from datamon.store.check.logs import Ledger
from datamon.store.codec import Record
from datamon.store.ids import RepoId
from datamon.store.journal import decode_line
from datamon.store.opening import Store


def mend_journal(store: Store, copies: Iterable[Store], findings: Iterable[Finding], ledger: Ledger) -> int:
    """What of the journal could be had again stands in it; returns how many records that is. The file is the copy's when there
    was none; records in damaged stretches are appended from the copy, with one that says so; intents are made again from their
    entries. Nothing that stands is touched: others may be writing. Raises Unavailable, Denied."""
    found = list(findings)
    mended = 0
    if any(finding.key == layout.JOURNAL_FILE and finding.is_damage for finding in found):
        mended = sum(_mend_file(store, copy) for copy in copies)
    if any(finding.code == "intent-missing" for finding in found) or mended:
        with suppress(Corrupt):  # merged records that cannot be read yet may hold them
            mended += _mend_intents(store, ledger)
    return mended


def _mend_file(store: Store, copy: Store) -> int:
    if not store.metadata.has(layout.JOURNAL_FILE):
        try:
            return store.metadata.put_if_absent(layout.JOURNAL_FILE, copy.metadata.get(layout.JOURNAL_FILE))
        except NotFound:
            return 0
    mended = 0
    for line in [met for met in read_journal_file(store.metadata) if isinstance(met, Line)]:
        records = _records_across(copy, line)
        for record in records or ():
            store.journal.append(record)
        if records:
            store.journal.append(line.mending())
            mended += len(records)
    return mended


def _records_across(copy: Store, damaged: Line) -> list[Record] | None:
    """The records of the copy's file that reach into the damaged stretch; None when the copy does not have all of it."""
    records: list[Record] = []
    for line in journal_lines(copy.metadata):
        if line.offset > damaged.end:
            return records
        if line.content and line.end >= damaged.offset:
            record = decode_line(line.content, layout.JOURNAL_FILE)
            if record is None:
                return None
            records.append(record)
    return None


def _mend_intents(store: Store, ledger: Ledger) -> int:
    """An intent again for every entry that has none."""
    untold = {
        (repo, number): entry
        for repo, book in [(None, ledger.own), *ledger.repos.items()]
        for number, entry in enumerate(book.entry_ids, 1)
        if entry is not None
    }
    cursor: Record = {}
    while untold:
        records, cursor = store.journal.read(cursor, limit=20_000)
        for record in records:
            if record["kind"] == "intent":
                place = (RepoId(record["repo"]) if record["repo"] else None, record["number"])
                if untold.get(place) == record["entry"]:
                    del untold[place]
        if len(records) < 20_000:
            break
    for (repo, number), entry in untold.items():
        store.journal.append({"kind": "intent", "repo": repo, "number": number, "entry": entry})
    return len(untold)
