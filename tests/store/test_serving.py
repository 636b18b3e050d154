"""Serving: any stretch of any file is right or an error that names it, little else is fetched, and memory is bounded."""

import fnmatch
import io
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Invalid, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.chunk_store import ChunkStore
from datamon.store.entries import TreeEntry
from datamon.store.hashing import PLAIN
from datamon.store.ids import ContentId
from datamon.store.manifest import iter_entries, write_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.recipes import RecipeRow, RecipeWriter
from datamon.store.serving import segment_rows
from datamon.store.serving.decoded_chunks import DecodedChunks
from datamon.store.serving.file_chunks import FileChunks
from datamon.store.serving.globs import globbed
from datamon.store.serving.served_file import ChunkedFile, ServedFile
from datamon.store.serving.served_tree import AccessKind, ServedTree
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.counting import CountingBackend
from datamon.store.testing.faults import Fault, FaultyBackend
from datamon.store.testing.strategies import contents
from datamon.store.testing.trees import commit_manifest, entries_of, trees, upload_tree, write_files

LARGE = random_bytes("large", 3_000_000)


def served(store: Store, tree: Path, limit_bytes: int = 64 * 2**20) -> ServedTree:
    """The directory, uploaded and opened."""
    return ServedTree(store, upload_tree(store, tree), DecodedChunks(store.chunks, limit_bytes))


def counted(store: Store) -> CountingBackend:
    """The store's packs, counted and far away from now on; nothing of them is in memory yet, save where they lie."""
    blob = CountingBackend(store.blob)
    store.blob = blob
    vars(store)["chunks"] = ChunkStore(blob, clock=store.clock)
    store.chunks.packs_absent()
    blob.got_bytes = 0
    return blob


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a file of many chunks, small ones that share a frame, an empty one and symlinks."""
    top = write_files(tmp_path / "tree", {f"small/{number}.csv": f"{number}\n" * number for number in range(50)})
    (top / "large.bin").write_bytes(LARGE)
    (top / "empty").write_bytes(b"")
    (top / "link").symlink_to("small/7.csv")
    (top / "up").symlink_to("small")
    (top / "circle").symlink_to("circle")
    (top / "away").symlink_to("/etc/passwd")
    (top / "above").symlink_to("../x")
    return top


@given(content=contents(1_500_000), recipe_rows=st.sampled_from((1, 2, 32)), data=st.data())
@settings(max_examples=60)
def test_any_stretch_is_that_of_the_bytes(content: bytes, recipe_rows: int, data: st.DataObject) -> None:
    chunks = ChunkStore(MemoryBackend(), clock=SteppingClock(), recipe_rows=recipe_rows)
    session = chunks.session()
    stored = session.put_file(io.BytesIO(content), extension="", size_hint=len(content))
    session.close()
    entry = TreeEntry("f", "file", len(content), stored.content, None, stored.recipe, False, 0o644, 0)
    with DecodedChunks(chunks, data.draw(st.sampled_from((1, 300_000, 2**26)))) as decoded:
        file = opened_file(entry, decoded)
        assert file.size == len(content)
        for _ in range(8):
            offset, length = data.draw(st.integers(0, len(content) + 9)), data.draw(st.integers(0, 700_000))
            assert file.read(offset, length) == content[offset : offset + length]


def opened_file(entry: TreeEntry, decoded: DecodedChunks) -> ServedFile:
    """The entry's file, of a bundle of nothing."""
    store = memory_store()
    return ChunkedFile(commit_manifest(store, write_manifest(store.metadata, [])), entry, decoded)


def test_a_stretch_costs_little_more_than_its_chunks(store: Store, root: Path) -> None:
    bundle = upload_tree(store, root)
    blob = counted(store)
    file = ServedTree(store, bundle, DecodedChunks(store.chunks)).open("large.bin")
    assert file.read(1_000_000, 1_000) == LARGE[1_000_000:1_001_000]
    assert blob.got_bytes < 300_000
    asked = blob.calls["get"]
    assert file.read(1_000_000, 500) == LARGE[1_000_000:1_000_500]
    assert blob.calls["get"] == asked


