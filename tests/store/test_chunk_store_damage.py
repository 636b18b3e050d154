"""What damage and failures do to the chunk store: errors that name the pack, never wrong bytes, and nothing half there."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Unavailable
from datamon.store import layout, workers
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.chunk_store import ChunkStore, read_file
from datamon.store.hashing import PLAIN
from datamon.store.ids import ContentId
from datamon.store.pack_session import PackSession, StoredFile
from datamon.store.packs import rescan
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed

FILES = [b"small one", b"small two " * 100, random_bytes("long", 500_000), random_bytes("long", 70_000), b""]


def opened(blob: Backend) -> ChunkStore:
    """A chunk store as another process would open it, with small packs and long recipes."""
    return ChunkStore(blob, clock=SteppingClock(), pack_bytes=200_000, recipe_rows=2)


def put_all(session: PackSession) -> list[StoredFile]:
    """Keeps all of `FILES`."""
    stored = [session.put_file(io.BytesIO(content), extension=".x", size_hint=len(content)) for content in FILES]
    session.close()
    return stored


def made() -> tuple[MemoryBackend, list[StoredFile]]:
    """A backend that holds `FILES`."""
    blob = MemoryBackend()
    return blob, put_all(opened(blob).session())


def read(chunks: ChunkStore, file: StoredFile) -> bytes:
    """A file's bytes."""
    return b"".join(read_file(chunks, file.content, file.size_bytes, file.recipe))


def packs(blob: Backend) -> list[str]:
    """The packs that lie there."""
    return [stored.key for stored in blob.list(layout.PACKS)]


def assert_right_or_corrupt(blob: Backend, stored: list[StoredFile]) -> list[Corrupt]:
    """Every file is read right or is an error that names chunk and pack; the errors."""
    errors = []
    chunks = opened(blob)
    for content, file in zip(FILES, stored, strict=True):
        try:
            assert read(chunks, file) == content
        except Corrupt as error:
            assert error.facts.get("chunk")
            assert str(error.facts.get("pack")) in error.message
            errors.append(error)
    return errors


def flipped(content: bytes, at: int) -> bytes:
    """`content` with one bit of byte `at` changed."""
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


@settings(max_examples=100, deadline=None)
@given(number=st.integers(0, 2), where=st.floats(0, 0.999_999))
def test_a_flipped_byte_is_an_error_and_never_a_file(number: int, where: float) -> None:
    """Defect 1 of the original: a flipped byte gave success and a wrong file."""
    blob, stored = made()
    key = sorted(packs(blob), key=lambda key: key.rpartition("-")[2])[number]
    content = blob.get(key)
    blob.put(key, flipped(content, int(where * len(content))))
    for error in assert_right_or_corrupt(blob, stored):
        assert error.code in ("bad-bytes", "bad-pack")
        assert error.facts["pack"] == key.rpartition("/")[2]


def test_a_flipped_byte_in_stored_bytes_is_noticed() -> None:
    blob, stored = made()
    for key in packs(blob):
        content = blob.get(key)
        blob.put(key, flipped(content, len(content) // 2))
    codes = {error.code for error in assert_right_or_corrupt(blob, stored)}
    assert "bad-bytes" in codes


def test_a_missing_pack_is_an_error_that_names_it() -> None:
    """Defect 1 of the original: a missing blob gave success and a hole of zeros."""
    for number in range(len(packs(made()[0]))):
        blob, stored = made()
        gone = packs(blob)[number]
        blob.delete(gone)
        errors = assert_right_or_corrupt(blob, stored)
        assert errors
        assert {error.code for error in errors} == {"missing-bytes"}
        assert {error.facts["pack"] for error in errors} == {gone.rpartition("/")[2]}
        assert all("is gone" in error.message for error in errors)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_pack_is_an_error(share: float) -> None:
    blob, stored = made()
    for key in packs(blob):
        content = blob.get(key)
        blob.put(key, content[: int(len(content) * share)])
    errors = assert_right_or_corrupt(blob, stored)
    assert errors
    assert {error.code for error in errors} == {"bad-pack"}


def test_a_chunk_without_any_place_is_an_error() -> None:
    with pytest.raises(Corrupt, match=f"no pack in memory:// holds the chunk {PLAIN.chunk(b'x').hex()}") as raised:
        opened(MemoryBackend()).get(PLAIN.chunk(b"x"))
    assert raised.value.code == "missing-bytes"


def test_a_second_copy_of_a_chunk_is_read_when_the_first_is_damaged() -> None:
    blob = MemoryBackend()
    sessions = [opened(blob).session(), opened(blob).session()]
    for session in sessions:
        session.put_bytes(b"both look for chunks of others now, and find none")
    stored = [put_all(session) for session in sessions]
    first = [key for key in packs(blob) if key.rpartition("/")[2].startswith(sessions[0].id)]
    second = [key for key in packs(blob) if key.rpartition("/")[2].startswith(sessions[1].id)]
    assert len(first) == len(second) > 1
    for damaged in (first, second):
        content = {key: blob.get(key) for key in damaged}
        for key in damaged:
            blob.put(key, b"rubbish")
        assert [read(opened(blob), file) for file in stored[0]] == FILES
        for key in damaged:
            blob.delete(key)
        assert [read(opened(blob), file) for file in stored[0]] == FILES
        for key, whole in content.items():
            blob.put(key, whole)


def test_the_content_id_of_the_whole_file_is_checked_too() -> None:
    """A recipe of right chunks in a wrong order passes every chunk's check."""
    blob, stored = made()
    chunks = opened(blob)
    file = next(file for file in stored if file.size_bytes == 500_000)
    with pytest.raises(Corrupt, match="do not make it up"):
        list(read_file(chunks, ContentId("00" * 32), file.size_bytes, file.recipe))
    with pytest.raises(Corrupt, match="do not make it up"):
        list(read_file(chunks, file.content, file.size_bytes + 1, file.recipe))
    with pytest.raises(Corrupt, match="do not make it up"):
        list(read_file(chunks, file.content, 0, None))
    small = stored[0]
    with pytest.raises(Corrupt, match="9 bytes where 10 are listed"):
        list(read_file(chunks, small.content, 10, None))


@pytest.mark.parametrize("cut_off", [1, 20, 36])
def test_a_recipe_that_is_not_whole_is_an_error(cut_off: int) -> None:
    blob, stored = made()
    file = next(file for file in stored if file.size_bytes == 500_000)
    assert file.recipe is not None
    with pytest.raises(Corrupt):
        list(read_file(opened(blob), file.content, file.size_bytes, file.recipe[:-cut_off]))
    with pytest.raises(Corrupt):
        list(read_file(opened(blob), file.content, file.size_bytes, b""))


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 0.999))
def test_a_damaged_index_segment_is_an_error_that_names_it(where: float) -> None:
    blob, stored = made()
    (segment,) = blob.list(layout.INDEX)
    content = blob.get(segment.key)
    blob.put(segment.key, flipped(content, int(where * len(content))))
    try:
        assert [read(opened(blob), file) for file in stored] == FILES
    except Corrupt as error:
        if error.code == "bad-record":
            assert segment.key in error.message


