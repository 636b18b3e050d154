"""The encrypted backend: the contract over every place, and that nothing but the key's holder's own bytes ever comes back."""

import json
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, DatamonError, NotFound
from datamon.store.backend import Appending, Backend, Settling, Span, Stored
from datamon.store.backend.encrypted import BackendKeys, EncryptedBackend
from datamon.store.backend.hidden_names import HiddenNames
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.opening import open_backend
from datamon.store.backend.sealing import SEGMENT_BYTES, STORED_BYTES, plain_bytes, sealed, stored_bytes
from datamon.store.testing import contract
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import FaultyBackend

KEYS = BackendKeys(bytes(range(32)), bytes(range(64)))
VECTORS = json.loads((Path(__file__).parent / "vectors" / "encryption.json").read_text(encoding="utf-8"))
BUCKET = "team"
HASH = blake3(b"known").hexdigest()
_numbers = count()


def over(inner: Backend) -> EncryptedBackend:
    return EncryptedBackend(inner, KEYS, ("store.json", "keys/"))


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_over_memory(check: Callable[[Backend], None]) -> None:
    check(over(MemoryBackend()))


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_over_a_directory(check: Callable[[Backend], None], tmp_path: Path) -> None:
    check(over(LocalBackend(tmp_path / "place")))


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_over_the_emulator(check: Callable[[Backend], None], emulator: str) -> None:
    check(over(open_backend(f"gs://{BUCKET}/prefix-{next(_numbers)}")))


def test_it_settles_and_does_not_append(tmp_path: Path) -> None:
    backend = over(LocalBackend(tmp_path))
    assert isinstance(backend, Settling)
    assert not isinstance(backend, Appending)
    backend.put(f"manifests/{HASH[:2]}/{HASH}", b"x")
    backend.settle(f"manifests/{HASH[:2]}/{HASH}")
    over(MemoryBackend()).settle("a/b")


# Ranges.

NEAR = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES + 17]
positions = st.one_of(st.sampled_from(NEAR), st.sampled_from([-each for each in NEAR]), st.integers(-200_000, 200_000))


@pytest.fixture(scope="module")
def ranges() -> EncryptedBackend:
    """Things of sizes around the ends of segments, by size."""
    backend = over(MemoryBackend())
    for size in NEAR:
        backend.put(str(size), random_bytes("range", size))
    return backend


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.sampled_from(NEAR), start=positions, length=st.one_of(st.sampled_from(NEAR), st.integers(0, 200_000)))
@example(size=SEGMENT_BYTES, start=SEGMENT_BYTES, length=1)
@example(size=2 * SEGMENT_BYTES, start=SEGMENT_BYTES, length=SEGMENT_BYTES)
def test_a_span_is_that_stretch_of_what_was_put(ranges: EncryptedBackend, size: int, start: int, length: int) -> None:
    content = random_bytes("range", size)
    begin = start if start >= 0 else max(0, size + start)
    assert ranges.get(str(size), Span(start, length)) == content[begin : begin + length]


@given(st.integers(0, 10**12))
def test_sizes_are_known_from_stored_sizes(size: int) -> None:
    assert plain_bytes(stored_bytes(size)) == size


def test_a_span_costs_one_read_of_what_covers_it() -> None:
    counted = FaultyBackend(MemoryBackend(), methods=frozenset({"get"}))
    backend = over(counted)
    backend.put("pack", random_bytes("pack", 10 * SEGMENT_BYTES))
    for span in (Span(0, 1), Span(SEGMENT_BYTES - 1, 2), Span(-1, 1), Span(-SEGMENT_BYTES, SEGMENT_BYTES)):
        counted.calls.clear()
        backend.get("pack", span)
        assert len(counted.calls) == 1


# What someone without the key can do to the bytes.


def damaged(change: Callable[[bytes], bytes], size: int) -> EncryptedBackend:
    inner = MemoryBackend()
    over(inner).put("a", random_bytes("a", size))
    inner.put("a", change(inner.get("a")))
    return over(inner)


def assert_never_wrong(backend: EncryptedBackend, size: int, span: Span | None) -> None:
    content = random_bytes("a", size)
    wanted = content if span is None else content[span.start if span.start >= 0 else max(0, size + span.start) :]
    try:
        found = backend.get("a", span)
    except Corrupt as error:
        assert (error.code, error.key) == ("bad-bytes", "a")
    else:
        assert span is not None
        assert found == wanted[: span.length]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), size=st.sampled_from(NEAR))