def test_small_files_that_share_a_frame_fetch_it_once(store: Store, root: Path) -> None:
    bundle = upload_tree(store, root)
    blob = counted(store)
    tree = ServedTree(store, bundle, DecodedChunks(store.chunks))
    for number in range(1, 50):
        assert tree.open(f"small/{number}.csv").read(0, 10**6) == (f"{number}\n" * number).encode()
    assert blob.calls["get"] <= 3


def test_a_sequence_of_reads_is_read_ahead_and_a_jump_is_not(store: Store, root: Path) -> None:
    bundle = upload_tree(store, root)
    blob = counted(store)
    with DecodedChunks(store.chunks) as decoded:
        file = ServedTree(store, bundle, decoded).open("large.bin")
        for offset in range(0, 1_000_000, 100_000):
            file.read(offset, 100_000)
        until = time.monotonic() + 30
        while blob.got_bytes < 1_500_000 and time.monotonic() < until:
            time.sleep(0.01)
    assert blob.got_bytes > 1_500_000
    with DecodedChunks(store.chunks) as decoded:
        file = ServedTree(store, bundle, decoded).open("large.bin")
        blob.got_bytes = 0
        file.read(2_900_000, 100)
        file.read(10, 100)
        file.read(1_500_000, 100)
    assert blob.got_bytes < 1_000_000


def test_nothing_is_read_ahead_where_nothing_is_allowed(store: Store, root: Path) -> None:
    bundle = upload_tree(store, root)
    blob = counted(store)
    with DecodedChunks(store.chunks, ahead_bytes=0) as decoded:
        file = ServedTree(store, bundle, decoded).open("large.bin")
        for offset in range(0, 1_000_000, 100_000):
            file.read(offset, 100_000)
    assert blob.got_bytes < 1_500_000  # the same reads with reading ahead fetch more


def test_memory_stays_below_its_limit_however_much_is_read(store: Store, root: Path) -> None:
    with DecodedChunks(store.chunks, 500_000) as decoded:
        file = ServedTree(store, upload_tree(store, root), decoded).open("large.bin")
        for offset in range(0, 3_000_000, 50_000):
            assert file.read(offset, 50_000) == LARGE[offset : offset + 50_000]
            assert decoded.held_bytes <= 500_000
        assert decoded.held_bytes > 100_000
    assert decoded.held_bytes == 0


def test_many_threads_read_one_file_and_each_chunk_is_fetched_once(store: Store, root: Path) -> None:
    bundle = upload_tree(store, root)
    blob = counted(store)
    with DecodedChunks(store.chunks) as decoded, ThreadPoolExecutor(8) as threads:
        file = ServedTree(store, bundle, decoded).open("large.bin")
        begins = [number * 37_000 % 2_900_000 for number in range(400)]
        found = list(threads.map(lambda begin: file.read(begin, 70_000), begins))
    assert found == [LARGE[begin : begin + 70_000] for begin in begins]
    assert blob.got_bytes < 1.2 * len(LARGE)


def test_reads_after_closing_still_work(store: Store, root: Path) -> None:
    decoded = DecodedChunks(store.chunks)
    file = ServedTree(store, upload_tree(store, root), decoded).open("large.bin")
    decoded.close()
    assert file.read(0, 10**7) == LARGE


