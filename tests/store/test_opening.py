"""Opening a store: it is made once, known again, and refused when it is not ours to open."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from datamon.errors import Conflict, Corrupt, Invalid
from datamon.store import chunks, layout
from datamon.store.backend import Backend
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.codec import decode_sealed, encode, encode_sealed, stamped
from datamon.store.ids import is_ksuid
from datamon.store.opening import CHUNKING, Places, Store, memory_store, open_store, store_on
from datamon.store.repos import create_repo, list_repos
from datamon.store.seal import seal
from datamon.store.testing.clocks import START_NS, SteppingClock

ADA = Author("Ada", "ada@example.org")


def _keys(backend: Backend) -> dict[str, bytes]:
    return {stored.key: backend.get(stored.key) for stored in backend.list("")}


def test_a_store_is_made_by_the_first_opening_and_found_by_the_next(
    local_store: Store, reopen: Callable[[], Store]
) -> None:
    create_repo(local_store, "orders", "")
    again = reopen()
    assert again.id == local_store.id
    assert again.created_ns == local_store.created_ns
    assert [repo.name for repo in list_repos(again)] == ["orders"]


def sealed_text(text: str) -> bytes:
    return text.encode() + b"\n%s\n" % blake3(text.encode()).hexdigest(16).encode()


def test_the_two_records_that_identify_a_store_are_as_the_format_says() -> None:
    store = memory_store(clock=SteppingClock(step_ns=0))
    assert _keys(store.metadata) == {
        "store.json": sealed_text(
            '{"chunking":{"algorithm":"fastcdc-2020","average":65536,"maximum":262144,"minimum":16384,"normalization":2,'
            f'"seed":0}},"created":{START_NS},"format":1,"hash":"blake3","kind":"store","store":"{store.id}"}}'
        )
    }
    assert _keys(store.blob) == {"blobs.json": sealed_text(f'{{"format":1,"kind":"blobs","store":"{store.id}"}}')}
    assert is_ksuid(store.id)


def test_the_chunking_in_the_record_is_the_one_that_cuts() -> None:
    assert CHUNKING == {
        "algorithm": "fastcdc-2020",
        "average": chunks.AVERAGE_BYTES,
        "minimum": chunks.MINIMUM_BYTES,
        "maximum": chunks.MAXIMUM_BYTES,
        "normalization": chunks.NORMALIZATION,
        "seed": chunks.SEED,
    }


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_racing_openers_get_one_store(kind: str, tmp_path: Path) -> None:
    def backend(name: str) -> Backend:
        return MemoryBackend() if kind == "memory" else LocalBackend(tmp_path / name)

    metadata, blob = backend("metadata"), backend("blob")
    with ThreadPoolExecutor(8) as openers:
        stores = list(openers.map(lambda _: store_on(metadata, blob, ADA), range(24)))
    assert len({store.id for store in stores}) == 1
    assert len(_keys(metadata)) == 1
    assert len(_keys(blob)) == 1


def test_metadata_and_blobs_may_lie_in_one_place(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    store = open_store(Places(place, place), ADA)
    assert set(_keys(store.blob)) == {layout.STORE, layout.BLOBS}
    assert open_store(Places(place, place), ADA).id == store.id


@pytest.mark.parametrize(("metadata", "blob"), [("s/meta", "s"), ("s", "s/blob")])
def test_one_place_may_lie_in_the_other(metadata: str, blob: str, tmp_path: Path) -> None:
    places = Places(str(tmp_path / metadata), str(tmp_path / blob))
    assert open_store(places, ADA).id == open_store(places, ADA).id


def test_an_opening_that_was_cut_short_is_completed_by_the_next() -> None:
    metadata, blob = MemoryBackend(), MemoryBackend()
    identity = store_on(metadata, blob, ADA).id
    blob.delete(layout.BLOBS)
    assert store_on(metadata, blob, ADA).id == identity
    assert decode_sealed(blob.get(layout.BLOBS), "blobs")["store"] == identity


def test_a_store_in_a_newer_format_is_refused_and_left_as_it_is() -> None:
    metadata, blob = MemoryBackend(), MemoryBackend()
    metadata.put(layout.STORE, encode_sealed({"format": 3, "kind": "store", "store": "x"}))
    before = _keys(metadata)
    with pytest.raises(Invalid, match="upgrade datamon") as refusal:
        store_on(metadata, blob, ADA)
    assert refusal.value.code == "newer-format"
    assert _keys(metadata) == before
    assert _keys(blob) == {}


def test_a_store_that_cuts_otherwise_is_refused() -> None:
    metadata = MemoryBackend()
    record = decode_sealed(memory_store().metadata.get(layout.STORE), "store")
    metadata.put(layout.STORE, encode_sealed({**record, "chunking": {**CHUNKING, "average": 4096}}))
    with pytest.raises(Invalid) as refusal:
        store_on(metadata, MemoryBackend(), ADA)
    assert refusal.value.code == "newer-format"


def test_blobs_of_another_store_are_refused() -> None:
    other = memory_store()
    with pytest.raises(Conflict, match=other.id) as refusal:
        store_on(MemoryBackend(), other.blob, ADA)
    assert refusal.value.code == "foreign-blobs"


def test_a_place_full_of_other_things_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(Invalid, match=r"thesis\.tex") as refusal:
        open_store(Places(str(tmp_path), str(tmp_path)), ADA)
    assert refusal.value.code == "bad-path"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", encode(stamped("blobs", {"store": "x"})), encode(stamped("store", {}))],
)
def test_a_record_that_does_not_identify_a_store_is_corrupt(content: bytes) -> None:
    metadata = MemoryBackend()
    metadata.put(layout.STORE, seal(content))
    with pytest.raises(Corrupt, match=r"memory:///store\.json") as refusal:
        store_on(metadata, MemoryBackend(), ADA)
    assert refusal.value.code == "bad-record"


def test_looking_at_what_is_not_there_makes_nothing_on_disk_but_the_store_itself(
    local_store: Store, tmp_path: Path
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert list_repos(local_store) == []
    assert local_store.journal.read({})[0] == []
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
