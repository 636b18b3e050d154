"""The chunk index: it says what the segments say, whatever happens to its cache, and however the segments are merged."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from blake3 import blake3

from datamon.errors import Corrupt, Unavailable
from datamon.store import index_sort, layout
from datamon.store.backend import Backend, Span, Stored
from datamon.store.backend.memory import MemoryBackend
from datamon.store.chunk_index import ChunkIndex, Place, encode_segment
from datamon.store.ids import ChunkId, SessionId, new_ksuid
from datamon.store.index_merge import Merged, merge_segments
from datamon.store.index_segments import SCHEMA
from datamon.store.packs import PackRow
from datamon.store.testing.clocks import START_NS, SteppingClock
from datamon.store.testing.faults import WRITES, Fault, FaultyBackend, Killed


def chunk(number: int) -> ChunkId:
    """A chunk's name."""
    return ChunkId(blake3(b"%d" % number).digest())


def row(name: ChunkId, number: int = 0) -> PackRow:
    """A place in a pack that differs from those of other numbers."""
    return PackRow(name, 10 + number, 20 + number, 30 + number, 40 + number)


@dataclass
class Bench:
    """A backend with segments in it, and what they say."""

    blob: MemoryBackend = field(default_factory=MemoryBackend)
    said: dict[str, dict[str, list[PackRow]]] = field(default_factory=dict)

    def put(self, packs: dict[str, list[PackRow]]) -> str:
        """One segment more."""
        key = layout.index(new_ksuid(START_NS + len(self.said) * 10**9))
        self.blob.put(key, encode_segment(packs))
        self.said[key] = packs
        return key

    def put_chunks(self, numbers: Iterable[int], pack: str = "") -> str:
        """A segment with these chunks in one pack."""
        name = pack or f"{new_ksuid(START_NS)}-00000001"
        return self.put({name: [row(chunk(number), number % 100) for number in numbers]})

    def places(self) -> set[Place]:
        """All that the segments say."""
        return {Place(pack, row) for packs in self.said.values() for pack, rows in packs.items() for row in rows}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fresh(blob: Backend, cache: Path | None = None) -> ChunkIndex:
    """An index as another process would open it, refreshed."""
    index = ChunkIndex(blob, cache)
    index.refresh()
    return index


def assert_says(index: ChunkIndex, places: set[Place]) -> None:
    """Every question has the answer that follows from `places`."""
    chunks = {place.row.chunk for place in places}
    assert {place for name in chunks for place in index.places(name)} == places
    assert all(index.find(name) in places for name in chunks)
    assert all(index.find(chunk(-n)) is None and list(index.places(chunk(-n))) == [] for n in range(1, 50))
    assert index.packs() == {place.pack for place in places}
    for pack in index.packs():
        assert index.chunks_in([pack]) == {place.row.chunk for place in places if place.pack == pack}
    assert index.chunks_in(["another"]) == frozenset()
    table = index.table()
    assert table.schema.equals(SCHEMA)
    assert len(table) == len(places)
    assert set(placed(table)) == places


def placed(table: pa.Table) -> list[Place]:
    """The places in a table."""
    return [Place(each.pop("pack"), PackRow(**each)) for each in table.to_pylist()]


# -- look-up


@pytest.mark.parametrize("rows", [0, 1, 2, 511, 512, 513, 1024, 3000])
def test_every_row_is_found_whatever_their_number(bench: Bench, rows: int, tmp_path: Path) -> None:
    bench.put_chunks(range(rows))
    for cache in (None, tmp_path, tmp_path):
        assert_says(fresh(bench.blob, cache), bench.places())


def test_chunks_with_one_beginning_are_told_apart(bench: Bench, tmp_path: Path) -> None:
    alike = [ChunkId(b"\x80" * 8 + chunk(number)[8:]) for number in range(1500)]
    others = [chunk(number) for number in range(700)]
    bench.put({"p-00000001": [row(name) for name in (*alike[:1400], *others)]})
    index = fresh(bench.blob, tmp_path)
    assert_says(index, bench.places())
    assert all(index.find(name) is None for name in alike[1400:])
    assert index.find(ChunkId(b"\x80" * 32)) is None


def test_the_least_and_the_greatest_chunk_are_found(bench: Bench) -> None:
    bench.put({"p-00000001": [row(ChunkId(bytes(32))), row(ChunkId(b"\xff" * 32))]})
    assert_says(fresh(bench.blob), bench.places())


