"""Files in and out of the chunk store: what comes back, what is kept once, and what others see when."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Unavailable
from datamon.store import layout, pack_delivery
from datamon.store.backend import Backend, Content, Span
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.chunk_store import ChunkStore, read_file
from datamon.store.chunks import cut
from datamon.store.hashing import PLAIN
from datamon.store.ids import ChunkId
from datamon.store.pack_session import PackSession, StoredFile
from datamon.store.packs import decode_frame, read_footer
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import FaultyBackend
from datamon.store.testing.strategies import contents, extensions


def opened(blob: Backend, *, pack_bytes: int | None = None, recipe_rows: int = 32) -> ChunkStore:
    """A chunk store as another process would open it."""
    return ChunkStore(blob, clock=SteppingClock(), pack_bytes=pack_bytes, recipe_rows=recipe_rows)


def put(session: PackSession, content: bytes, extension: str = ".x") -> StoredFile:
    """Keeps a file."""
    return session.put_file(io.BytesIO(content), extension=extension, size_hint=len(content))


def kept(chunks: ChunkStore, files: Sequence[bytes]) -> list[StoredFile]:
    """Keeps files in a session of their own."""
    session = chunks.session()
    stored = [put(session, content) for content in files]
    session.close()
    return stored


def read(chunks: ChunkStore, file: StoredFile) -> bytes:
    """A file's bytes."""
    return b"".join(read_file(chunks, file.content, file.size_bytes, file.recipe))


def pack_keys(blob: Backend) -> list[str]:
    """The packs that lie there."""
    return [stored.key for stored in blob.list(layout.PACKS)]


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(st.tuples(contents(), extensions()), max_size=6),
    recipe_rows=st.integers(1, 4),
    pack_bytes=st.sampled_from([1, 100_000, 500_000, 32 * 2**20]),
)
def test_whatever_is_put_comes_back(files: list[tuple[bytes, str]], recipe_rows: int, pack_bytes: int) -> None:
    blob = MemoryBackend()
    chunks = opened(blob, pack_bytes=pack_bytes, recipe_rows=recipe_rows)
    session = chunks.session()
    stored = [put(session, content, extension) for content, extension in files]
    session.close()
    for reader in (chunks, opened(blob)):
        for (content, _), file in zip(files, stored, strict=True):
            assert file.content == PLAIN.chunk(content).hex()
            assert file.size_bytes == len(content)
            assert read(reader, file) == content


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 3_000_000])
def test_sizes_at_the_edges_come_back_from_disk(size: int, tmp_path: Path) -> None:
    content = random_bytes("edge", size)
    (file,) = kept(opened(LocalBackend(tmp_path)), [content])
    assert read(opened(LocalBackend(tmp_path)), file) == content


def test_a_recipe_gets_levels_as_its_lists_grow_long() -> None:
    content = random_bytes("levels", 6_000_000)
    blob = MemoryBackend()
    levels = set()
    for recipe_rows in (1, 2, 32, 1_000):
        (file,) = kept(opened(blob, recipe_rows=recipe_rows), [content])
        assert file.recipe is not None
        assert len(file.recipe) <= 1 + 36 * recipe_rows
        levels.add(file.recipe[0])
        assert read(opened(blob), file) == content
    assert levels == {0, 1}


def test_nothing_is_asked_of_the_backend_before_it_is_needed() -> None:
    blob = FaultyBackend(MemoryBackend())
    session = opened(blob).session()
    put(session, b"")
    session.close()
    assert blob.calls == []
    assert session.chunk_count_new == 0


def test_equal_chunks_are_kept_once_in_a_session_and_in_the_store() -> None:
    blob = MemoryBackend()
    files = [b"same", b"same", random_bytes("big", 400_000), random_bytes("big", 400_000)]
    session = opened(blob).session()
    for content in files:
        put(session, content)
    session.close()
    assert session.bytes_new == 4 + 400_000
    before = list(blob.list(""))

    again = opened(blob).session()
    for content in files:
        put(again, content)
    again.close()
    assert (again.chunk_count_new, again.bytes_new) == (0, 0)
    assert list(blob.list("")) == before


