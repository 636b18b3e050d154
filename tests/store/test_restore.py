"""Restore: every byte verified, each frame read once, whatever the backend does and wherever the bytes went meanwhile."""

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Bundle
from datamon.store.chunk_store import ChunkStore
from datamon.store.download import download
from datamon.store.ids import ChunkId
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import Fault, FaultyBackend
from datamon.store.testing.listeners import Interrupting
from datamon.store.testing.trees import snapshot, upload_tree, write_files
from datamon.store.testing.users import ordinary_user

READS = frozenset({"get", "list"})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree of everything that takes its own way: files of several batches, of few chunks, of one, of none, and copies."""
    top = tmp_path / "source"
    small = {f"d{number % 7}/{number:03d}.csv": f"{number}\n" * (number * 11) for number in range(300)}
    write_files(top, {**small, "empty": "", "again.csv": small["d1/001.csv"]})
    (top / "large.bin").write_bytes(random_bytes("large", 3_500_000))
    (top / "large again.bin").write_bytes(random_bytes("large", 3_500_000))
    (top / "large mixed.bin").write_bytes(random_bytes("other", 900_000) + random_bytes("large", 2_000_000))
    (top / "middle.bin").write_bytes(random_bytes("middle", 200_000))
    (top / "zeros.bin").write_bytes(bytes(5_000_000))
    (top / "link").symlink_to("large.bin")
    return top


def faulty(store: Store, *faults: Fault) -> FaultyBackend:
    """The store's blob backend, which from now on fails at some of its reads."""
    blob = FaultyBackend(store.blob, *faults, methods=READS)
    store.blob = blob
    vars(store)["chunks"] = ChunkStore(blob, clock=store.clock)
    return blob


def packs_of(blob: Backend) -> list[str]:
    """The keys of all packs."""
    return [stored.key for stored in blob.list(layout.PACKS)]


def test_files_of_any_size_come_back_in_parallel(store: Store, source: Path, tmp_path: Path) -> None:
    assert download(store, upload_tree(store, source), tmp_path / "out") == 308
    assert snapshot(tmp_path / "out") == snapshot(source)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.sampled_from([0, 1, 700, 65_536, 70_000, 400_000])),
        max_size=40,
    )
)
def test_any_mix_of_sizes_and_copies_comes_back_from_any_packs(files: list[tuple[str, int, int]]) -> None:
    store = memory_store()
    vars(store)["chunks"] = ChunkStore(store.blob, clock=store.clock, pack_bytes=300_000, recipe_rows=2)
    with ordinary_user() as home:
        for number, (seed, folder, size_bytes) in enumerate(files):
            place = home / "source" / str(folder) / f"{number}.{seed}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(random_bytes(seed, size_bytes))
        (home / "source").mkdir(exist_ok=True)
        download(store, upload_tree(store, home / "source"), home / "out")
        assert snapshot(home / "out") == snapshot(home / "source")


def test_small_files_are_read_a_few_megabytes_at_a_time(store: Store, tmp_path: Path) -> None:
    files = {f"{number % 9}/{number:04d}.txt": f"{number} " * 500 for number in range(2_000)}
    bundle = upload_tree(store, write_files(tmp_path / "in", files))
    blob = faulty(store)
    download(store, bundle, tmp_path / "out")
    reads = [call for call in blob.calls if call.startswith("get packs/")]
    stored_bytes = sum(len(store.blob.get(key)) for key in packs_of(store.blob))
    assert len(reads) <= 2 + stored_bytes // 100_000
    assert len(reads) < 20


def test_a_long_file_is_read_in_runs_of_neighbouring_chunks(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x").write_bytes(random_bytes("x", 8_000_000))
    bundle = upload_tree(store, tmp_path / "in")
    blob = faulty(store)
    download(store, bundle, tmp_path / "out")
    assert sum(call.startswith("get packs/") for call in blob.calls) <= 8


def test_every_failed_read_is_an_error_of_its_kind_that_leaves_nothing(
    store: Store, source: Path, tmp_path: Path
) -> None:
    bundle = upload_tree(store, source)
    clean = store.blob
    count = len(count_reads(store, bundle, tmp_path))
    before = threading.active_count()
    for number in range(1, count + 1):
        store.blob = clean
        faulty(store, Fault(number, "before"))
        with pytest.raises(Unavailable, match="does not answer"):
            download(store, bundle, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert threading.active_count() == before


def count_reads(store: Store, bundle: Bundle, tmp_path: Path) -> list[str]:
    """The calls of one download that succeeds."""
    blob = faulty(store)
    download(store, bundle, tmp_path / "counted")
    return blob.calls


@pytest.mark.parametrize("number", [1, 9, 150, 310])
def test_an_interrupt_leaves_no_thread_and_nothing_else(
    store: Store, source: Path, tmp_path: Path, number: int
) -> None:
    bundle = upload_tree(store, source)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        download(store, bundle, tmp_path / "out", progress=Interrupting(number))
    assert threading.active_count() == before
    assert not (tmp_path / "out").exists()


def test_chunks_that_went_to_other_packs_meanwhile_are_found_there(store: Store, source: Path, tmp_path: Path) -> None:
    bundle = upload_tree(store, source)
    assert store.chunks.locate(ChunkId(bytes(32))) is None  # so the index is read, and from now on out of date
    for key in packs_of(store.blob):
        store.blob.delete(key)
    other = store_on(store.metadata, store.blob, store.author, clock=store.clock)
    upload_tree(other, source)  # with an index that is read now, so every chunk is put again
    download(store, bundle, tmp_path / "out")
    assert snapshot(tmp_path / "out") == snapshot(source)


@pytest.mark.parametrize("damaged", ["frames", "whole"])
def test_what_one_pack_has_wrong_comes_from_another_that_has_it_right(
    store: Store, source: Path, tmp_path: Path, damaged: str
) -> None:
    bundle = upload_tree(store, source)
    first = {key: store.blob.get(key) for key in packs_of(store.blob)}
    for key in first:
        store.blob.delete(key)
    upload_tree(store_on(store.metadata, store.blob, store.author, clock=store.clock), source)
    for key, content in first.items():
        wrong = bytearray(content) if damaged == "frames" else bytearray(len(content))
        wrong[40::1000] = bytes(255 - each for each in wrong[40::1000])
        store.blob.put(key, bytes(wrong))
    fresh = store_on(store.metadata, store.blob, store.author, clock=store.clock)
    download(fresh, bundle, tmp_path / "out")
    assert snapshot(tmp_path / "out") == snapshot(source)


def test_every_damaged_file_is_named(tmp_path: Path) -> None:
    blob = MemoryBackend()
    store = store_on(MemoryBackend(), blob, memory_store().author)
    source = tmp_path / "in"
    source.mkdir()
    for number in range(6):
        (source / f"{number}.x{number}").write_bytes(random_bytes(str(number), 700))
    bundle = upload_tree(store, source)
    [key] = packs_of(blob)
    whole = blob.get(key)
    named = set()
    for at in range(0, 6 * 720, 90):
        blob.put(key, whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        fresh = store_on(store.metadata, blob, store.author)
        with pytest.raises(Corrupt, match=rf"of the bundle {bundle.id} cannot be restored") as caught:
            download(fresh, bundle, tmp_path / "out")
        named.add(caught.value.path)
    assert named == {path.name for path in source.iterdir()}
