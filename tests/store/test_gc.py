"""gc: what no bundle reaches goes, what one reaches stays, and the report says what was done."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from datamon.errors import Corrupt, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle
from datamon.store.chunk_store import ChunkStore
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.download import download
from datamon.store.gc.collect import Amount, Collected, GcRequest, collect
from datamon.store.ids import BundleId
from datamon.store.manifest import read_manifest
from datamon.store.opening import Store, store_on
from datamon.store.repos import find_repo, runs_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed
from datamon.store.testing.trees import snapshot, upload_tree
from datamon.store.upload import UploadRequest, upload

HOUR_NS = 3600 * 10**9
AT_ONCE = GcRequest(grace_ns=0)
PACK_BYTES = 40_000
FILE_BYTES = 15_000
ADA = Author("Ada", "ada@example.org")


@dataclass
class Place:
    """Two backends and a clock; each `process` reads them with a memory of its own."""

    metadata: MemoryBackend
    blob: MemoryBackend
    clock: SteppingClock
    root: Path

    def process(self, metadata: Backend | None = None, blob: Backend | None = None) -> Store:
        store = store_on(metadata or self.metadata, blob or self.blob, ADA, clock=self.clock)
        store.__dict__["chunks"] = ChunkStore(store.blob, clock=self.clock, pack_bytes=PACK_BYTES, recipe_rows=2)
        return store

    def tree(self, letters: str) -> Path:
        """A directory with one file for each letter; L is of many chunks."""
        root = self.root / letters
        if not root.exists():
            root.mkdir()
            for letter in letters:
                content = random_bytes(letter, 600_000 if letter == "L" else FILE_BYTES)
                (root / f"f.{letter}").write_bytes(content)
        return root

    def upload(self, letters: str, repo: str = "raw") -> Bundle:
        return upload_tree(self.process(), self.tree(letters), repo)

    def delete(self, *bundles: Bundle) -> None:
        store = self.process()
        for bundle in bundles:
            repo = store.logs.store().repos[bundle.repo]
            delete_bundles(store, repo, DeleteRequest((bundle.id,), force=True))

    def packs(self) -> set[str]:
        return {stored.key.rpartition("/")[2] for stored in self.blob.list(layout.PACKS)}

    def kept(self) -> dict[str, bytes]:
        """Everything that lies on both backends."""
        both = (("metadata", self.metadata), ("blob", self.blob))
        return {f"{name}:{s.key}": backend.get(s.key) for name, backend in both for s in backend.list("")}

    def copy(self) -> "Place":
        twin = Place(MemoryBackend(), MemoryBackend(), self.clock, self.root)
        for backend, other in ((self.metadata, twin.metadata), (self.blob, twin.blob)):
            for stored in backend.list(""):
                other.put(stored.key, backend.get(stored.key))
        return twin

    def verify(self, bundle: Bundle, letters: str, store: Store | None = None) -> None:
        """The bundle can be downloaded and holds what was uploaded."""
        destination = self.root / f"out {len(list(self.root.iterdir()))}"
        download(store or self.process(), bundle, destination)
        assert snapshot(destination) == snapshot(self.tree(letters))


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
    [pack] = place.packs() - {name for name in place.packs() if not name.startswith(_session(place, first))}
    place.delete(first)
    collect(place.process(), AT_ONCE)
    store = place.process()
    own = store.logs.store()
    condemn, swept = (entry.record for entry in own.entries[-2:])
    keys = sorted(own.condemned - {pack})
    assert (condemn["kind"], condemn["packs"], condemn["keys"]) == ("condemn", [pack], keys)
    assert condemn["fenced"] == [_session(place, first)]
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


# -- refusals


def _corrupt(backend: MemoryBackend, key: str) -> None:
    content = bytearray(backend.get(key))
    content[len(content) // 2] ^= 1
    backend.put(key, bytes(content))


def _missing(backend: MemoryBackend, key: str) -> None:
    backend.delete(key)


DAMAGE = [(what, _missing) for what in ("manifests/", "segments/", "stats/", "packs/", "index/")]
DAMAGE += [(what, _corrupt) for what in ("manifests/", "segments/", "index/")]  # what else there is, gc does not read


@pytest.mark.parametrize(("what", "damage"), DAMAGE, ids=lambda part: getattr(part, "__name__", part))
def test_nothing_is_collected_where_a_live_bundle_is_damaged(
    place: Place, what: str, damage: Callable[[MemoryBackend, str], None]
) -> None:
    place.upload("AL")
    backend = place.blob if what in ("packs/", "index/") else place.metadata
    damaged = [stored.key for stored in backend.list(what)]
    place.delete(place.upload("B", "other"))
    for key in damaged:
        damage(backend, key)
    before = place.kept()
    with pytest.raises(Corrupt, match=r"check|copy|repair"):
        collect(place.process(), AT_ONCE)
    assert place.kept() == before


def test_a_deleted_bundle_that_cannot_be_read_is_no_reason_to_refuse(place: Place) -> None:
    gone, kept = place.upload("AL"), place.upload("B", "other")
    place.metadata.delete(layout.manifest(gone.manifest))
    place.delete(gone)
    collect(place.process(), GcRequest(grace_ns=HOUR_NS))
    collect(place.process(), AT_ONCE)
    place.verify(kept, "B")
    assert len(place.packs()) == 1


# -- failures


def _garbage(place: Place) -> tuple[Bundle, str]:
    gone, kept = place.upload("ABCDL"), place.upload("AD")
    place.delete(gone, place.upload("E", "other"))
    return kept, "AD"


KINDS: tuple[FaultKind, ...] = ("before", "after", "killed-before", "killed-after")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["metadata", "blob"])
def test_wherever_a_collection_is_cut_off_the_next_one_finishes_it(place: Place, side: str, kind: FaultKind) -> None:
    kept, letters = _garbage(place)

    def cut_off(twin: Place, *faults: Fault) -> tuple[FaultyBackend, Store]:
        faulty = FaultyBackend(getattr(twin, side), *faults, methods=WRITES)
        store = twin.process(**{side: faulty})
        return faulty, store

    faulty, store = cut_off(place.copy())
    collect(store, AT_ONCE)
    assert len(faulty.calls) > 4
    for number in range(1, len(faulty.calls) + 1):
        twin = place.copy()
        try:
            collect(cut_off(twin, Fault(number, kind))[1], AT_ONCE)
        except (Unavailable, Killed):
            twin.verify(kept, letters)
        collect(twin.process(), AT_ONCE)
        twin.verify(kept, letters)
        own = twin.process().logs.store()
        assert own.swept == own.condemned
        assert own.condemned.isdisjoint(twin.packs())
        assert twin.process().chunks.packs_absent() == frozenset()
        assert collect(twin.process(), AT_ONCE) == Collected()


def test_a_store_error_while_marking_condemns_nothing(place: Place) -> None:
    _garbage(place)
    before = place.kept()
    for number in range(3, 12):
        faulty = FaultyBackend(place.metadata, Fault(number, "before"), methods=frozenset({"get"}))
        with pytest.raises(Unavailable):
            collect(place.process(metadata=faulty), AT_ONCE)
        assert place.kept() == before


def test_what_could_not_be_deleted_is_not_said_to_be_gone(place: Place) -> None:
    _garbage(place)
    faulty = FaultyBackend(place.blob, Fault(2, "before"), methods=frozenset({"delete"}))
    with pytest.raises(Unavailable):
        collect(place.process(blob=faulty), AT_ONCE)
    own = place.process().logs.store()
    assert own.swept
    assert own.swept.isdisjoint(place.packs())
    assert own.condemned & place.packs()
    collect(place.process(), AT_ONCE)
    assert place.process().logs.store().condemned.isdisjoint(place.packs())


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
    with pytest.raises(Exception, match="upload again") as refusal:
        commit_bundle(writer, other, taken)
    assert getattr(refusal.value, "code", None) == "condemned"


def test_a_manifest_taken_over_needs_every_chunk_where_nothing_condemns_it(place: Place) -> None:
    """Its keys are none of those condemned; one of its chunks is."""
    source = place.upload("AB")
    place.upload("B", "other")
    store = place.process()
    manifest = read_manifest(store.metadata, source.manifest)
    packs = sorted(name for name in place.packs() if name.startswith(_session(place, source)))
    record = {"kind": "condemn", "packs": packs, "keys": [], "fenced": []}
    store.logs.append(None, lambda _: dict(record))
    with pytest.raises(Exception, match="upload again"):
        commit_bundle(store, find_repo(store, "other"), CommitRequest(manifest, "a copy", None, branch="main"))
    # In its own repo a live bundle has the same manifest, and keeps everything where it is.
    commit_bundle(store, find_repo(store, "raw"), CommitRequest(manifest, "again", None, branch="main"))


def _session(place: Place, bundle: Bundle) -> str:
    entries = place.process().logs.repo(bundle.repo).entries
    [session] = [entry.record["session"] for entry in entries if bundle.id in _made(entry.bundles)]
    assert isinstance(session, str)
    return session


def _made(bundles: tuple[Bundle, ...]) -> set[BundleId]:
    return {bundle.id for bundle in bundles}