def test_a_rescan_of_packs_without_footers_finds_every_chunk() -> None:
    blob, stored = made()
    found = {row.chunk for key in packs(blob) for row in rescan(blob.get(key)[:-60], PLAIN)}
    lost = {row.chunk for key in packs(blob) for row in rescan(blob.get(key), PLAIN)} - found
    assert not lost
    assert {bytes.fromhex(file.content) for file in stored if file.recipe is None and file.size_bytes} <= found


def _calls_of_a_session() -> int:
    blob = FaultyBackend(MemoryBackend())
    put_all(opened(blob).session())
    return len(blob.calls)


CALLS = _calls_of_a_session()


@pytest.mark.parametrize("inline_bytes", [0, workers.INLINE_BYTES])
@pytest.mark.parametrize("kind", ["before", "after", "full", "killed-before", "killed-after"])
def test_a_fault_at_every_call_of_a_session_shows_nothing_and_a_second_try_works(
    kind: FaultKind, inline_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "INLINE_BYTES", inline_bytes)
    assert CALLS > 4
    for number in range(1, CALLS + 1):
        inner = MemoryBackend()
        session = opened(FaultyBackend(inner, Fault(number, kind))).session()
        with pytest.raises((Unavailable, Killed)):
            put_all(session)
        try:
            session.discard()
        except Killed:
            assert kind.startswith("killed")
        last = number == CALLS and kind.endswith(
            "after"
        )  # then the index segment is there, and only its answer was lost
        assert bool(list(inner.list(layout.INDEX))) == last
        if not last:
            assert not opened(inner).has(PLAIN.chunk(FILES[0]))
        if number < CALLS and not kind.startswith("killed"):
            assert list(inner.list("")) == []

        stored = put_all(opened(inner).session())
        assert [read(opened(inner), file) for file in stored] == FILES


def test_a_disk_that_is_full_at_every_write_is_told() -> None:
    writes = FaultyBackend(MemoryBackend(), methods=WRITES)
    put_all(opened(writes).session())
    for number in range(1, len(writes.calls) + 1):
        inner = MemoryBackend()
        session = opened(FaultyBackend(inner, Fault(number, "full"), methods=WRITES)).session()
        with pytest.raises(Unavailable, match="make room there") as raised:
            put_all(session)
        assert raised.value.code == "disk-full"


@pytest.mark.parametrize("kind", ["before", "killed-before"])
def test_a_fault_while_reading_gives_no_bytes_and_a_second_try_works(kind: FaultKind) -> None:
    blob, stored = made()
    watched = FaultyBackend(blob)
    assert [read(opened(watched), file) for file in stored] == FILES
    for number in range(1, len(watched.calls) // len(stored)):
        faulty = FaultyBackend(blob, Fault(number, kind))
        chunks = opened(faulty)
        given = b""
        with pytest.raises((Unavailable, Killed)):
            for file in stored:
                for piece in read_file(chunks, file.content, file.size_bytes, file.recipe):
                    given += piece
        assert b"".join(FILES).startswith(given)
        if kind == "before":
            assert [read(chunks, file) for file in stored] == FILES