def test_unchanged_files_cost_two_listings_and_no_request_each() -> None:
    inner = MemoryBackend()
    kept(opened(inner), [b"a", b"b"])
    blob = FaultyBackend(inner)
    session = opened(blob).session()
    put(session, b"a")
    put(session, b"b")
    session.close()
    assert [call[: call.index("/") + 1] for call in blob.calls] == ["list index/", "get index/", "list packs/"]


def test_an_insertion_at_the_front_keeps_little_more() -> None:
    blob = MemoryBackend()
    chunks = opened(blob)
    content = random_bytes("version", 5_000_000)
    kept(chunks, [content])
    session = chunks.session()
    put(session, b"inserted" + content)
    session.close()
    assert session.bytes_new < 500_000


def test_chunks_of_other_processes_are_found_when_a_look_up_misses() -> None:
    blob = MemoryBackend()
    reader = opened(blob)
    assert not reader.has(PLAIN.chunk(b"later"))
    (file,) = kept(opened(blob), [b"later"])
    assert reader.has(PLAIN.chunk(b"later"))
    assert read(opened(blob), file) == b"later"
    (other,) = kept(opened(blob), [b"later still"])
    assert read(reader, other) == b"later still"


def test_packs_are_named_by_session_and_number_and_end_at_the_size() -> None:
    blob = MemoryBackend()
    chunks = opened(blob, pack_bytes=300_000)
    session = chunks.session()
    put(session, random_bytes("long", 2_000_000))
    session.close()
    packs = sorted(blob.list(layout.PACKS), key=lambda stored: stored.key.rpartition("/")[2])
    names = [stored.key.rpartition("/")[2] for stored in packs]
    assert names == [f"{session.id}-{number:08d}" for number in range(1, len(names) + 1)]
    assert [stored.key for stored in packs] == [layout.pack(name) for name in names]
    assert len(names) > 6
    assert all(stored.size_bytes < 300_000 + 10_000 for stored in packs)
    assert [stored.key for stored in blob.list(layout.INDEX)] == [f"index/{session.id}.parquet"]


def test_small_files_share_frames_by_extension_and_others_have_their_own() -> None:
    blob = MemoryBackend()
    session = opened(blob).session()
    small = {extension: [random_bytes(f"{extension}{n}", 9_000) for n in range(20)] for extension in (".a", ".b")}
    for pair in zip(*small.values(), strict=True):
        for extension, content in zip(small, pair, strict=True):
            put(session, content, extension)
    put(session, random_bytes("large", 66_000), ".a")
    list_id = session.put_bytes(b"on its own")
    session.close()

    (key,) = pack_keys(blob)
    rows = read_footer(lambda span: blob.get(key, span), key)
    frames: dict[int, set[ChunkId]] = {}
    for row in rows:
        frames.setdefault(row.offset, set()).add(row.chunk)
        assert len(decode_frame(blob.get(key, Span(row.offset, row.stored)), key).raw) <= 131_072
    groups = [{PLAIN.chunk(content) for content in files} for files in small.values()]
    alone = [{PLAIN.chunk(random_bytes("large", 66_000))}, {list_id}]
    for chunks in frames.values():
        assert chunks in alone or any(chunks <= group for group in groups)
    assert len(frames) == 2 * 2 + 2  # 180,000 bytes of each extension are two frames


def test_many_extensions_do_not_pile_up_in_memory() -> None:
    """Waiting small files are written out at 4 MiB, however many kinds there are."""
    blob = MemoryBackend()
    session = opened(blob, pack_bytes=1_000_000).session()
    files = [random_bytes(str(number), 50_000) for number in range(400)]
    for number, content in enumerate(files):
        put(session, content, f".{number}")
    assert len(pack_keys(blob)) >= 4
    session.close()
    chunks = opened(blob)
    assert all(chunks.get(PLAIN.chunk(content)) == content for content in files)


def test_the_small_files_of_one_frame_are_read_with_one_request() -> None:
    inner = MemoryBackend()
    files = [b"%d " % number * 50 for number in range(100)]
    stored = kept(opened(inner), files)
    blob = FaultyBackend(inner)
    chunks = opened(blob)
    assert [read(chunks, file) for file in stored] == files
    assert [call.split()[0] for call in blob.calls] == ["list", "get", "get"]  # the index, its segment, one frame