def test_planted_corruption_is_an_error_that_names_the_file_and_never_other_bytes(store: Store, root: Path) -> None:
    bundle = upload_tree(store, root)
    [pack] = [stored.key for stored in store.blob.list(layout.PACKS)]
    content = bytearray(store.blob.get(pack))
    for place in range(1_000, len(content) - 100_000, 20_000):
        content[place] ^= 1
    store.blob.delete(pack)
    store.blob.put(pack, bytes(content))
    vars(store)["chunks"] = ChunkStore(store.blob, clock=store.clock)
    with DecodedChunks(store.chunks) as decoded:
        file = ServedTree(store, bundle, decoded).open("large.bin")
        faults = 0
        for begin in range(0, 3_000_000, 10_000):
            try:
                assert file.read(begin, 1_000) == LARGE[begin : begin + 1_000]
            except Corrupt as error:
                assert "'large.bin'" in str(error)
                assert error.facts["path"] == "large.bin"
                assert error.facts["bundle"] == bundle.id
                faults += 1
        assert faults > 100
        with pytest.raises(Corrupt, match=r"'large\.bin'"):
            file.read(0, 3_000_000)


def test_a_store_that_does_not_answer_is_an_error_and_the_next_read_asks_again(store: Store, root: Path) -> None:
    bundle = upload_tree(store, root)
    vars(store)["chunks"] = ChunkStore(
        FaultyBackend(store.blob, Fault(1, "before"), methods=frozenset({"get"})), clock=store.clock
    )
    store.chunks.packs_absent = lambda: frozenset()  # type: ignore[method-assign]
    file = ServedTree(store, bundle, DecodedChunks(store.chunks)).open("large.bin")
    with pytest.raises(Unavailable):
        file.read(0, 100)
    assert file.read(0, 100) == LARGE[:100]


@dataclass
class Lists:
    """The recipe of a file of any size that nobody ever wrote, and which of its lists are asked for."""

    entry: TreeEntry
    kept: dict[RecipeRow, bytes]
    asked: int = 0

    def get(self, rows: Sequence[RecipeRow]) -> list[bytes]:
        """What the lists hold."""
        self.asked += len(rows)
        return [self.kept[row] for row in rows]


def lists_of(lengths: Sequence[int], most_rows: int = 32, more_bytes: int = 0) -> Lists:
    """Those of a file whose chunks have these lengths."""
    kept: dict[RecipeRow, bytes] = {}

    def keep(content: bytes) -> RecipeRow:
        row = RecipeRow(PLAIN.chunk(content), len(content))
        kept[row] = content
        return row

    writer = RecipeWriter(keep, most_rows)
    for number, length in enumerate(lengths):
        writer.add(PLAIN.chunk(number.to_bytes(4, "big")), length)
    size_bytes = sum(lengths) + more_bytes
    return Lists(TreeEntry("f", "file", size_bytes, ContentId("0" * 64), None, writer.finish(), False, 0, 0), kept)


@given(data=st.data(), most_rows=st.sampled_from((1, 2, 32)))
@settings(max_examples=30)
def test_the_chunks_of_a_stretch_are_found_in_whatever_order_stretches_are_asked_for(
    data: st.DataObject, most_rows: int
) -> None:
    lengths = data.draw(st.lists(st.integers(1, 100_000), min_size=2, max_size=40)) * data.draw(
        st.sampled_from((1, 3, 400))
    )
    lists = lists_of(lengths, most_rows)
    size = lists.entry.size_bytes
    begins = [0]
    for length in lengths:
        begins.append(begins[-1] + length)
    chunks = FileChunks(lists.entry, lists.get)
    for _ in range(5):
        begin = data.draw(st.integers(0, size - 1))
        end = data.draw(st.integers(begin + 1, min(size, begin + 1_000_000)))
        expected = [
            (number.to_bytes(4, "big"), at)
            for number, at in enumerate(begins[:-1])
            if at < end and at + lengths[number] > begin
        ]
        found = chunks.between(begin, end)
        assert [each.begin for each in found] == [at for _, at in expected]
        assert [each.chunk for each in found] == [PLAIN.chunk(number) for number, _ in expected]


