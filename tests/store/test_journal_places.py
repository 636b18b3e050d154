"""Merged journals wherever a store may lie: encrypted, in a bucket, on several sides; under check, repair, gc and promotion."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Unavailable
from datamon.lineage.checking import check_runs
from datamon.lineage.testing.patient import ADA, Patient
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.arbiter import Terms
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.opening import open_backend
from datamon.store.backend.sides import Side
from datamon.store.check.check import check
from datamon.store.check.packs import Sample
from datamon.store.encryption_key import new_key
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.ids import new_ksuid
from datamon.store.journal import Cursor, GrownJournal, ObjectJournal
from datamon.store.journal_merges import last_merges
from datamon.store.journal_merging import merge_records
from datamon.store.mirror.compare import compare
from datamon.store.mirror.heal import Healing
from datamon.store.mirror.opening import Mirror, found, mirror_on
from datamon.store.mirror.promote import Promotion, promote
from datamon.store.mirror.repair import repair_sides
from datamon.store.opening import Store, store_on
from datamon.store.repair.repair import Damaged, Sources, Watch, repair
from datamon.store.testing.clocks import START_NS, SteppingClock
from datamon.store.testing.sides import LostSide

ALL = Sample(100)
DAY_NS = 24 * 3600 * 10**9
BUCKET = "team"
_numbers = count()


@dataclass
class Pair:
    """A mirrored store on the sides `eu`, which decides at first, and `us`."""

    eu: LostSide = field(default_factory=lambda: LostSide(MemoryBackend()))
    us: LostSide = field(default_factory=lambda: LostSide(MemoryBackend()))

    def __post_init__(self) -> None:
        self.store()

    def mirror(self, *, degraded: bool = False) -> Mirror:
        sides = [Side("eu", self.eu), Side("us", self.us)]
        mirror = mirror_on(sides, sides, Terms(2, degraded))
        found(mirror, ADA, SteppingClock())
        return mirror

    def store(self) -> Store:
        mirror = self.mirror()
        return store_on(mirror.metadata, mirror.blob, ADA, clock=SteppingClock())

    def journal(self, offset_ns: int = 0, *, degraded: bool = False) -> ObjectJournal:
        return journal_on(self.mirror(degraded=degraded).metadata, offset_ns)

    def damage(self) -> list[str]:
        store = self.store()
        found = [*compare(self.mirror(), store, ALL), *check(store, ALL)]
        return [finding.code for finding in found if finding.is_damage]


def journal_on(backend: Backend, offset_ns: int = 0) -> ObjectJournal:
    """A journal as another process would have it, whose clock is wrong by so much."""
    return ObjectJournal(backend, new_ksuid(START_NS + offset_ns), SteppingClock(START_NS + offset_ns))


def merge(backend: Backend) -> int:
    return merge_records(backend, SteppingClock(START_NS), 1)


def numbers(journal: ObjectJournal | GrownJournal, cursor: Cursor | None = None) -> list[int]:
    return sorted(record["number"] for record in journal.read(cursor or {})[0] if record["kind"] == "x")


def put(journal: ObjectJournal, *several: int) -> None:
    for number in several:
        journal.append({"kind": "x", "number": number})


@pytest.fixture(params=["memory", "bucket", "encrypted memory", "encrypted directory", "two sides"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Backend]:
    """Gives the metadata of one store, each time as another process would have it."""
    if request.param == "bucket":
        request.getfixturevalue("emulator")
        place = f"gs://{BUCKET}/journal-{next(_numbers)}"
        return lambda: open_backend(place)
    if request.param == "two sides":
        pair = Pair()
        return lambda: pair.mirror().metadata
    kept: Backend = LocalBackend(tmp_path) if request.param == "encrypted directory" else MemoryBackend()
    key = new_key() if request.param.startswith("encrypted") else None
    return lambda: store_on(kept, kept, ADA, clock=SteppingClock(), key=key).metadata


def test_records_are_merged_and_read_once_wherever_the_store_lies(opened: Callable[[], Backend]) -> None:
    writers = [journal_on(opened(), offset) for offset in (0, -DAY_NS, 3 * DAY_NS)]
    for at, writer in enumerate(writers):
        put(writer, *range(10 * at, 10 * at + 7))
    early, cursor = journal_on(opened()).read({}, limit=9)
    assert merge(opened()) == 21
    put(writers[1], 100)
    late, cursor = journal_on(opened()).read(cursor)
    assert sorted(record["number"] for record in early + late) == numbers(journal_on(opened()))
    assert numbers(journal_on(opened())) == [*range(7), *range(10, 17), *range(20, 27), 100]
    assert journal_on(opened()).read(cursor)[0] == []
    assert [each.key for each in opened().list(layout.JOURNAL) if layout.MERGES not in each.key][1:] == []


_STEPS = st.lists(st.tuples(st.sampled_from("wwwrm"), st.integers(0, 2)), max_size=30)


@given(steps=_STEPS, offsets=st.tuples(*[st.integers(-3 * DAY_NS, 3 * DAY_NS)] * 3))
@settings(max_examples=40, deadline=None)
def test_every_reader_of_a_mirrored_journal_sees_every_record_once(
    steps: list[tuple[str, int]], offsets: tuple[int, int, int]
) -> None:
    pair = Pair()
    journals = [pair.journal(offset) for offset in offsets]
    cursors: list[Cursor] = [{}, {}, {}]
    seen: list[list[int]] = [[], [], []]
    written = count()
    for what, who in steps:
        if what == "w":
            put(journals[who], next(written))
        elif what == "m":
            merge(pair.mirror().metadata)
        else:
            records, cursors[who] = journals[who].read(cursors[who])
            seen[who] += [record["number"] for record in records]
    for who in range(3):
        seen[who] += numbers(journals[who], cursors[who])
        assert sorted(seen[who]) == list(range(next(written) if who == 0 else len(seen[0])))
    assert pair.damage() == []


def test_nothing_is_merged_while_a_side_is_away(pair: Pair) -> None:
    put(pair.journal(), *range(5))
    pair.us.is_lost = True
    with pytest.raises(Unavailable):
        merge(pair.mirror().metadata)
    degraded = pair.mirror(degraded=True).metadata
    assert merge(degraded) == 0
    assert pair.journal(degraded=True).tend(at_least=1) == 0
    pair.us.is_lost = False
    assert numbers(pair.journal()) == list(range(5))
    assert merge(pair.mirror().metadata) in (0, 5)
    assert numbers(pair.journal()) == list(range(5))


@pytest.mark.parametrize("calls", range(1, 60, 3))
def test_a_side_that_goes_away_during_a_merge_costs_no_record(pair: Pair, calls: int) -> None:
    writer = pair.journal()
    put(writer, *range(6))
    _, cursor = pair.journal().read({}, limit=3)
    mirror = pair.mirror().metadata
    left = iter(range(calls))
    pair.us.before = lambda _: setattr(pair.us, "is_lost", pair.us.is_lost or next(left, None) is None)
    with suppress(Unavailable):
        merge(mirror)
    pair.us.before = lambda _: None
    pair.us.is_lost = False
    repair_sides(pair.mirror(), ADA, Healing(ALL), clock=SteppingClock())
    merge(pair.mirror().metadata)
    assert set(numbers(pair.journal())) == set(range(6))
    assert {*numbers(pair.journal(), cursor)} >= set(range(3, 6))
    assert pair.damage() == []


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_merges_survive_the_promotion_of_the_other_side(pair: Pair) -> None:
    writer = pair.journal()
    put(writer, *range(5))
    merge(pair.mirror().metadata)
    _, cursor = pair.journal().read({})
    put(writer, 5)
    promote(pair.mirror(), Promotion("us", ADA, "a test", SteppingClock()))
    repair_sides(pair.mirror(), ADA, Healing(ALL), clock=SteppingClock())
    assert numbers(pair.journal()) == list(range(6))
    assert numbers(pair.journal(), cursor) == [5]
    put(pair.journal(), 6)
    assert merge(pair.mirror().metadata) == 2
    assert numbers(pair.journal(), cursor) == [5, 6]
    assert pair.damage() == []


def test_a_damaged_segment_on_one_side_is_read_from_the_other_and_healed(pair: Pair) -> None:
    put(pair.journal(), *range(5))
    merge(pair.mirror().metadata)
    [key] = [segment.key for segment in last_merges(pair.mirror().metadata).segments]
    pair.eu.backend.put(key, b"?")
    assert numbers(pair.journal()) == list(range(5))
    assert "side-differs" in pair.damage()
    repair_sides(pair.mirror(), ADA, Healing(ALL), clock=SteppingClock())
    assert pair.damage() == []


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """A store whose journal was merged in part."""
    (tmp_path / "scratch").mkdir()
    patient = Patient.make(tmp_path / "scratch")
    merge(patient.metadata)
    patient.open().journal.append({"kind": "x", "number": 1})
    yield patient


def test_check_finds_nothing_wrong_with_a_merged_journal_and_gc_leaves_it(patient: Patient) -> None:
    assert patient.damage() == []
    assert [finding.code for finding in patient.findings()] == ["unreferenced"]
    before = [record["event"] for record in patient.open().journal.read({})[0]]
    collect(patient.open(), GcRequest(grace_ns=0))
    assert {record["event"] for record in patient.open().journal.read({})[0]} > set(before)
    assert patient.damage() == []


def test_every_changed_or_missing_part_of_a_merged_journal_is_found_and_taken_from_a_copy(patient: Patient) -> None:
    healthy = patient.copy()
    keys = [stored.key for prefix in (layout.MERGES, layout.MERGED) for stored in patient.metadata.list(prefix)]
    assert len(keys) == 2
    for key in keys:
        for spoil in (partial(patient.flip, key, 40), partial(patient.metadata.delete, key)):
            spoil()
            assert patient.damage()
            damaged = Damaged(patient.metadata, patient.blob, ADA, SteppingClock())
            repaired = repair(damaged, Sources((healthy.open(),)), Watch(ALL, check_runs))
            assert repaired.left == ()
            assert patient.damage() == []
            assert patient.metadata.get(key) == healthy.metadata.get(key)


def test_merges_that_nobody_has_any_more_are_listed_again_from_what_is_left() -> None:
    kept = MemoryBackend()
    store = store_on(kept, kept, ADA, clock=SteppingClock())
    for begin in (0, 5):
        put(journal_on(kept), *range(begin, begin + 5))
        merge(kept)
    lost, left = [segment.key for segment in last_merges(kept).segments]
    kept.put(layout.merge(2), b"?")
    damaged = Damaged(kept, kept, ADA, SteppingClock())
    assert repair(damaged, Sources(), Watch(ALL, check_runs)).left == ()
    assert numbers(journal_on(kept)) == list(range(10))
    kept.put(lost, b"?")
    assert repair(damaged, Sources(), Watch(ALL, check_runs)).left == ()
    assert numbers(journal_on(kept)) == list(range(5, 10))
    put(journal_on(kept), 11)
    merge(kept)
    assert numbers(journal_on(kept)) == [*range(5, 10), 11]
    assert kept.has(left)
    assert not [finding for finding in check(store, ALL) if finding.is_damage]


def test_a_grown_journal_reads_its_file_and_then_what_was_merged(tmp_path: Path) -> None:
    from datamon.store.journal import FileJournal

    local = LocalBackend(tmp_path)
    file = FileJournal(local, SteppingClock())
    for number in range(3):
        file.append({"kind": "x", "number": number})
    grown = GrownJournal(local, journal_on(local))
    for number in range(3, 6):
        grown.append({"kind": "x", "number": number})
    _, cursor = grown.read({}, limit=4)
    merge(local)
    assert numbers(grown) == list(range(6))
    assert numbers(grown, cursor) == [4, 5]
