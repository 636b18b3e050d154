"""Names that are hashes: nothing is written twice, a condemned name is never written again, and what is kept is found."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, DatamonError
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.manifest import Manifest, find_entry, iter_entries, read_manifest, write_manifest
from datamon.store.named import get_named, keys_of, plain_key, put_named, usable_key
from datamon.store.testing.cutting import Cutting, cut_small
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed
from datamon.store.testing.trees import entries_of

KEY = "segments/0a/0a1b"
CONTENT = b"rows"
NOTHING: frozenset[str] = frozenset()
PATHS = sorted(entries_of(["a/b.csv", "a/c.csv", "z", "é/x"]), key=lambda each: each.path)
TREE = [replace(each, mtime_ns=number) for number, each in enumerate(PATHS)]


def held(metadata: MemoryBackend | FaultyBackend) -> list[str]:
    """Every key that is kept."""
    return [stored.key for stored in metadata.list("")]


def right(content: bytes, where: str) -> str:
    """Where the right bytes lay; Corrupt for any others."""
    if content != CONTENT:
        raise Corrupt("bad-bytes", f"{where} is damaged", where=where)
    return where


def put(metadata: MemoryBackend, condemned: frozenset[str] = NOTHING) -> str:
    return put_named(metadata, KEY, lambda: CONTENT, condemned)


def test_what_is_absent_is_put_under_its_plain_name_and_what_is_there_is_not_put_again() -> None:
    metadata = MemoryBackend()
    assert put(metadata) == KEY
    counted = FaultyBackend(metadata, methods=WRITES)
    assert put_named(counted, KEY, lambda: pytest.fail("asked for the bytes"), NOTHING) == KEY
    assert counted.calls == []


def test_a_condemned_name_is_not_written_again_and_its_incarnation_is_used_by_all() -> None:
    metadata = MemoryBackend()
    incarnation = put(metadata, frozenset({KEY}))
    assert incarnation != KEY
    assert plain_key(incarnation) == KEY
    assert held(metadata) == [incarnation]
    assert put(metadata, frozenset({KEY})) == incarnation
    assert usable_key(metadata, KEY, frozenset({KEY})) == incarnation


def test_a_condemned_incarnation_is_followed_by_another() -> None:
    metadata = MemoryBackend()
    first = put(metadata, frozenset({KEY}))
    second = put(metadata, frozenset({KEY, first}))
    assert len({KEY, first, second}) == 3
    assert usable_key(metadata, KEY, frozenset({KEY, first})) == second
    assert usable_key(metadata, KEY, frozenset({KEY, first, second})) is None


def test_what_is_only_condemned_is_nowhere_usable_although_it_can_be_read() -> None:
    metadata = MemoryBackend()
    put(metadata)
    assert usable_key(metadata, KEY, frozenset({KEY})) is None
    assert get_named(metadata, KEY, right) == KEY


def test_a_plain_name_that_is_not_condemned_costs_no_listing() -> None:
    counted = FaultyBackend(MemoryBackend())
    assert usable_key(counted, KEY, NOTHING) is None
    put_named(counted, KEY, lambda: CONTENT, NOTHING)
    assert get_named(counted, KEY, right) == KEY
    assert not [call for call in counted.calls if call.startswith("list")]


def test_an_incarnation_stands_in_for_a_plain_name_that_is_gone_or_damaged() -> None:
    metadata = MemoryBackend()
    incarnation = put(metadata, frozenset({KEY}))
    assert get_named(metadata, KEY, right) == incarnation
    metadata.put(KEY, b"other")
    assert get_named(metadata, KEY, right) == incarnation


def test_a_damaged_incarnation_is_passed_over_for_a_whole_one() -> None:
    metadata = MemoryBackend()
    first = put(metadata, frozenset({KEY}))
    second = put(metadata, frozenset({KEY, first}))
    metadata.put(min(first, second), b"other")
    assert get_named(metadata, KEY, right) == max(first, second)


def test_damage_everywhere_is_an_error_that_names_the_first_place() -> None:
    metadata = MemoryBackend()
    metadata.put(KEY, b"other")
    metadata.put(put(metadata, frozenset({KEY})), b"other")
    with pytest.raises(Corrupt, match=f"{KEY} is damaged"):
        get_named(metadata, KEY, right)


@pytest.mark.parametrize("stranger", [f"{KEY}.part", f"{KEY}.", f"{KEY}2Q0z8hJ3bW6kR1xY5cN7vM9aT4d", f"{KEY}c"])
def test_a_name_that_only_begins_alike_is_no_incarnation(stranger: str) -> None:
    metadata = MemoryBackend()
    metadata.put(stranger.rstrip(".") + "/x" * stranger.endswith("."), CONTENT)
    with pytest.raises(Corrupt, match=f"{KEY} is gone") as caught:
        get_named(metadata, KEY, right)
    assert caught.value.code == "missing-bytes"


def test_an_incarnation_that_is_taken_away_between_the_listing_and_the_read_is_passed_over() -> None:
    metadata = MemoryBackend()
    first = put(metadata, frozenset({KEY}))
    second = put(metadata, frozenset({KEY, first}))
    third = put(metadata, frozenset({KEY, first, second}))
    listed = sorted((first, second, third))

    def sweeping(content: bytes, where: str) -> str:
        if where == listed[0]:
            metadata.delete(listed[1])
            raise Corrupt("bad-bytes", f"{where} is damaged", where=where)
        return right(content, where)

    assert get_named(metadata, KEY, sweeping) == listed[2]


def test_the_keys_of_a_manifest_are_all_that_writing_it_keeps() -> None:
    metadata = MemoryBackend()
    with cut_small(Cutting(2, 2, 0)):
        manifest = write_manifest(metadata, TREE)
    assert len(manifest.segments) == 3
    assert sorted(set(keys_of(manifest))) == held(metadata)


def rewritten(metadata: MemoryBackend, manifest: Manifest) -> Manifest:
    """The manifest written again after a collector condemned all of it and swept it."""
    condemned = frozenset(keys_of(manifest))
    again = write_manifest(metadata, TREE, condemned=condemned)
    for key in condemned:
        metadata.delete(key)
    return again


def test_a_manifest_whose_every_name_was_condemned_is_written_and_read_under_other_names() -> None:
    metadata = MemoryBackend()
    with cut_small(Cutting(2, 2, 0)):
        manifest = write_manifest(metadata, TREE)
        assert rewritten(metadata, manifest) == manifest
    assert {plain_key(key) for key in held(metadata)} == set(keys_of(manifest))
    assert not set(held(metadata)) & set(keys_of(manifest))
    read = read_manifest(metadata, manifest.id)
    assert list(iter_entries(metadata, read)) == TREE
    assert find_entry(metadata, read, "é/x").path == "é/x"


def test_damage_to_an_incarnation_is_named_by_its_own_key() -> None:
    metadata = MemoryBackend()
    manifest = write_manifest(metadata, TREE)
    rewritten(metadata, manifest)
    [key] = [key for key in held(metadata) if key.startswith(layout.segment(manifest.segments[0].id))]
    metadata.put(key, metadata.get(key)[:-1])
    with pytest.raises(Corrupt, match=key):
        list(iter_entries(metadata, manifest))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.sampled_from(["before", "after", "full", "killed-before", "killed-after"]), st.booleans())
def test_a_manifest_cut_short_anywhere_has_no_root_or_is_whole_and_can_be_written_again(
    number: int, kind: FaultKind, again: bool
) -> None:
    metadata = MemoryBackend()
    with cut_small(Cutting(2, 2, 0)):
        expected = write_manifest(MemoryBackend(), TREE)
        condemned = frozenset(keys_of(expected)) if again else NOTHING
        faulty = FaultyBackend(metadata, Fault(number, kind), methods=WRITES)
        with pytest.raises((DatamonError, Killed)) if number <= 7 else nullcontext():
            write_manifest(faulty, TREE, condemned=condemned)
        if any(plain_key(key) == layout.manifest(expected.id) for key in held(metadata)):
            assert list(iter_entries(metadata, read_manifest(metadata, expected.id))) == TREE
        assert write_manifest(metadata, TREE, condemned=condemned) == expected
    assert not condemned & set(held(metadata))
    assert list(iter_entries(metadata, read_manifest(metadata, expected.id))) == TREE