def test_the_first_and_the_last_byte_of_a_file_of_a_hundred_gigabytes_need_few_lists() -> None:
    lists = lists_of([65_536] * 1_600_000)
    chunks = FileChunks(lists.entry, lists.get)
    assert chunks.between(0, 1)[0].begin == 0
    assert lists.asked <= 4
    assert chunks.between(lists.entry.size_bytes - 1, lists.entry.size_bytes)[0].begin == 65_536 * 1_599_999
    assert lists.asked <= 10
    chunks.between(lists.entry.size_bytes // 4, lists.entry.size_bytes // 4 + 1)
    assert lists.asked < len(lists.kept) // 3


def test_lists_that_do_not_make_up_the_file_are_an_error() -> None:
    lists = lists_of([1_000] * 50_000, more_bytes=7)
    chunks = FileChunks(lists.entry, lists.get)
    with pytest.raises(Corrupt, match="50000000 bytes in all"):
        for begin in range(0, lists.entry.size_bytes, 100_000):
            chunks.between(begin, begin + 1)


@given(tree=trees())
@settings(max_examples=100)
def test_entries_and_children_are_those_of_the_tree(tree: list[TreeEntry]) -> None:
    store = memory_store()
    bundle = commit_manifest(store, write_manifest(store.metadata, tree))
    opened = ServedTree(store, bundle, DecodedChunks(store.chunks))
    by_path = {entry.path: entry for entry in iter_entries(store.metadata, opened.manifest)}
    for path, entry in by_path.items():
        assert opened.entry(path) == entry
        assert opened.entry(f"{path}-not") == by_path.get(f"{path}-not")
    for directory in ["", *(path for path, entry in by_path.items() if entry.kind == "dir")]:
        expected = sorted(path for path in by_path if path.rpartition("/")[0] == directory)
        assert [entry.path for entry in opened.children(directory)] == expected
        lead = f"{directory}/" if directory else ""
        assert [entry.path for entry in opened.below(directory)] == sorted(
            path for path in by_path if path.startswith(lead)
        )
        for path in expected:
            rest = [entry.path for entry in opened.children(directory, after=path[len(lead) :])]
            assert rest == expected[expected.index(path) + 1 :]


_PATTERN = st.lists(
    st.sampled_from(["a", "b", "a-b", "*", "**", "?", "a*", "*.csv", "[ab]", "[!a]", "é", "*\n*"]),
    min_size=1,
    max_size=4,
).map("/".join)


@given(tree=trees(), pattern=_PATTERN)
@settings(max_examples=200)
def test_a_glob_finds_what_the_same_pattern_finds_among_all_paths(tree: list[TreeEntry], pattern: str) -> None:
    store = memory_store()
    bundle = commit_manifest(store, write_manifest(store.metadata, tree))
    found = [entry.path for entry in globbed(ServedTree(store, bundle, DecodedChunks(store.chunks)), pattern)]
    directories = {entry.path for entry in tree if entry.kind == "dir"}
    fits = re.compile(expected_regex(pattern)).fullmatch
    assert len(found) == len(set(found))
    assert set(found) == {entry.path for entry in tree if fits(entry.path)} - {
        entry.path for entry in tree if not set(above(entry.path)) <= directories
    }


def above(path: str) -> list[str]:
    """The directories above a path."""
    return [path[:at] for at, character in enumerate(path) if character == "/"]


def expected_regex(pattern: str) -> str:
    """The pattern over whole paths, made another way: `**` is any number of parts, and at the end at least one."""
    parts = pattern.split("/")
    made = ""
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "**":
            made += r"(?s:.+)" if is_last else r"(?:(?s:[^/]+)/)*"
        else:
            name = fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*")
            made += f"(?s:{name.replace('.', '[^/]') if '?' in part else name})" + ("" if is_last else "/")
    return made


def test_a_directory_beside_a_huge_one_is_listed_without_reading_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"huge/{number:06d}" for number in range(60_000)] + ["a/x", "huge-not", "huge.txt", "huge0", "z/y"]
    bundle = commit_manifest(store, write_manifest(store.metadata, entries_of(paths)))
    monkeypatch.setattr(segment_rows, "ROWS_HELD", 1)
    metadata = CountingBackend(store.metadata)
    store.metadata = metadata
    tree = ServedTree(store, bundle, DecodedChunks(store.chunks))
    assert len(tree.manifest.segments) > 8
    names = [entry.path for entry in tree.children("")]
    assert names == ["a", "huge", "huge-not", "huge.txt", "huge0", "z"]
    assert metadata.calls["get"] <= 1 + 2 * 4
    assert sum(1 for _ in tree.children("huge")) == 60_000


