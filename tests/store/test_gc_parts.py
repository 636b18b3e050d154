"""The parts of gc by themselves: what manifests reach, sets of chunks, and the judgement of packs and keys."""

import io
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt
from datamon.store.backend.memory import MemoryBackend
from datamon.store.chunks import cut
from datamon.store.entries import TreeEntry
from datamon.store.gc import chunk_set
from datamon.store.gc.chunk_set import ChunkSet, prefixes
from datamon.store.gc.inventory import Inventory
from datamon.store.gc.judge import Judge
from datamon.store.hashing import PLAIN
from datamon.store.ids import ChunkId, ContentId
from datamon.store.manifest import write_manifest
from datamon.store.reach import CHUNK_TYPE, Reach
from datamon.store.recipes import RecipeRow, RecipeWriter, recipe_rows
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.trees import OLD_NS

# -- reach


def _rows(name: str, count: int) -> list[RecipeRow]:
    return [RecipeRow(ChunkId(random_bytes(f"{name} {number}", 32)), 70_000 + number) for number in range(count)]


def _file(path: str, recipe: bytes) -> TreeEntry:
    content = ContentId(random_bytes(path, 32).hex())
    return TreeEntry(path, "file", 1_000_000, content, None, recipe, False, 0o644, OLD_NS)


@settings(max_examples=30)
@given(
    counts=st.lists(st.integers(2, 6_000), min_size=1, max_size=3),
    edits=st.lists(st.tuples(st.integers(0, 5_999), st.sampled_from(["change", "insert", "remove"])), max_size=4),
    most_rows=st.sampled_from([1, 2, 32]),
)
def test_reach_finds_every_chunk_and_list_whatever_files_have_in_common(
    counts: list[int], edits: list[tuple[int, str]], most_rows: int
) -> None:
    """Each file comes twice, the second time edited, so that most pieces of its list are the same and rows go on across them."""
    kept: dict[ChunkId, bytes] = {}

    def keep(piece: bytes) -> RecipeRow:
        kept[PLAIN.chunk(piece)] = piece
        return RecipeRow(PLAIN.chunk(piece), len(piece))

    recipes = []
    for number, count in enumerate(counts):
        rows = _rows(str(number), count)
        for version in range(2):
            if version:
                rows = _edited(rows, edits)
            writer = RecipeWriter(keep, most_rows)
            for row in rows:
                writer.add(row.chunk, row.length)
            recipes.append(writer.finish())
    expected: set[ChunkId] = set()

    def get(row: RecipeRow) -> bytes:
        expected.add(row.chunk)
        return kept[row.chunk]

    for recipe in recipes:
        expected.update(row.chunk for row in recipe_rows(recipe, get))
    metadata = MemoryBackend()
    reach = Reach(metadata, lambda chunk: kept[chunk])
    found: set[ChunkId] = set()
    for number, recipe in enumerate(recipes):
        manifest = write_manifest(metadata, [_file(f"{number}", recipe)])
        found.update(chunk for ids in reach.walk(manifest) for chunk in ids.to_pylist())
    assert found == expected
    assert reach.keys == {stored.key for stored in metadata.list("")}


def _edited(rows: list[RecipeRow], edits: list[tuple[int, str]]) -> list[RecipeRow]:
    edited = list(rows)
    for place, what in edits:
        at = place % len(edited)
        if what == "insert" or len(edited) < 3:
            edited.insert(at, RecipeRow(ChunkId(random_bytes(f"new {place}", 32)), 7))
        elif what == "remove":
            del edited[at]
        else:
            edited[at] = RecipeRow(ChunkId(random_bytes(f"other {place}", 32)), 9)
    return edited


def test_a_recipe_that_is_not_whole_is_corrupt() -> None:
    metadata = MemoryBackend()
    piece = b"x" * 50
    manifest = write_manifest(metadata, [_file("a", b"\1" + RecipeRow(PLAIN.chunk(piece), 50).encode())])
    with pytest.raises(Corrupt, match="not whole"):
        list(Reach(metadata, lambda _: piece).walk(manifest))


