"""A commit relies on nothing that a collector has condemned, whoever wrote its manifest."""

from pathlib import Path

import pytest

from datamon.errors import Conflict
from datamon.store.backend.memory import MemoryBackend
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.manifest import read_manifest
from datamon.store.repos import find_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.small_packs import Place

AT_ONCE = GcRequest(grace_ns=0)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(MemoryBackend(), MemoryBackend(), SteppingClock(), tmp_path)


# -- commits of manifests that were taken over


def test_a_manifest_that_was_taken_over_is_refused_once_its_bytes_are_condemned(place: Place) -> None:
    source = place.upload("AL")
    place.upload("C", "other")
    writer = place.process()
    manifest = read_manifest(writer.metadata, source.manifest)
    other = find_repo(writer, "other")
    taken = CommitRequest(manifest, "a copy", None, branch="main")
    copy = commit_bundle(writer, other, taken)
    place.delete(source)
    collect(place.process(), AT_ONCE)
    place.verify(copy, "AL")
    again = commit_bundle(writer, other, taken)
    place.delete(copy, again)
    collect(place.process(), AT_ONCE)
    with pytest.raises(Conflict, match="upload again") as refusal:
        commit_bundle(writer, other, taken)
    assert refusal.value.code == "condemned"


def test_a_manifest_taken_over_needs_every_chunk_where_nothing_condemns_it(place: Place) -> None:
    """Its keys are none of those condemned; one of its chunks is."""
    source = place.upload("AB")
    place.upload("B", "other")
    store = place.process()
    manifest = read_manifest(store.metadata, source.manifest)
    packs = sorted(name for name in place.packs() if name.startswith(place.session_of(source)))
    record = {"kind": "condemn", "packs": packs, "keys": [], "fenced": []}
    store.logs.append(None, lambda _: dict(record))
    with pytest.raises(Conflict, match="upload again"):
        commit_bundle(store, find_repo(store, "other"), CommitRequest(manifest, "a copy", None, branch="main"))
    # In its own repo a live bundle has the same manifest, and keeps everything where it is.
    commit_bundle(store, find_repo(store, "raw"), CommitRequest(manifest, "again", None, branch="main"))
