"""Merging: many journal records become one segment (docs/format.md, "Merged journals"). Several processes may try at once.

In this order, each step durable before the next: what the last merge left undone is done; the segment is put; the merge is put,
which of several that try at once one wins; what was merged is deleted. Wherever it stops, nothing is missed and nothing comes
twice: readers know by the merges what was merged, and the next merge deletes first what this one left.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from datamon.errors import Corrupt, Denied, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Sided, decoded_copy, has_durably
from datamon.store.clock import Clock
from datamon.store.fetching import get_many
from datamon.store.ids import new_ksuid
from datamon.store.journal_listing import Listing
from datamon.store.journal_merges import Merges, Segment, last_merges, merges_at
from datamon.store.journal_segments import MergedRecord, decode_merged, encode_merged
from datamon.store.seal import unseal

_MOST_ROWS = 16_384
"""So many records at most are merged at once: they are in memory."""
_FULL_ROWS = 32_768
"""A segment of so many rows is not merged again."""
_SMALL_SEGMENTS = 8
"""So many segments that are not full become one."""
_ATTEMPTS = 50
_DELETERS = 16
_Row = tuple[str, int, bytes]
"""A writer, a number, and the canonical JSON of the record."""


def merge_records(backend: Backend, clock: Clock, at_least: int) -> int:
    """Of the records that lie there alone fewer than `at_least` are left, as far as nobody else merges now; returns how many were
    merged. Raises Unavailable, Denied."""
    merged = 0
    while batch := _unless_overtaken(lambda: _Merger(backend, clock).merge_batch(at_least)):
        merged += batch
    return merged


def append_merged(backend: Backend, clock: Clock, contents: Sequence[bytes]) -> None:
    """These records, as canonical JSON, are in the journal, durable, when this returns: as the records of a writer of their own
    that were merged at once. When it raises Unavailable, they may come to be there."""
    writer = new_ksuid(clock())
    for begin in range(0, len(contents), _FULL_ROWS):
        part = contents[begin : begin + _FULL_ROWS]
        rows = [(writer, number, content) for number, content in enumerate(part, begin + 1)]
        if not any(_unless_overtaken(partial(_add, backend, clock, rows)) for _ in range(_ATTEMPTS)):
            message = f"others were always first to merge the journal at {backend.url}; try again when fewer do"
            raise Unavailable("backend-unavailable", message, where=backend.url)


def _add(backend: Backend, clock: Clock, rows: Sequence[_Row]) -> bool:
    return _Merger(backend, clock).add(rows)


def _unless_overtaken(merge: Callable[[], int]) -> int:
    """What `merge` gives; 0 when another process has merged meanwhile what it wanted to read."""
    try:
        return merge()
    except NotFound:
        return 0


class _Merger:
    """One merge on a journal."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._before = _settled(backend)

    def merge_batch(self, at_least: int) -> int:
        """How many records were merged: 0 when there are too few, or another process was first."""
        if isinstance(self._backend, Sided) and self._backend.is_degraded:
            return 0  # what is deleted now would come back with the sides that are away
        self._finish_before()
        listing = Listing.make(self._backend, {})
        found = [
            (writer, number)
            for writer in listing.loose
            for number in listing.following(writer, 0, were_merged=self._before.number > 0)
        ][:_MOST_ROWS]
        if len(found) < at_least:
            return 0
        rows = self._read(found)
        if len(rows) < at_least or not self.add(rows, is_finished=True):
            return 0
        self._delete(layout.journal_record(writer, number) for writer, number, _ in rows)
        return len(rows)

    def add(self, rows: Sequence[_Row], *, is_finished: bool = False) -> bool:
        """Whether these rows (writer, number, record) are merged now; if not, another process was first."""
        if not is_finished:
            self._finish_before()
        number = self._before.number + 1
        fresh = self._put([MergedRecord(number, *row) for row in rows], number, number)
        segments = (*self._gathered(), fresh)
        merges = Merges(number, new_ksuid(self._clock()), segments)
        if not self._won(merges):
            self._delete(segment.key for segment in segments if segment not in self._before.segments)
            return False
        self._sweep(merges)
        return True

    def _finish_before(self) -> None:
        """Nothing that was merged lies there alone any more. Of a mirrored journal that holds for every side."""
        number = self._before.number
        segment = next((each for each in self._before.segments if each.last == number), None)
        if segment is None:
            return
        rows = [row for row in self._rows(segment) if row.merge == number]
        keys = [layout.journal_record(row.writer, row.number) for row in rows]
        if not isinstance(self._backend, Sided):
            there = {stored.key for stored in self._backend.list(layout.JOURNAL)}
            keys = [key for key in keys if key in there]
        self._delete(keys)

    def _read(self, found: Sequence[tuple[str, int]]) -> list[_Row]:
        """The records, of each writer up to the first that is damaged: that stays where it is."""
        keys = [layout.journal_record(writer, number) for writer, number in found]
        rows, stopped = [], set[str]()
        for (writer, number), key, content in zip(found, keys, get_many(self._backend, keys), strict=True):
            record = _unsealed(self._backend, key, content)
            if record is None:
                stopped.add(writer)
            if record is not None and writer not in stopped:
                rows.append((writer, number, record))
        return rows

    def _gathered(self) -> tuple[Segment, ...]:
        """The segments before this merge; of those at the end that are small, many have become one."""
        segments = self._before.segments
        full = max((at for at, each in enumerate(segments, 1) if each.rows >= _FULL_ROWS), default=0)
        small = segments[full:]
        if len(small) < _SMALL_SEGMENTS:
            return segments
        rows = [row for segment in small for row in self._rows(segment)]
        return (*segments[:full], self._put(rows, small[0].first, small[-1].last))

    def _put(self, rows: Sequence[MergedRecord], first: int, last: int) -> Segment:
        """A segment that is there. Its name tells the merge that it is put for: with another, it is never needed."""
        name = f"{self._before.number + 1:020d}-{new_ksuid(self._clock())}"
        segment = Segment(name, first, last, len(rows))
        self._backend.put(segment.key, encode_merged(rows))
        return segment

    def _rows(self, segment: Segment) -> list[MergedRecord]:
        content = self._backend.get(segment.key)
        sound = _unsealed(self._backend, segment.key, content, keep_seal=True)
        if sound is None:
            unseal(content, segment.key)
        return list(decode_merged(sound or content, segment.key))

    def _won(self, merges: Merges) -> bool:
        """Whether this is the merge of its number. Raises Unavailable, after which it may be."""
        key = layout.merge(merges.number)
        if self._backend.put_if_absent(key, merges.encoded(self._backend, self._clock())):
            return True
        won = merges_at(self._backend, key).entry == merges.entry  # by an earlier try, whose answer was lost
        return won and has_durably(self._backend, key)

    def _sweep(self, merges: Merges) -> None:
        """Segments that no merge needs are gone: those gathered, and those put for merges that never came to be. One that is put
        now, for the merge after this one, has a higher number in its name."""
        needed = {segment.key for segment in merges.segments}
        later = f"{layout.MERGED}{merges.number + 1:020d}"
        with suppress(Unavailable, Denied):  # the next merge does it
            listed = [stored.key for stored in self._backend.list(layout.MERGED)]
            self._delete(key for key in listed if key < later and key not in needed)

    def _delete(self, keys: Iterable[str]) -> None:
        _in_threads(self._backend, self._backend.delete, list(keys))


def _settled(backend: Backend) -> Merges:
    merges = last_merges(backend)
    if merges.number:
        has_durably(backend, layout.merge(merges.number))
    return merges


def _unsealed(backend: Backend, key: str, content: bytes, *, keep_seal: bool = False) -> bytes | None:
    """What was sealed, taken from a side that has it right; None where none has."""

    def judged(sealed: bytes) -> bytes:
        plain = unseal(sealed, key)
        return sealed if keep_seal else plain

    try:
        return judged(content)
    except Corrupt:
        return decoded_copy(backend, key, judged)


def _in_threads(backend: Backend, do: Callable[[str], None], keys: Sequence[str]) -> None:
    """Requests to a far place overlap; a few are not worth threads."""
    if len(keys) <= _DELETERS or isinstance(backend, Appending):
        for key in keys:
            do(key)
        return
    from concurrent.futures import ThreadPoolExecutor  # 4 ms, for what is done rarely

    with ThreadPoolExecutor(_DELETERS, thread_name_prefix="merge") as threads:
        for _ in threads.map(do, keys):
            pass