def test_the_place_in_the_newest_segment_comes_first(bench: Bench, tmp_path: Path) -> None:
    names = [f"p-{number:08d}" for number in range(5)]
    for name in names:
        bench.put_chunks(range(10), name)
    for index in (fresh(bench.blob), fresh(bench.blob, tmp_path), fresh(bench.blob, tmp_path)):
        assert [place.pack for place in index.places(chunk(3))] == names[::-1]
        index.set_absent(names[3:])
        index.add_absent(names[2])
        found = index.find(chunk(3))
        assert found is not None
        assert found.pack == names[1]
        index.set_absent(names)
        assert index.find(chunk(3)) is None
        assert len(list(index.places(chunk(3)))) == 5


def test_one_place_that_two_segments_say_is_one_row_of_the_table(bench: Bench, tmp_path: Path) -> None:
    for _ in range(3):
        bench.put_chunks(range(600), "p-00000001")
    bench.put_chunks(range(300), "p-00000002")
    for index in (fresh(bench.blob), fresh(bench.blob, tmp_path), fresh(bench.blob, tmp_path)):
        assert_says(index, bench.places())


def test_levels_larger_than_a_stretch_are_merged_and_shown_in_stretches(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_sort, "SLICE_ROWS", 700)
    index = ChunkIndex(bench.blob, tmp_path)
    for begin in range(0, 9000, 3000):
        bench.put_chunks(range(begin, begin + 3000))
        index.refresh()
    assert_says(index, bench.places())
    assert len(list(index.tables())) == 13
    assert_says(fresh(bench.blob, tmp_path), bench.places())


def test_threads_look_up_while_segments_come(bench: Bench, tmp_path: Path) -> None:
    bench.put_chunks(range(2000))
    index = fresh(bench.blob, tmp_path)
    done = threading.Event()

    def look() -> int:
        rounds = 0
        while not done.is_set() or not rounds:
            assert all(index.find(chunk(number)) is not None for number in range(0, 2000, 7))
            assert index.find(chunk(-1)) is None
            rounds += 1
        return rounds

    with ThreadPoolExecutor(3) as threads:
        looking = [threads.submit(look) for _ in range(3)]
        try:
            for begin in range(2000, 3000, 100):
                key = bench.put_chunks(range(begin, begin + 100))
                index.add(key, bench.blob.get(key))
                index.refresh()
        finally:
            done.set()
        assert all(each.result() for each in looking)
    assert_says(index, bench.places())


# -- the cache


def test_a_fresh_process_with_a_cache_asks_for_one_listing(bench: Bench, tmp_path: Path) -> None:
    for number in range(30):
        bench.put_chunks(range(number * 5, number * 5 + 5))
    fresh(bench.blob, tmp_path)
    counted = FaultyBackend(bench.blob)
    assert_says(fresh(counted, tmp_path), bench.places())
    assert counted.calls == ["list index/"]


def test_what_a_process_put_itself_is_in_the_cache_of_the_next(bench: Bench, tmp_path: Path) -> None:
    bench.put_chunks(range(10))
    index = fresh(bench.blob, tmp_path)
    key = bench.put_chunks(range(10, 20))
    index.add(key, bench.blob.get(key))
    index.add(key, bench.blob.get(key))
    counted = FaultyBackend(bench.blob)
    assert_says(fresh(counted, tmp_path), bench.places())
    assert counted.calls == ["list index/"]


