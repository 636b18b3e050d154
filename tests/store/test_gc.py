"""gc: what no bundle reaches goes, what one reaches stays, and the report says what was done."""

from pathlib import Path

import pytest

from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.gc.collect import Amount, Collected, GcRequest, collect
from datamon.store.repos import find_repo, runs_repo
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import Fault, FaultyBackend, Killed
from datamon.store.testing.small_packs import FILE_BYTES, Place
from datamon.store.testing.trees import upload_tree
from datamon.store.upload import UploadRequest, upload

HOUR_NS = 3600 * 10**9
AT_ONCE = GcRequest(grace_ns=0)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(MemoryBackend(), MemoryBackend(), SteppingClock(), tmp_path)


# -- what goes and what stays


def test_what_only_a_deleted_bundle_reached_is_gone_and_the_rest_is_whole(place: Place) -> None:
    gone, kept = place.upload("ABCL"), place.upload("CD")
    before = place.packs()
    place.delete(gone)
    collected = collect(place.process(), AT_ONCE)
    assert collected.swept.packs > 8
    assert collected.swept.keys == 3
    assert collected.kept == collected.spared == Amount()
    assert len(place.packs() & before) <= 2
    place.verify(kept, "CD")
    named = place.process().chunks.packs_absent()
    assert named == frozenset()


def test_a_store_without_garbage_is_left_as_it_is(place: Place) -> None:
    place.upload("AL")
    place.upload("AB", "other")
    before = place.kept()
    assert collect(place.process(), AT_ONCE) == Collected()
    assert place.kept() == before


def test_a_second_collection_finds_nothing_to_do(place: Place) -> None:
    place.delete(place.upload("ABL"))
    collect(place.process(), AT_ONCE)
    before = place.kept()
    assert collect(place.process(), AT_ONCE) == Collected()
    assert place.kept() == before


def test_a_dry_run_changes_nothing_and_says_what_the_next_run_does(place: Place) -> None:
    gone, kept = place.upload("ABC"), place.upload("CL")
    place.delete(gone)
    before = place.kept()
    planned = collect(place.process(), GcRequest(grace_ns=0, dry_run=True))
    assert place.kept() == before
    done = collect(place.process(), AT_ONCE)
    assert (planned.condemned, planned.swept) == (done.condemned, done.swept)
    place.verify(kept, "CL")


def test_logs_say_what_was_condemned_and_swept(place: Place) -> None:
    first = place.upload("AB")
    place.upload("C", "other")
    [pack] = place.packs() - {name for name in place.packs() if not name.startswith(place.session_of(first))}
    place.delete(first)
    collect(place.process(), AT_ONCE)
    store = place.process()
    own = store.logs.store()
    condemn, swept = (entry.record for entry in own.entries[-2:])
    keys = sorted(own.condemned - {pack})
    assert (condemn["kind"], condemn["packs"], condemn["keys"]) == ("condemn", [pack], keys)
    assert condemn["fenced"] == [place.session_of(first)]
    assert [key.partition("/")[0] for key in keys] == ["manifests", "segments", "stats"]
    assert (swept["kind"], swept["packs"], swept["keys"]) == ("swept", [pack], keys)
    for name in ("raw", "other", "_runs"):
        state = store.logs.repo(find_repo(store, name).id)
        assert state.condemned == own.condemned == own.swept
        assert state.fenced == own.fenced


def test_bundles_of_the_hidden_repo_are_kept(place: Place) -> None:
    place.upload("A")
    store = place.process()
    tree = upload(store, UploadRequest("_runs", place.tree("BL"), "code"))
    place.delete(place.upload("C"))
    collect(store, AT_ONCE)
    assert tree.repo == runs_repo(store).id
    place.verify(tree, "BL")


def test_a_deleted_repo_is_garbage_as_a_whole(place: Place) -> None:
    place.upload("ABL")
    kept = place.upload("C", "other")
    store = place.process()
    delete_repo(store, find_repo(store, "raw"))
    assert collect(place.process(), GcRequest(grace_ns=HOUR_NS)).swept == Amount()
    collect(place.process(), AT_ONCE)
    assert len(place.packs()) == 1
    place.verify(kept, "C")


