"""The journal where nothing can be appended to: one stored object for each record, until many are merged into segments."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from datamon.errors import Corrupt, Denied, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend, Sided, decoded_copy, get_decoded
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import Record, decode, decode_sealed, encode, encode_sealed
from datamon.store.fetching import get_many
from datamon.store.ids import new_ksuid
from datamon.store.journal_listing import Listing
from datamon.store.journal_merges import Merges, Segment, last_merges
from datamon.store.journal_records import Cursor, completed, decoded_or_none
from datamon.store.seal import unseal

if TYPE_CHECKING:
    from datamon.store.journal_segments import MergedRecord

MERGE_AT = 512
"""So many records that lie there alone are worth a merge: reading them costs as many requests."""
_ATTEMPTS = 20


@dataclass(slots=True)
class _Place:
    """Where a reader stands. Of each writer of whom records lay there alone, the last number read; the merges that are read to
    their end, and how many `rows` of the next one; the last merge seen."""

    writers: dict[str, int]
    skipped: int
    merged: int
    rows: int
    seen: Merges
    last_writers: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cursor: Cursor) -> "_Place":
        return cls(
            writers=dict(cursor.get("writers", {})),
            skipped=cursor.get("skipped", 0),
            merged=cursor.get("merged", 0),
            rows=cursor.get("rows", 0),
            seen=Merges(cursor.get("seen", 0), cursor.get("entry", "")),
        )

    def note(self, row: "MergedRecord", listing: Listing) -> None:
        """The row was read. Its writer is remembered as long as its record may lie there alone: of the last merge records may
        that were put since the listing was made; before there is a merge, all that the one before it merged are deleted."""
        if row.merge == self.seen.number:
            self.last_writers.add(row.writer)
        if row.merge == self.seen.number or row.writer in self.writers or row.writer in listing.loose:
            self.writers[row.writer] = row.number

    def forget(self, listing: Listing) -> None:
        """All merges were read: of whom nothing lies there any more nothing will that was merged."""
        keep = listing.loose.keys() | self.last_writers
        self.writers = {writer: last for writer, last in self.writers.items() if writer in keep}

    @property
    def cursor(self) -> Cursor:
        cursor: Cursor = {"writers": self.writers, "skipped": self.skipped}
        if self.seen.number:
            cursor |= {"merged": self.merged, "rows": self.rows, "seen": self.seen.number, "entry": self.seen.entry}
        return cursor


@dataclass(slots=True)
class _Kept:
    """The last segment that was read: whoever reads by a limit reads it several times."""

    name: str = ""
    content: bytes = field(default=b"", repr=False)


class ObjectJournal:
    """The journal as one stored object for each record, numbered without gaps for each writer, and as segments of merged ones."""

    def __init__(self, backend: Backend, writer: str, clock: Clock = system_clock) -> None:
        self._backend = backend
        self._writer = writer
        self._clock = clock
        self._next = 1
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._loose: int | None = None
        self._kept = _Kept()

    def append(self, record: Record) -> None:
        """As `Journal.append`. A number is passed only when it is known to be taken, so that numbers stay without gaps whatever
        fails, and the loop ends at the last record there is."""
        content = encode_sealed(completed(record, self._clock))
        with self._lock:
            self._be_this_process()
            while not self._backend.put_if_absent(layout.journal_record(self._writer, self._next), content):
                # Taken: by an earlier record whose answer was lost, or by this one, whose answer was.
                taken = self._taken()
                self._next += 1
                if taken == content:
                    return
            self._next += 1

    def append_many(self, records: Sequence[Record]) -> None:
        """As `Journal.append_many`. Many are put as one segment, as if they had been merged."""
        degraded = isinstance(self._backend, Sided) and self._backend.is_degraded
        if len(records) < MERGE_AT or degraded:
            for record in records:
                self.append(record)
            return
        from datamon.store.journal_merging import append_merged  # brings pyarrow, 0.2 s, for what is done rarely

        append_merged(self._backend, self._clock, [encode(completed(record, self._clock)) for record in records])

    def tend(self, at_least: int = MERGE_AT) -> int:
        """As `Journal.tend`. Looks only when the last reading found so many records, or nothing was read yet."""
        if self._loose is not None and self._loose < at_least:
            return 0
        from datamon.store.journal_merging import merge_records  # brings pyarrow, 0.2 s, for what is done rarely

        with suppress(Unavailable, Denied):
            merged = merge_records(self._backend, self._clock, at_least)
            self._loose = 0
            return merged
        return 0

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`. What is merged away while it is read makes it look again."""
        for _ in range(_ATTEMPTS):
            with suppress(NotFound):
                return self._read(_Place.of(cursor), limit)
        message = f"the records of the journal at {self._backend.url} vanish while they are read; run `datamon check`"
        raise Unavailable("backend-unavailable", message, where=self._backend.url)

    def _be_this_process(self) -> None:
        """A fork takes a name of its own: under the same one it could put a record where a merged one lay."""
        if os.getpid() != self._process:
            self._process, self._writer, self._next = os.getpid(), new_ksuid(self._clock()), 1

    def _taken(self) -> bytes | None:
        try:
            return self._backend.get(layout.journal_record(self._writer, self._next))
        except NotFound:  # merged since: whether it was this record is not known, and standing twice does no harm
            return None

    def _read(self, place: _Place, limit: int | None) -> tuple[list[Record], Cursor]:
        # In this order: what was merged and deleted before the listing ended stands in the merge that is seen then.
        listing = Listing.make(self._backend, place.writers)
        self._loose = listing.count
        place.seen = last_merges(self._backend, place.seen)
        records = self._merged_records(place, listing, limit)
        if place.merged == place.seen.number:
            place.forget(listing)
            records += self._loose_records(place, listing, None if limit is None else limit - len(records))
        return records, place.cursor

    def _merged_records(self, place: _Place, listing: Listing, limit: int | None) -> list[Record]:
        """The merged records that the reader has not met, of merges that it has not read; `place` stands behind them."""
        records: list[Record] = []
        for segment in place.seen.segments:
            if segment.last <= place.merged:
                continue
            passed = place.rows
            for row in self._rows(segment):
                if row.merge <= place.merged:
                    continue
                if row.merge > place.merged + 1:
                    place.merged, place.rows, passed = row.merge - 1, 0, 0
                if passed:
                    passed -= 1
                    continue
                if limit is not None and len(records) >= limit:
                    return records
                place.rows += 1
                if row.number > place.writers.get(row.writer, 0):
                    records.append(decode(row.record, f"{self._backend.url}/{segment.key}"))
                    place.note(row, listing)
            place.merged, place.rows = segment.last, 0
        return records

    def _rows(self, segment: Segment) -> "Iterator[MergedRecord]":
        from datamon.store.journal_segments import decode_merged  # brings pyarrow, which few commands need to record

        if self._kept.name != segment.name:
            try:
                content = get_decoded(self._backend, segment.key, lambda sealed: _whole(sealed, segment.key))
            except NotFound as error:
                if segment not in last_merges(self._backend).segments:
                    raise  # it was gathered into another since
                message = f"{segment.key} is gone from {self._backend.url}; run `datamon repair`"
                raise Corrupt("missing-bytes", message, where=segment.key) from error
            self._kept = _Kept(segment.name, content)
        return decode_merged(self._kept.content, segment.key)

    def _loose_records(self, place: _Place, listing: Listing, limit: int | None) -> list[Record]:
        following = (
            (writer, number)
            for writer in listing.loose
            for number in listing.following(writer, place.writers.get(writer, 0), were_merged=place.seen.number > 0)
        )
        found = list(islice(following, limit))
        keys = [layout.journal_record(writer, number) for writer, number in found]
        records = []
        for (writer, number), key, content in zip(found, keys, get_many(self._backend, keys), strict=True):
            decode_it = partial(decode_sealed, where=f"{self._backend.url}/{key}")
            record = decoded_or_none(partial(decode_it, content)) or decoded_copy(self._backend, key, decode_it)
            place.writers[writer] = number
            if record is None:
                place.skipped += 1
            else:
                records.append(record)
        return records


def _whole(sealed: bytes, key: str) -> bytes:
    unseal(sealed, key)
    return sealed