def test_many_small_segments_end_in_few_files(bench: Bench, tmp_path: Path) -> None:
    for number in range(60):
        bench.put_chunks(range(number * 5, number * 5 + 5))
        fresh(bench.blob, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_segment_that_is_gone_says_nothing_any_more(bench: Bench, tmp_path: Path) -> None:
    keys = [bench.put_chunks(range(number * 50, number * 50 + 60)) for number in range(6)]
    index, other = fresh(bench.blob, tmp_path), fresh(bench.blob)
    for key in (keys[1], keys[4], keys[0], keys[5], keys[2], keys[3]):
        bench.blob.delete(key)
        del bench.said[key]
        index.refresh()
        other.refresh()
        for each in (index, other, fresh(bench.blob, tmp_path)):
            assert_says(each, bench.places())


def test_the_cache_of_another_store_is_not_believed(bench: Bench, tmp_path: Path) -> None:
    bench.put_chunks(range(100))
    fresh(bench.blob, tmp_path)
    another = Bench()
    another.put_chunks(range(50, 200))
    assert_says(fresh(another.blob, tmp_path), another.places())
    assert_says(fresh(bench.blob, tmp_path), bench.places())


def test_a_cache_that_covers_what_another_process_has_not_seen_listed_is_kept_apart(
    bench: Bench, tmp_path: Path
) -> None:
    first = bench.put_chunks(range(10))
    early = fresh(bench.blob, tmp_path)
    bench.put_chunks(range(10, 20))
    fresh(bench.blob, tmp_path)
    bench.put_chunks(range(20, 30))
    early.refresh()
    assert_says(early, bench.places())
    bench.blob.delete(first)
    del bench.said[first]
    assert_says(fresh(bench.blob, tmp_path), bench.places())


def test_a_flipped_bit_anywhere_in_the_cache_changes_no_answer(bench: Bench, tmp_path: Path) -> None:
    bench.put_chunks(range(6), "p-00000001")
    bench.put_chunks(range(3, 9), "p-00000002")
    fresh(bench.blob, tmp_path)
    (place,) = tmp_path.iterdir()
    content = place.read_bytes()
    for at in range(len(content)):
        for left in tmp_path.iterdir():
            left.unlink()
        place.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        index = fresh(bench.blob, tmp_path)
        assert_says(index, bench.places())


@pytest.mark.parametrize("harm", ["empty", "half", "longer", "other"])
def test_a_cache_file_of_another_length_changes_no_answer(bench: Bench, tmp_path: Path, harm: str) -> None:
    bench.put_chunks(range(700))
    fresh(bench.blob, tmp_path)
    (place,) = tmp_path.iterdir()
    content = place.read_bytes()
    harmed = {"empty": b"", "half": content[: len(content) // 2], "longer": content + b"x", "other": b"a text\n"}
    place.write_bytes(harmed[harm])
    assert_says(fresh(bench.blob, tmp_path), bench.places())
    assert_says(fresh(bench.blob, tmp_path), bench.places())


def test_damage_that_shows_late_is_mended_from_the_backend(bench: Bench, tmp_path: Path) -> None:
    bench.put_chunks(range(3000))
    fresh(bench.blob, tmp_path)
    (place,) = tmp_path.iterdir()
    content = bytearray(place.read_bytes())
    content[:192_000] = bytes(192_000)
    place.write_bytes(content)
    for ask in (
        lambda index: index.find(chunk(5)),
        lambda index: list(index.places(chunk(5))),
        lambda index: index.chunks_in(bench.said[next(iter(bench.said))]),
        lambda index: index.table(),
        lambda index: index.find(chunk(-5)),
    ):
        place.write_bytes(content)
        index = fresh(bench.blob, tmp_path)
        ask(index)
        assert_says(index, bench.places())
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_nothing_costs_no_answer(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    bench.put_chunks(range(10))
    index = fresh(bench.blob, tmp_path / "file")
    key = bench.put_chunks(range(10, 20))
    index.add(key, bench.blob.get(key))
    assert_says(index, bench.places())
    assert_says(fresh(bench.blob, tmp_path / "file" / "below"), bench.places())


def test_processes_share_one_cache(bench: Bench, tmp_path: Path) -> None:
    indexes = [ChunkIndex(bench.blob, tmp_path) for _ in range(4)]

    def work(which: int) -> None:
        for number in range(10):
            indexes[which].refresh()
            key = layout.index(new_ksuid(START_NS))
            packs = {f"{which}-{number:08d}": [row(chunk(which * 1000 + number * 10 + n)) for n in range(10)]}
            content = encode_segment(packs)
            bench.blob.put(key, content)
            bench.said[key] = packs
            indexes[which].add(key, content)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    for index in (*indexes, ChunkIndex(bench.blob, tmp_path), ChunkIndex(bench.blob, tmp_path)):
        index.refresh()
        assert_says(index, bench.places())


def test_a_damaged_segment_is_an_error_that_names_it(bench: Bench, tmp_path: Path) -> None:
    key = bench.put_chunks(range(10))
    content = bench.blob.get(key)
    bench.blob.put(key, content[:9] + bytes([content[9] ^ 1]) + content[10:])
    with pytest.raises(Corrupt) as raised:
        fresh(bench.blob, tmp_path)
    assert (raised.value.code, raised.value.facts["where"]) == ("bad-bytes", key)


# -- merging


def merged(blob: Backend, without: Sequence[str] = ()) -> Merged:
    """Merges as a collector does."""
    return merge_segments(blob, fresh(blob), SteppingClock(), without=frozenset(without))


def said_now(bench: Bench, without: Sequence[str] = ()) -> set[Place]:
    """All that the segments ever said, but of these packs."""
    return {place for place in bench.places() if place.pack not in without}


def test_merging_leaves_few_segments_that_say_the_same(bench: Bench, tmp_path: Path) -> None:
    for number in range(40):
        bench.put_chunks(range(number * 20, number * 20 + 30))
    before = [fresh(bench.blob), fresh(bench.blob, tmp_path)]
    outcome = merged(bench.blob)
    assert len(outcome.deleted) == 40
    assert [stored.key for stored in bench.blob.list(layout.INDEX)] == list(outcome.put)
    assert max(outcome.deleted) < min(outcome.put)
    assert len(outcome.put) == 1
    for index in before:
        index.refresh()
    for index in (*before, fresh(bench.blob), fresh(bench.blob, tmp_path)):
        assert_says(index, said_now(bench))
    assert merged(bench.blob) == Merged((), ())


def test_merging_leaves_out_the_rows_of_packs_that_are_gone(bench: Bench, tmp_path: Path) -> None:
    bench.put({"a-00000001": [row(chunk(1))], "a-00000002": [row(chunk(1)), row(chunk(2))]})
    bench.put_chunks(range(10), "b-00000001")
    only = bench.put_chunks(range(10), "c-00000001")
    index = fresh(bench.blob, tmp_path)
    gone = ["a-00000001", "c-00000001"]
    outcome = merged(bench.blob, gone)
    assert only in outcome.deleted
    assert (len(outcome.put), len(outcome.deleted)) == (1, 2)
    index.refresh()
    for each in (index, fresh(bench.blob), fresh(bench.blob, tmp_path)):
        assert_says(each, said_now(bench, gone))
    everything = ["a-00000002", "b-00000001"]
    assert merged(bench.blob, everything).put == ()
    assert list(bench.blob.list(layout.INDEX)) == []
    assert_says(fresh(bench.blob, tmp_path), set())


def test_segments_of_very_different_sizes_are_left_alone(bench: Bench) -> None:
    for number in range(7):
        bench.put_chunks(range(number, number + 2))
        bench.put_chunks(range(number * 1000, number * 1000 + 1000))
    assert merged(bench.blob) == Merged((), ())


@pytest.mark.parametrize("kind", ["killed-before", "killed-after", "before", "after", "full"])
def test_a_merge_that_ends_anywhere_loses_no_row(kind: str, tmp_path: Path) -> None:
    for number in range(1, 15):
        bench = Bench()
        for each in range(10):
            bench.put_chunks(range(each * 10, each * 10 + 15))
        cache = tmp_path / str(number)
        early = fresh(bench.blob, cache)
        blob = FaultyBackend(bench.blob, Fault(number, kind), methods=WRITES)  # type: ignore[arg-type]
        with suppress(Killed, Unavailable):
            merged(blob)
        early.refresh()
        for index in (early, fresh(bench.blob), fresh(bench.blob, cache)):
            assert_says(index, said_now(bench))
        merged(bench.blob)
        early.refresh()
        assert_says(early, said_now(bench))


class MergedMeanwhile:
    """A backend whose segments all get other keys between a listing and the reads that follow it, so many times."""

    def __init__(self, bench: Bench, times: int) -> None:
        self._bench = bench
        self._times = times
        self.url, self.pack_bytes = bench.blob.url, bench.blob.pack_bytes

    def list(self, prefix: str, after: str = "") -> Iterable[Stored]:
        listed = list(self._bench.blob.list(prefix, after))
        if self._times:
            self._times -= 1
            for stored in listed:
                again = layout.index(new_ksuid(START_NS + 10**12 - self._times * 10**9))
                self._bench.blob.put(again, self._bench.blob.get(stored.key))
                self._bench.blob.delete(stored.key)
        return iter(listed)

    def get(self, key: str, span: Span | None = None) -> bytes:
        return self._bench.blob.get(key, span)


@pytest.mark.parametrize("times", [0, 1, 2, 5, 20])
def test_a_reader_sees_all_rows_while_segments_are_merged(bench: Bench, tmp_path: Path, times: int) -> None:
    for number in range(9):
        bench.put_chunks(range(number * 10, number * 10 + 15))
    index = ChunkIndex(MergedMeanwhile(bench, times), tmp_path)  # type: ignore[arg-type]
    if times > 10:
        with pytest.raises(Unavailable):
            index.refresh()
    else:
        index.refresh()
        assert_says(index, bench.places())


def test_a_session_goes_on_when_its_segment_was_merged(bench: Bench, tmp_path: Path) -> None:
    index = fresh(bench.blob, tmp_path)
    key = bench.put_chunks(range(10), f"{SessionId(new_ksuid(START_NS))}-00000001")
    content = bench.blob.get(key)
    for number in range(10):
        bench.put_chunks([number])
    merged(bench.blob)
    index.add(key, content)
    assert index.find(chunk(5)) is not None
    index.refresh()
    assert_says(index, said_now(bench))