def test_condemned_names_come_back_under_others(place: Place) -> None:
    place.delete(place.upload("ABL"))
    collect(place.process(), AT_ONCE)
    again = place.upload("ABL")
    condemned = place.process().logs.store().condemned
    assert condemned.isdisjoint(place.packs())
    assert condemned.isdisjoint(stored.key for stored in place.metadata.list(""))
    assert collect(place.process(), AT_ONCE) == Collected()
    place.verify(again, "ABL")


# -- grace


def test_the_grace_spares_what_was_deleted_lately_and_says_until_when(place: Place) -> None:
    bundle = place.upload("AB")
    place.delete(bundle)
    deleted_ns = place.process().logs.repo(bundle.repo).deleted[bundle.id].time_ns
    collected = collect(place.process(), GcRequest(grace_ns=HOUR_NS))
    assert collected.swept == collected.condemned == Amount()
    assert (collected.spared.packs, collected.spared.keys) == (1, 3)
    assert collected.spared_until_ns == deleted_ns + HOUR_NS
    place.verify(bundle, "AB")
    place.clock.now_ns += HOUR_NS
    assert collect(place.process(), GcRequest(grace_ns=HOUR_NS)).swept == collected.spared


def test_an_upload_that_never_ended_is_freed_after_its_grace(place: Place) -> None:
    place.upload("C")
    session = place.process().chunks.session()
    session.put_bytes(random_bytes("x", 50_000))
    session.close()
    assert collect(place.process(), GcRequest(grace_ns=HOUR_NS)).spared.packs == 1
    place.clock.now_ns += HOUR_NS
    assert collect(place.process(), GcRequest(grace_ns=HOUR_NS)).swept.packs == 1
    assert session.id in place.process().logs.store().fenced


def test_packs_that_no_index_names_belong_to_their_session(place: Place) -> None:
    place.upload("C")
    dying = place.process(blob=FaultyBackend(place.blob, Fault(3, "killed-after"), methods=frozenset({"put"})))
    with pytest.raises(Killed):
        upload(dying, UploadRequest("raw", place.tree("L"), "never"))
    stranded = place.packs() - place.process().chunks.packs_absent()
    assert len(stranded) > 2
    assert collect(place.process(), GcRequest(grace_ns=HOUR_NS)).swept == Amount()
    collect(place.process(), AT_ONCE)
    assert len(place.packs()) == 1


# -- repack


def test_packs_that_are_mostly_needless_are_copied_out(place: Place) -> None:
    gone, kept = place.upload("ABCDEFGH"), place.upload("AH")
    place.delete(gone)
    before = place.packs()
    collected = collect(place.process(), GcRequest(grace_ns=0, sparse_below=0.6))
    assert (collected.repacked.packs, collected.swept.packs, len(before)) == (2, 4, 4)
    assert place.packs().isdisjoint(before)
    assert sum(stored.size_bytes for stored in place.blob.list(layout.PACKS)) < 2.2 * FILE_BYTES
    place.verify(kept, "AH")


def test_a_reader_that_knows_the_old_place_finds_the_new_one(place: Place) -> None:
    gone, kept = place.upload("ABCDEFGH"), place.upload("AH")
    reader = place.process()
    reader.chunks.packs_absent()
    place.delete(gone)
    assert collect(place.process(), GcRequest(grace_ns=0, sparse_below=0.6)).repacked.packs == 2
    place.verify(kept, "AH", reader)


def test_small_files_share_frames_again_after_a_repack(place: Place) -> None:
    root = place.root / "small"
    root.mkdir()
    for number in range(200):
        (root / f"{number}.txt").write_text(f"line {number}\n" * 5)
    gone = upload_tree(place.process(), root)
    for number in range(150):
        (root / f"{number}.txt").unlink()
    upload_tree(place.process(), root)
    place.delete(gone)
    assert collect(place.process(), AT_ONCE).repacked.packs == 1
    [pack] = place.blob.list(layout.PACKS)
    assert pack.size_bytes < 50 * 48 + 50 * 4 + 3_000
