"""Merged journals: every reader sees every record once, whoever merges when, wherever a merge stops, whatever the clocks say."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Invalid, Unavailable
from datamon.store import journal_merging, layout
from datamon.store.backend import Backend, Stored
from datamon.store.backend.memory import MemoryBackend
from datamon.store.codec import Record, decode_sealed
from datamon.store.ids import new_ksuid
from datamon.store.journal import Cursor, ObjectJournal
from datamon.store.journal_merges import last_merges
from datamon.store.journal_merging import append_merged, merge_records
from datamon.store.testing.clocks import START_NS, SteppingClock
from datamon.store.testing.counting import CountingBackend
from datamon.store.testing.faults import Fault, FaultyBackend, Killed
from datamon.store.testing.turns import GrowingMemory, TurnBackend, Turns

DAY_NS = 24 * 3600 * 10**9
OFFSETS = st.sampled_from([-3 * DAY_NS, -DAY_NS, -1, 0, 1, DAY_NS, 2 * DAY_NS])


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_merging, "_MOST_ROWS", 4)
    monkeypatch.setattr(journal_merging, "_FULL_ROWS", 9)
    monkeypatch.setattr(journal_merging, "_SMALL_SEGMENTS", 3)


def journal(backend: Backend, offset_ns: int = 0) -> ObjectJournal:
    """A journal as another process would have it, whose clock is wrong by so much."""
    return ObjectJournal(backend, new_ksuid(START_NS + offset_ns), SteppingClock(START_NS + offset_ns))


def numbers(records: Sequence[Record]) -> list[int]:
    return sorted(record["number"] for record in records)


def filled(backend: Backend, count: int) -> ObjectJournal:
    writer = journal(backend)
    for number in range(count):
        writer.append({"kind": "x", "number": number})
    return writer


def merge(backend: Backend, at_least: int = 1) -> int:
    return merge_records(backend, SteppingClock(START_NS), at_least)


def loose(backend: Backend) -> list[str]:
    return [each.key for each in backend.list(layout.JOURNAL) if not each.key.startswith(layout.MERGES)]


def read_by(journal: ObjectJournal, limit: int | None) -> list[Record]:
    records, cursor = journal.read({}, limit=limit)
    found = list(records)
    while records:
        records, cursor = journal.read(cursor, limit=limit)
        found += records
    return found


@pytest.mark.parametrize("limit", [None, 1, 3, 7])
def test_merged_records_are_read_as_they_were(limit: int | None) -> None:
    backend = MemoryBackend()
    writer = filled(backend, 30)
    before = sorted(writer.read({})[0], key=lambda record: int(record["number"]))
    assert merge(backend) == 30
    assert loose(backend) == []
    writer.append({"kind": "x", "number": 30})
    found = sorted(read_by(writer, limit), key=lambda record: int(record["number"]))
    assert found[:30] == before
    assert numbers(found) == list(range(31))


def test_a_reader_that_stood_in_the_middle_of_what_was_merged_misses_nothing_and_reads_nothing_twice() -> None:
    backend = MemoryBackend()
    writer = filled(backend, 10)
    for limit in range(11):
        records, cursor = writer.read({}, limit=limit)
        rest = backend_copy(backend)
        merge(rest)
        filled(rest, 0)
        more, _ = journal(rest).read(cursor)
        assert numbers([*records, *more]) == list(range(10))


def backend_copy(backend: Backend) -> MemoryBackend:
    copy = MemoryBackend()
    for stored in backend.list(""):
        copy.put(stored.key, backend.get(stored.key))
    return copy


def test_a_cursor_does_not_grow_with_the_writers_whose_records_were_merged() -> None:
    backend = MemoryBackend()
    for number in range(40):
        journal(backend).append({"kind": "x", "number": number})
    _, cursor = journal(backend).read({})
    assert len(cursor["writers"]) == 40
    merge(backend)
    records, cursor = journal(backend).read(cursor)
    assert (records, cursor["writers"]) == ([], {})


def test_a_million_records_cost_requests_by_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with fewer: eight thousand records in merges of a hundred are read by fewer than 60 requests."""
    monkeypatch.setattr(journal_merging, "_MOST_ROWS", 100)
    monkeypatch.setattr(journal_merging, "_FULL_ROWS", 400)
    backend = MemoryBackend()
    filled(backend, 8_000)
    merge(backend, 100)
    counting = CountingBackend(backend)
    assert len(journal(counting).read({})[0]) == 8_000
    assert sum(counting.calls.values()) < 60