def test_a_changed_byte_is_corrupt_and_never_a_wrong_byte(data: st.DataObject, size: int) -> None:
    at = data.draw(st.integers(0, stored_bytes(size) - 1))
    mask = data.draw(st.integers(1, 255))
    backend = damaged(lambda stored: stored[:at] + bytes([stored[at] ^ mask]) + stored[at + 1 :], size)
    with pytest.raises(Corrupt):
        backend.get("a")
    start, length = data.draw(positions), data.draw(st.integers(0, 200_000))
    assert_never_wrong(backend, size, Span(start, length))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), size=st.sampled_from(NEAR))
def test_what_is_cut_off_is_missed(data: st.DataObject, size: int) -> None:
    ends = [number * STORED_BYTES + more for number in range(3) for more in (0, 8, 32, 40)]
    whole = stored_bytes(size)
    end = data.draw(st.one_of(st.sampled_from([each for each in ends if each < whole]), st.integers(0, whole - 1)))
    backend = damaged(lambda stored: stored[:end], size)
    with pytest.raises(Corrupt):
        backend.get("a")
    start, length = data.draw(positions), data.draw(st.integers(0, 200_000))
    assert_never_wrong(backend, size, Span(start, length))


@pytest.mark.parametrize("span", [None, Span(0, 10), Span(SEGMENT_BYTES, 10), Span(-10, 10), Span(10**7, 1)])
def test_a_whole_segment_cut_off_with_a_fitting_end_is_missed(span: Span | None) -> None:
    size = 2 * SEGMENT_BYTES
    end = SEGMENT_BYTES.to_bytes(8, "little")
    backend = damaged(lambda stored: stored[:STORED_BYTES] + end, size)
    with pytest.raises(Corrupt):  # the one segment that is left was not sealed as the last
        backend.get("a", span)


def test_segments_cannot_change_places() -> None:
    def swapped(stored: bytes) -> bytes:
        return stored[STORED_BYTES : 2 * STORED_BYTES] + stored[:STORED_BYTES] + stored[2 * STORED_BYTES :]

    backend = damaged(swapped, 3 * SEGMENT_BYTES)
    for span in (None, Span(0, 1), Span(SEGMENT_BYTES, 1)):
        with pytest.raises(Corrupt):
            backend.get("a", span)


def test_segments_of_two_puts_do_not_mix() -> None:
    inner = MemoryBackend()
    backend = over(inner)
    backend.put("a", random_bytes("a", 2 * SEGMENT_BYTES))
    before = inner.get("a")
    backend.put("a", random_bytes("b", 2 * SEGMENT_BYTES))
    inner.put("a", before[:STORED_BYTES] + inner.get("a")[STORED_BYTES:])
    for span in (None, Span(0, 2 * SEGMENT_BYTES)):
        with pytest.raises(Corrupt):
            backend.get("a", span)


def test_two_things_cannot_change_places() -> None:
    inner = MemoryBackend()
    backend = over(inner)
    backend.put("a", b"one")
    backend.put("b", b"two")
    inner.put("a", inner.get("b"))
    with pytest.raises(Corrupt):
        backend.get("a")
    assert backend.get("b") == b"two"


def test_under_another_key_nothing_can_be_read() -> None:
    inner = MemoryBackend()
    over(inner).put("a", b"one")
    other = EncryptedBackend(inner, BackendKeys(bytes(32), KEYS.names))
    for span in (None, Span(0, 1), Span(-1, 1), Span(9, 1)):
        with pytest.raises(Corrupt):
            other.get("a", span)


def test_the_same_content_put_twice_looks_different() -> None:
    inner = MemoryBackend()
    over(inner).put("a", b"one")
    over(inner).put("b", b"one")
    first = inner.get("a")
    over(inner).put("a", b"one")
    assert len({first, inner.get("a"), inner.get("b")}) == 3


def test_what_is_readable_stands_as_it_was_put() -> None:
    inner = MemoryBackend()
    over(inner).put_if_absent("store.json", b"open")
    over(inner).put("keys/1", b"wrapped")
    assert (inner.get("store.json"), inner.get("keys/1")) == (b"open", b"wrapped")
    assert list(over(inner).list("")) == [Stored("keys/1", 7), Stored("store.json", 4)]


def test_the_error_for_an_absent_key_names_the_key_that_was_asked_for() -> None:
    key = f"manifests/{HASH[:2]}/{HASH}"
    with pytest.raises(NotFound, match=key):
        over(MemoryBackend()).get(key)