def test_lists_are_cut_where_the_test_needs_it() -> None:
    """6,000 rows are several pieces, so that rows do go on across pieces above."""
    rows = b"".join(row.encode() for row in _rows("0", 6_000))
    assert len(list(cut(io.BytesIO(rows)))) > 2


# -- sets of chunks

CHUNK = st.integers(0, 60).map(lambda number: random_bytes(str(number), 32))


@given(added=st.lists(st.lists(CHUNK)), asked=st.lists(CHUNK), parts_from=st.sampled_from([0, 5, 1000]))
def test_a_set_holds_what_was_added(added: list[list[bytes]], asked: list[bytes], parts_from: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_set, "_PARTS_FROM", parts_from)
        one, other = ChunkSet(), ChunkSet()
        for number, chunks in enumerate(added):
            (one, other)[number % 2].add(pa.array(chunks, CHUNK_TYPE))
        both = one.union(other)
        expected = {chunk for chunks in added for chunk in chunks}
        assert len(both) == len(expected)
        assert both.holds(prefixes(pa.array(asked, CHUNK_TYPE))).to_pylist() == [chunk in expected for chunk in asked]


# -- judgement


@dataclass
class FixedMarks:
    """What would be marked."""

    live_chunks: ChunkSet
    chunks: ChunkSet
    live_keys: frozenset[str] = frozenset()
    keys: frozenset[str] = field(default=frozenset())


NAMES = [f"{letter * 27}-00000001" for letter in "abcdef"]
PLACES = st.dictionaries(st.sampled_from(NAMES), st.sets(st.integers(0, 12), max_size=6))


@given(
    places=PLACES,
    present=st.sets(st.sampled_from(NAMES)),
    condemned=st.sets(st.sampled_from(NAMES)),
    live=st.sets(st.integers(0, 12)),
    sparse_below=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_needed_chunk_keeps_a_place_and_nothing_needless_is_kept(
    places: dict[str, set[int]], present: set[str], condemned: set[str], live: set[int], sparse_below: float
) -> None:
    there = {name: chunks for name, chunks in places.items() if name in present}
    rows = [(_chunk(chunk), name, 10) for name, chunks in places.items() for chunk in chunks]
    inventory = Inventory(_table(rows), dict.fromkeys(present, 100), {})
    needed = ChunkSet()
    needed.add(pa.array(sorted(map(_chunk, live)), CHUNK_TYPE))
    marks = FixedMarks(needed, needed)
    if not live <= set().union(*there.values()):
        with pytest.raises(Corrupt, match="in no pack"):
            Judge(marks, inventory)  # type: ignore[arg-type]
        return
    verdict = Judge(marks, inventory).verdict(frozenset(condemned), sparse_below)  # type: ignore[arg-type]
    going = verdict.dead | verdict.sweepable
    assert going | verdict.kept | verdict.sparse <= present
    assert verdict.sweepable | verdict.kept == condemned & present
    assert verdict.dead.isdisjoint(condemned)
    for chunk in live:
        holders = {name for name in there if chunk in there[name]}
        standing = holders - condemned
        if standing:
            assert standing - going, "its last place that is not condemned would go"
        else:
            assert holders <= verdict.kept, "another collector may be about to take any of them"
    for name in going:
        assert all(
            any(chunk in there[other] for other in there.keys() - going) for chunk in there.get(name, set()) & live
        )
    for name in present - going:
        assert there.get(name, set()) & live, "nothing in it is needed"


def _chunk(number: int) -> bytes:
    return random_bytes(str(number), 32)


def _table(rows: list[tuple[bytes, str, int]]) -> pa.Table:
    chunks, packs, lengths = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "chunk": pa.array(chunks, CHUNK_TYPE),
            "pack": pa.array(packs, pa.string()).dictionary_encode(),
            "length": pa.array(lengths, pa.uint32()),
        }
    )