_ACTIONS = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 7), st.booleans()), min_size=5, max_size=60)


class PagedBackend(TurnBackend):
    """A process's view of a bucket whose listings come in two pages, the second of them later than the first. The pages part
    at `pivot`."""

    def __init__(self, backend: GrowingMemory, turns: Turns, pivot: Callable[[list[str]], str]) -> None:
        super().__init__(backend, turns)
        self._pivot = pivot

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        first = list(super().list(prefix, after))
        pivot = self._pivot([stored.key for stored in first])
        second = list(super().list(prefix, after))
        return iter([each for each in first if each.key < pivot] + [each for each in second if each.key >= pivot])


@dataclass
class Reader:
    """Reads from where it last stood, as often as it is let."""

    journal: ObjectJournal
    limit: int | None
    cursor: Cursor = field(default_factory=dict)
    seen: list[Record] = field(default_factory=list)

    def read(self) -> None:
        for _ in range(3):
            records, self.cursor = self.journal.read(self.cursor, limit=self.limit)
            self.seen += records


@given(
    actions=_ACTIONS,
    offsets=st.tuples(OFFSETS, OFFSETS, OFFSETS),
    limits=st.tuples(st.none() | st.integers(1, 5), st.none() | st.integers(1, 5)),
    cut=st.integers(0, 20),
)
@settings(max_examples=120, deadline=None)
def test_whatever_writers_readers_and_mergers_do_at_once_and_wherever_they_are_killed_every_reader_sees_everything_once(
    actions: list[tuple[int, int, bool]],
    offsets: tuple[int, int, int],
    limits: tuple[int | None, int | None],
    cut: int,
) -> None:
    kept = GrowingMemory()
    turns = [Turns() for _ in range(8)]
    clocks = [SteppingClock(START_NS + offset, step_ns=-(10**9)) for offset in offsets]
    views = [PagedBackend(kept, each, lambda keys: keys[cut % len(keys)] + "0" if keys else "") for each in turns]
    acknowledged: list[int] = []
    readers = [Reader(journal(views[who]), limit) for who, limit in zip((3, 4), limits, strict=True)]

    def write(who: int) -> None:
        writer = ObjectJournal(views[who], new_ksuid(clocks[who]()), clocks[who])
        for number in range(5):
            writer.append({"kind": "x", "number": 10 * who + number})
            acknowledged.append(10 * who + number)

    def write_many() -> None:
        clock = SteppingClock(START_NS - DAY_NS)
        contents = [b'{"event":"e%d","format":1,"kind":"x","number":%d,"time":1}' % (n, n) for n in (100, 101)]
        append_merged(views[7], clock, contents)
        acknowledged.extend((100, 101))

    def work(who: int) -> Callable[[], object]:
        if who < 3:
            return partial(write, who)
        if who < 5:
            return readers[who - 3].read
        return write_many if who == 7 else partial(merge, views[who])

    def safely(what: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            with suppress(Killed, Unavailable):
                what()

        return run

    begun = set[int]()
    dead = set[int]()
    for who, calls, kills in actions:
        if who in dead or (who in (0, 1, 2, 7) and who in begun and not turns[who].busy):
            continue
        if not turns[who].busy:
            begun.add(who)
            turns[who].begin(safely(work(who)))
        turns[who].go_on(calls)
        if kills and calls == 7:
            dead.add(who)
            turns[who].kill()
    for each in turns:
        each.finish()
    if not cut % 2:
        merge(kept)
    truth = numbers(journal(kept).read({})[0])
    assert set(acknowledged) <= set(truth)
    assert len(set(truth)) == len(truth)
    for reader in readers:
        reader.journal = journal(kept)
        reader.seen += reader.journal.read(reader.cursor)[0]
        assert numbers(reader.seen) == truth


def test_a_merge_that_is_stopped_anywhere_loses_nothing_and_the_next_one_finishes_it() -> None:
    calls = 0
    while True:
        calls += 1
        backend = MemoryBackend()
        filled(backend, 10)
        faulty = FaultyBackend(backend, Fault(calls, "killed-after"))
        early, cursor = journal(backend).read({}, limit=4)
        try:
            merge(faulty)
        except Killed:
            pass
        else:
            break
        more, cursor = journal(backend).read(cursor)
        assert numbers([*early, *more]) == list(range(10))
        assert numbers(journal(backend).read({})[0]) == list(range(10))
        filled(backend, 1)
        merge(backend)
        assert loose(backend) == []
        assert numbers(journal(backend).read({})[0]) == [0, *range(10)]
        assert numbers(journal(backend).read(cursor)[0]) == [0]
        needed = {segment.key for segment in last_merges(backend).segments}
        assert {each.key for each in backend.list(layout.MERGED)} == needed
    assert calls > 30


def test_a_merge_whose_answer_was_lost_is_known_as_its_own() -> None:
    for kind in ("before", "after"):
        backend = MemoryBackend()
        filled(backend, 3)
        faulty = FaultyBackend(backend, Fault(1, kind), methods=frozenset({"put_if_absent"}))
        with pytest.raises(Unavailable):
            merge(faulty)
        assert merge(backend) == (3 if kind == "before" else 0)
        assert numbers(journal(backend).read({})[0]) == [0, 1, 2]


def test_fewer_records_than_are_worth_it_are_left_alone() -> None:
    backend = MemoryBackend()
    writer = filled(backend, 9)
    assert merge(backend, at_least=10) == 0
    writer.append({"kind": "x", "number": 9})
    assert merge(backend, at_least=10) == 0, "four at most are merged at once"
    assert merge(backend, at_least=4) == 8
    assert len(loose(backend)) == 2


def test_a_damaged_record_is_left_where_it_is_and_what_follows_it_is_still_read() -> None:
    backend = MemoryBackend()
    filled(backend, 6)
    key = loose(backend)[2]
    backend.put(key, b'{"torn')
    assert merge(backend) == 2
    records, cursor = journal(backend).read({})
    assert (numbers(records), cursor["skipped"]) == ([0, 1, 3, 4, 5], 1)


def test_a_damaged_segment_is_an_error_that_names_it() -> None:
    backend = MemoryBackend()
    filled(backend, 6)
    merge(backend)
    [key, *_] = [each.key for each in backend.list(layout.MERGED)]
    content = bytearray(backend.get(key))
    content[len(content) // 2] ^= 1
    backend.put(key, bytes(content))
    with pytest.raises(Corrupt, match=key):
        journal(backend).read({})


def test_a_journal_that_was_set_back_is_noticed() -> None:
    backend = MemoryBackend()
    filled(backend, 4)
    before = backend_copy(backend)
    merge(backend)
    _, cursor = journal(backend).read({})
    with pytest.raises(Corrupt, match="read it from its beginning"):
        journal(before).read(cursor)
    merge(before)
    with pytest.raises(Corrupt, match="read it from its beginning"):
        journal(before).read(cursor)


def test_a_reader_that_knows_no_merges_is_stopped() -> None:
    backend = MemoryBackend()
    filled(backend, 4)
    merge(backend)
    key = layout.merge(1)
    with pytest.raises(Invalid) as refusal:
        decode_sealed(backend.get(key), key, newest=1)
    assert refusal.value.code == "newer-format"


def test_a_fork_takes_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryBackend()
    writer = filled(backend, 2)
    monkeypatch.setattr("os.getpid", lambda: -1)
    writer.append({"kind": "x", "number": 2})
    monkeypatch.undo()
    writer.append({"kind": "x", "number": 3})
    assert len({key.split("/")[1] for key in loose(backend)}) == 3
    assert numbers(journal(backend).read({})[0]) == [0, 1, 2, 3]


def test_many_records_are_appended_as_a_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryBackend()
    writer = filled(backend, 3)
    writer.append_many([{"kind": "x", "number": number} for number in range(3, 1_000)])
    assert len(loose(backend)) == 3
    assert numbers(journal(backend).read({})[0]) == list(range(1_000))


def test_a_journal_is_tended_when_reading_it_found_many_records() -> None:
    backend = MemoryBackend()
    writer = filled(backend, 12)
    assert writer.tend() == 0, "it looks, and finds too few"
    writer.read({})
    assert writer.tend() == 0
    assert writer.tend(at_least=4) == 12
    assert writer.tend(at_least=4) == 0