# Names.

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
plain_parts = st.sampled_from(["a", "ab", "0f", "log", "z.json", "-a", "a-b", "00000000000000000001", "A", "ff"])
hash_parts = st.builds(str.__add__, hashes, st.sampled_from(["", ".3MTyZKyTIDh3CdkT6khU1sK47c0", ".a", "-1"]))
in_folders = hash_parts.map(lambda part: f"{part[:2]}/{part}")
in_others = hash_parts.map(lambda part: f"0f/{part}")
names = st.lists(st.one_of(plain_parts, hash_parts, in_folders, in_others), min_size=1, max_size=3).map("/".join)


@given(names)
@example(HASH)
@example(f"reuse/{HASH}/{HASH[:2]}/{HASH}.a")
def test_a_hidden_name_turns_back_and_shows_no_hash(name: str) -> None:
    hiding = HiddenNames(KEYS.names)
    hidden = hiding.hidden(name)
    assert hiding.shown(hidden) == name
    for part in name.split("/"):
        if len(part) >= 64:
            assert part[:64] not in hidden


@given(names, names)
def test_two_names_are_hidden_as_two(one: str, other: str) -> None:
    hiding = HiddenNames(KEYS.names)
    assert (hiding.hidden(one) == hiding.hidden(other)) == (one == other)


def test_a_name_is_hidden_otherwise_in_each_place_and_under_each_key() -> None:
    keys = [f"manifests/{HASH[:2]}/{HASH}", f"segments/{HASH[:2]}/{HASH}", f"segments/{HASH}", f"0{HASH[1:2]}/{HASH}"]
    hidings = HiddenNames(KEYS.names), HiddenNames(bytes(64))
    tokens = {hiding.hidden(key).replace("/", "")[-94:] for hiding in hidings for key in keys}
    assert len(tokens) == 8


def test_incarnations_of_one_id_lie_beside_each_other() -> None:
    key = f"manifests/{HASH[:2]}/{HASH}"
    inner = FaultyBackend(MemoryBackend(), methods=frozenset({"list"}))
    backend = over(inner)
    for name in (key, f"{key}.b", f"{key}.a", f"{key[:-1]}x.c"):
        backend.put(name, b"")
    assert [stored.key for stored in backend.list(f"{key}.")] == [f"{key}.a", f"{key}.b"]


@settings(max_examples=200, deadline=None)
@given(kept=st.sets(names, max_size=12), data=st.data())
def test_a_listing_is_that_of_the_keys_whatever_the_place_sees(kept: set[str], data: st.DataObject) -> None:
    backend = over(MemoryBackend())
    for key in kept:
        backend.put(key, key.encode())
    some = [*sorted(kept), "a/", "0f/", "log"]
    cuts = st.sampled_from(some).flatmap(lambda key: st.integers(0, len(key)).map(lambda end: key[:end]))
    prefix, after = data.draw(cuts), data.draw(st.one_of(st.just(""), cuts))
    found = [stored.key for stored in backend.list(prefix, after)]
    assert found == sorted(key for key in kept if key.startswith(prefix) and key > after)
    assert all(one < other for one, other in pairwise(found))


def test_a_listing_shows_what_is_not_ours_as_it_is() -> None:
    inner = MemoryBackend()
    strange = f"manifests/-ab/{'0' * 94}"
    inner.put(strange, b"?")
    over(inner).put(f"manifests/{HASH[:2]}/{HASH}", b"x")
    found = [stored.key for stored in over(inner).list("manifests/")]
    assert found == sorted([strange, f"manifests/{HASH[:2]}/{HASH}"])


# The format.


@pytest.mark.parametrize("vector", VECTORS["sealed"], ids=lambda vector: str(vector["size"]))
def test_sealed_bytes_are_those_of_the_format(vector: dict[str, str]) -> None:
    content = bytes(number % 251 for number in range(int(vector["size"])))
    stored = b"".join(sealed(content, vector["name"], KEYS.content, bytes.fromhex(vector["salt"])))
    assert (len(stored), blake3(stored).hexdigest()) == (stored_bytes(len(content)), vector["blake3"])
    if "stored" in vector:
        assert stored.hex() == vector["stored"]


@pytest.mark.parametrize("key", VECTORS["names"])
def test_hidden_names_are_those_of_the_format(key: str) -> None:
    assert HiddenNames(KEYS.names).hidden(key) == VECTORS["names"][key]


def test_an_error_of_the_place_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(parents=True)
    with pytest.raises(DatamonError) as raised:
        over(LocalBackend(tmp_path)).put("a", b"x")
    assert raised.value.code == "bad-path"