def test_packs_go_out_while_the_file_is_still_read() -> None:
    blob = MemoryBackend()
    session = opened(blob, pack_bytes=500_000).session()
    seen: list[int] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.append(len(pack_keys(blob)))
            return super().read(size)

    session.put_file(Watched(random_bytes("stream", 60_000_000)), extension="", size_hint=60_000_000)
    assert seen[-1] >= 12
    session.close()


def test_nothing_is_found_before_close() -> None:
    blob = MemoryBackend()
    session = opened(blob, pack_bytes=1).session()
    put(session, b"early")
    for name in "xy":
        put(session, random_bytes(name, 66_000))
    assert pack_keys(blob)
    assert not opened(blob).has(PLAIN.chunk(random_bytes("x", 66_000)))
    session.close()
    assert opened(blob).has(PLAIN.chunk(b"early"))
    assert opened(blob).has(PLAIN.chunk(random_bytes("x", 66_000)))


def test_a_discarded_session_leaves_its_finished_packs_to_the_next() -> None:
    blob = MemoryBackend()
    session = opened(blob, pack_bytes=1).session()
    put(session, random_bytes("x", 200_000))
    assert pack_keys(blob)
    session.discard()
    session.discard()
    assert len(list(blob.list(layout.INDEX))) == 1
    again = opened(blob, pack_bytes=1).session()
    put(again, random_bytes("x", 200_000))
    again.close()
    assert again.reused == {key.rpartition("/")[2] for key in pack_keys(blob)} - again.packs
    assert len(again.packs) < len(again.reused)
    with pytest.raises(ValueError, match="discarded"):
        session.close()


def test_a_closed_session_takes_nothing_more_and_stays() -> None:
    blob = MemoryBackend()
    session = opened(blob).session()
    put(session, b"x")
    session.close()
    session.close()
    session.discard()
    assert opened(blob).get(PLAIN.chunk(b"x")) == b"x"
    with pytest.raises(ValueError, match="closed"):
        put(session, b"y")


def test_a_stream_that_fails_leaves_the_session_usable() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 300_000:
                raise PermissionError("gone")
            return super().read(size)

    blob = MemoryBackend()
    session = opened(blob).session()
    with pytest.raises(PermissionError):
        session.put_file(Failing(random_bytes("f", 900_000)), extension="", size_hint=0)
    file = put(session, random_bytes("f", 900_000))
    session.close()
    assert read(opened(blob), file) == random_bytes("f", 900_000)


def test_a_chunk_longer_than_the_longest_is_refused() -> None:
    session = opened(MemoryBackend()).session()
    session.put_bytes(bytes(262_144))
    with pytest.raises(ValueError, match="262145 bytes"):
        session.put_bytes(bytes(262_145))


def test_two_sessions_at_one_time_may_put_the_same_and_both_stand() -> None:
    blob = MemoryBackend()
    one, other = opened(blob), opened(blob)
    sessions = [one.session(), other.session()]
    for session in sessions:
        put(session, b"both")
    for session in sessions:
        session.close()
    assert len(pack_keys(blob)) == 2
    assert opened(blob).get(PLAIN.chunk(b"both")) == b"both"


def test_packs_that_are_gone_are_told_with_their_chunks_and_their_chunks_are_kept_again() -> None:
    blob = MemoryBackend()
    first = opened(blob)
    kept(first, [b"one", b"two"])
    kept(first, [b"three"])
    lost = next(key for key in pack_keys(blob) if b"one" in blob.get(key))
    blob.delete(lost)

    chunks = opened(blob)
    name = lost.rpartition("/")[2]
    assert chunks.packs_absent() == {name}
    assert chunks.chunks_in([name]) == {PLAIN.chunk(b"one"), PLAIN.chunk(b"two")}
    assert chunks.chunks_in(["no such pack"]) == frozenset()
    assert not chunks.has(PLAIN.chunk(b"one"))
    assert chunks.has(PLAIN.chunk(b"three"))
    session = chunks.session()
    for content in (b"one", b"three"):
        put(session, content)
    session.close()
    assert session.chunk_count_new == 1
    for reader in (first, chunks, opened(blob)):
        assert reader.get(PLAIN.chunk(b"one")) == b"one"


