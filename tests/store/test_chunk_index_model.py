"""Any order of uploads, merges, losses and damaged caches: every process sees what the segments say."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.chunk_index import ChunkIndex, Place, encode_segment
from datamon.store.ids import ChunkId, new_ksuid
from datamon.store.index_merge import merge_segments
from datamon.store.packs import PackRow
from datamon.store.testing.clocks import SteppingClock

CHUNKS = [ChunkId(bytes([beginning]) * 8 + bytes([end]) * 24) for beginning in range(3) for end in range(30)]
PACKS = [f"pack-{number:08d}" for number in range(6)]


class IndexModel(RuleBasedStateMachine):
    """Processes with one cache folder, and one without, on one backend. A pack holds a chunk at one place."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SteppingClock()
        self.blob = MemoryBackend()
        self.segments: dict[str, set[Place]] = {}
        self.folder = tempfile.TemporaryDirectory()
        self.cache = Path(self.folder.name)
        self.indexes = [self.process(0), self.process(1), self.process(2)]

    def teardown(self) -> None:
        self.folder.cleanup()

    def process(self, which: int) -> ChunkIndex:
        index = ChunkIndex(self.blob, self.cache if which else None)
        index.refresh()
        return index

    @rule(
        which=st.integers(0, 2),
        rows=st.lists(st.tuples(st.sampled_from(CHUNKS), st.sampled_from(PACKS)), min_size=1, max_size=40, unique=True),
        tells=st.booleans(),
    )
    def upload(self, which: int, rows: list[tuple[ChunkId, str]], tells: bool) -> None:
        key = layout.index(new_ksuid(self.clock()))
        packs: dict[str, list[PackRow]] = {}
        for chunk, pack in rows:
            packs.setdefault(pack, []).append(PackRow(chunk, chunk[0], chunk[-1], PACKS.index(pack), 7))
        content = encode_segment(packs)
        self.blob.put(key, content)
        self.segments[key] = {Place(pack, row) for pack, of_pack in packs.items() for row in of_pack}
        if tells:
            self.indexes[which].add(key, content)

    @rule(which=st.integers(0, 2))
    def refresh(self, which: int) -> None:
        self.indexes[which].refresh()

    @rule(which=st.integers(0, 2))
    def restart(self, which: int) -> None:
        self.indexes[which] = self.process(which)

    @rule(which=st.integers(0, 2), gone=st.sets(st.sampled_from(PACKS), max_size=2), times=st.integers(1, 2))
    def merge(self, which: int, gone: set[str], times: int) -> None:
        self.indexes[which].refresh()
        merged = merge_segments(self.blob, self.indexes[which], self.clock, without=frozenset(gone))
        rows: set[Place] = set().union(*(self.segments.pop(key) for key in merged.deleted))
        rows = {place for place in rows if place.pack not in gone}
        assert bool(rows) == bool(merged.put)
        self.segments.update((key, rows) for key in merged.put)
        self.indexes[which].refresh()
        assert gone.isdisjoint(self.indexes[which].packs())

    @rule(number=st.integers(0, 100))
    def lose_segment(self, number: int) -> None:
        if self.segments:
            key = sorted(self.segments)[number % len(self.segments)]
            self.blob.delete(key)
            del self.segments[key]

    @rule(number=st.integers(0, 100), at=st.integers(0, 2**16), bit=st.integers(0, 7))
    def damage(self, number: int, at: int, bit: int) -> None:
        """A file of the cache is replaced by one with another byte: files that are open are not changed."""
        files = sorted(self.cache.iterdir())
        if files:
            place = files[number % len(files)]
            content = bytearray(place.read_bytes())
            content[at % len(content)] ^= 1 << bit
            place.unlink()
            place.write_bytes(content)

    @rule(number=st.integers(0, 100))
    def drop_file(self, number: int) -> None:
        files = sorted(self.cache.iterdir())
        if files:
            files[number % len(files)].unlink()

    @invariant()
    def every_process_that_looks_sees_what_the_segments_say(self) -> None:
        places = set().union(*self.segments.values())
        for index in (self.process(0), self.process(1)):
            assert {place for chunk in CHUNKS for place in index.places(chunk)} == places
            assert len(index.table()) == len(places)
            held = {place.row.chunk for place in places}
            assert all((index.find(chunk) is not None) == (chunk in held) for chunk in CHUNKS)


IndexModel.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestIndexModel = IndexModel.TestCase