def test_what_is_opened_and_what_is_missed_is_told_once(store: Store, root: Path) -> None:
    told: list[tuple[AccessKind, str]] = []
    tree = ServedTree(
        store, upload_tree(store, root), DecodedChunks(store.chunks), lambda kind, path: told.append((kind, path))
    )
    assert tree.entry("small/1.csv") is not None
    assert told == []
    tree.open("small/1.csv").read(0, 1)
    tree.open("small/1.csv")
    assert tree.entry("none") is None
    assert tree.entry("none") is None
    tree.open("up/3.csv")
    assert told == [("read", "small/1.csv"), ("absent", "none"), ("read", "up"), ("read", "small/3.csv")]


def test_symlinks_are_followed_inside_the_bundle_and_nowhere_else(store: Store, root: Path) -> None:
    tree = served(store, root)
    assert tree.open("link").read(0, 2) == b"7\n"
    assert tree.open("up/../up/7.csv").path == "small/7.csv"
    assert tree.followed("away") is None
    assert tree.followed("above") is None
    with pytest.raises(NotFound, match="through a symlink to nothing"):
        tree.open("away")
    with pytest.raises(Invalid, match="circle"):
        tree.open("circle")


def test_what_is_no_file_is_refused_and_says_what_is_near(store: Store, root: Path) -> None:
    tree = served(store, root)
    with pytest.raises(Invalid, match="is a directory"):
        tree.open("small")
    with pytest.raises(NotFound, match=r"small/7\.csv"):
        tree.open("7.csv")
    assert tree.open("empty").read(0, 100) == b""
    assert tree.open("small/1.csv").read(5, 100) == b""
    with pytest.raises(ValueError, match="below zero"):
        tree.open("small/1.csv").read(-1, 100)


def test_a_reader_that_is_stopped_leaves_nobody_waiting(store: Store, root: Path) -> None:
    """One thread is stopped in the middle of a read on which another waits: that one reads itself."""
    bundle = upload_tree(store, root)
    reached, stopped = threading.Event(), threading.Event()
    chunks = ChunkStore(Stopping(store.blob, reached, stopped), clock=store.clock)
    decoded = DecodedChunks(chunks)
    file = ServedTree(store, bundle, decoded).open("large.bin")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(file.read, 0, 100)
        reached.wait(30)
        second = threads.submit(ServedTree(store, bundle, decoded).open("large.bin").read, 0, 100)
        stopped.set()
        assert isinstance(first.exception(30), KeyboardInterrupt)
        assert second.result(30) == LARGE[:100]


class Stopping(CountingBackend):
    """Packs whose first read is stopped as by Ctrl-C, once `stopped` is set."""

    def __init__(self, blob: object, reached: threading.Event, stopped: threading.Event) -> None:
        super().__init__(blob)  # type: ignore[arg-type]
        self._reached = reached
        self._stopped = stopped

    def get(self, key: str, span: object = None) -> bytes:
        """See `Backend`."""
        if key.startswith(layout.PACKS) and not self._reached.is_set():
            self._reached.set()
            self._stopped.wait(30)
            raise KeyboardInterrupt
        return super().get(key, span)  # type: ignore[arg-type]