def test_an_upload_puts_again_what_was_lost() -> None:
    """Also in a process that has not met the loss yet, and in the session that is open when a reader meets it."""
    blob = MemoryBackend()
    kept(opened(blob), [b"one"])
    (lost,) = pack_keys(blob)
    content = blob.get(lost)
    blob.delete(lost)
    chunks = opened(blob)
    kept(chunks, [b"one"])
    assert len(pack_keys(blob)) == 1
    session = chunks.session()
    put(session, b"another")
    blob.delete(pack_keys(blob)[0])
    with pytest.raises(Corrupt, match="is gone"):
        chunks.get(PLAIN.chunk(b"one"))
    put(session, b"one")
    session.close()
    assert chunks.get(PLAIN.chunk(b"one")) == b"one"
    blob.delete(pack_keys(blob)[0])
    blob.put(lost, content)
    assert chunks.get(PLAIN.chunk(b"one")) == b"one"  # it was brought back


def test_what_only_condemned_packs_hold_is_kept_again_and_nothing_relies_on_them() -> None:
    blob = MemoryBackend()
    kept(opened(blob), [b"one", b"two"])
    (condemned,) = (key.rpartition("/")[2] for key in pack_keys(blob))
    chunks = opened(blob)
    session = chunks.session(frozenset({condemned}))
    put(session, b"one")
    session.close()
    assert session.reused == frozenset()
    assert len(session.packs) == 1
    blob.delete(layout.pack(condemned))
    assert opened(blob).get(PLAIN.chunk(b"one")) == b"one"


def test_another_place_is_relied_on_where_the_first_is_condemned() -> None:
    blob = MemoryBackend()
    sessions = [opened(blob).session(), opened(blob).session()]
    for session in sessions:
        put(session, b"looked for others before there were any")
        put(session, b"both")
    for session in sessions:
        session.close()
    for condemned, live in (sessions, sessions[::-1]):
        third = opened(blob).session(condemned.packs)
        put(third, b"both")
        third.close()
        assert (third.packs, third.reused) == (frozenset(), live.packs)


def test_a_session_says_which_packs_of_others_it_relied_on_and_which_it_wrote() -> None:
    blob = MemoryBackend()
    first = opened(blob).session()
    put(first, b"there")
    first.close()
    second = opened(blob).session()
    put(second, b"there")
    put(second, random_bytes("new", 300_000))
    put(second, random_bytes("new", 300_000))
    second.close()
    assert second.reused == first.packs
    assert first.reused == frozenset()
    assert first.packs | second.packs == {key.rpartition("/")[2] for key in pack_keys(blob)}
    assert first.packs.isdisjoint(second.packs)


def test_a_long_session_tells_others_of_its_packs_as_it_goes_and_forgets_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else memory would grow with the upload; and what an upload that dies has put would be put again."""
    monkeypatch.setattr(pack_delivery, "SEGMENT_ROWS", 3)
    blob = MemoryBackend()
    session = opened(blob, pack_bytes=100_000).session()
    content = random_bytes("long", 3_000_000)
    file = put(session, content)
    assert len(list(blob.list(layout.INDEX))) > 2
    assert opened(blob).has(PLAIN.chunk(next(cut(io.BytesIO(content)))))
    count = session.chunk_count_new
    assert put(session, content) == file
    assert session.chunk_count_new == count
    session.close()
    assert read(opened(blob), file) == content
    assert session.reused == frozenset()
    named = pack_keys(blob)
    assert {key.rpartition("/")[2] for key in named} == session.packs
    assert not opened(blob).packs_absent()
    segments = [stored.key for stored in blob.list(layout.INDEX)]
    assert layout.index(session.id) in segments


def test_chunks_in_asks_the_index_by_itself() -> None:
    blob = MemoryBackend()
    kept(opened(blob), [b"one"])
    (key,) = pack_keys(blob)
    assert opened(blob).chunks_in([key.rpartition("/")[2]]) == {PLAIN.chunk(b"one")}


def test_after_an_error_of_the_backend_a_session_can_only_be_given_up() -> None:
    class Full(MemoryBackend):
        def put(self, key: str, content: Content) -> None:
            raise Unavailable("disk-full", "no room")

    session = opened(Full(), pack_bytes=1).session()
    put(session, random_bytes("x", 65_000))
    with pytest.raises(Unavailable):
        put(session, random_bytes("y", 200_000))
    for use in (lambda: put(session, b"z"), session.close, lambda: session.put_bytes(b"z")):
        with pytest.raises(ValueError, match="failed"):
            use()
    session.discard()
