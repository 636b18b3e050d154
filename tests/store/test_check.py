"""What check finds and what it leaves alone: causes once, with what they hit; harmless things as notices; nothing written."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.errors import Conflict, Corrupt, Invalid, NotFound
from datamon.lineage.testing.patient import ADA, Patient
from datamon.store import layout
from datamon.store.backend import Stored
from datamon.store.backend.memory import MemoryBackend
from datamon.store.check.check import check
from datamon.store.check.findings import FINDING_CODES, Finding
from datamon.store.check.hits import MOST_TOLD
from datamon.store.check.identity import open_to_check
from datamon.store.check.packs import Sample
from datamon.store.codec import encode_sealed, stamped
from datamon.store.entries import TreeEntry
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.ids import ChunkId, ContentId, new_ksuid
from datamon.store.manifest import iter_entries, read_manifest, write_manifest
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.faults import WRITES, FaultyBackend
from datamon.store.testing.trees import commit_manifest, upload_tree, write_files


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return Patient.make(tmp_path_factory.mktemp("patient"))


@pytest.fixture
def patient(healthy: Patient) -> Patient:
    return healthy.copy()


def codes(findings: list[Finding]) -> list[str]:
    return sorted({finding.code for finding in findings})


def newest_log(patient: Patient) -> str:
    return layout.log(patient.made.first.repo)


def test_a_check_writes_nothing(patient: Patient) -> None:
    metadata, blob = FaultyBackend(patient.metadata, methods=WRITES), FaultyBackend(patient.blob, methods=WRITES)
    opened = open_to_check(metadata, blob, ADA)
    assert codes(list(check(opened.store, Sample(100)))) == ["unreferenced"]
    assert metadata.calls == blob.calls == []


def test_damage_in_one_place_hides_none_in_another(patient: Patient) -> None:
    first = {
        prefix: next(iter(patient.where(prefix).list(prefix))).key
        for prefix in (
            layout.SEGMENTS,
            layout.STATS,
            layout.INDEX,
            layout.ENVIRONMENTS,
            layout.OPEN_RUNS,
        )
        if next(iter(patient.where(prefix).list(prefix))).key not in patient.made.unneeded
    }
    broken = [*first.values(), layout.STORE, layout.log_entry(None, 1), layout.log_entry(None, 2)]
    for key in broken:
        patient.flip(key, 20)
    assert set(broken) <= {finding.key for finding in patient.damage()}


def test_a_broken_entry_is_told_once_and_what_later_entries_made_is_still_looked_at(patient: Patient) -> None:
    patient.flip(f"{newest_log(patient)}{2:020d}", 30)
    pack = max(patient.blob.list(layout.PACKS), key=lambda stored: stored.size_bytes).key
    patient.flip(pack, 30)
    found = patient.damage()
    assert [finding.key for finding in found if finding.key and finding.key.startswith(layout.REPOS)] == [
        f"{newest_log(patient)}{2:020d}"
    ]
    assert {finding.bundle for finding in found if finding.path} == {patient.made.second.id}


def test_a_gap_in_a_log_is_damage_and_a_lost_end_a_notice(patient: Patient) -> None:
    log = newest_log(patient)
    last = max(stored.key for stored in patient.metadata.list(log))
    patient.metadata.delete(last)
    [notice] = [finding for finding in patient.findings() if finding.code == "entry-missing"]
    assert (notice.severity, notice.key, notice.repo) == ("notice", last, "raw")
    patient.metadata.delete(f"{log}{3:020d}")
    assert (f"{log}{3:020d}", "damage") in {(finding.key, finding.severity) for finding in patient.findings()}


def test_two_lost_entries_at_the_end_of_a_log_are_damage(patient: Patient) -> None:
    """An intent for a number shows that the one before was there."""
    log = newest_log(patient)
    for key in sorted(stored.key for stored in patient.metadata.list(log))[-2:]:
        patient.metadata.delete(key)
    assert "entry-missing" in codes(patient.damage())


def test_entries_that_do_not_follow_each_other_are_damage(store: Store) -> None:
    repo = create_repo(store, "r", "")
    commit_nothing(store, repo)
    author = ADA.to_record()
    wrong = {"ref": "main", "ref_kind": "branch", "old": None, "new": new_ksuid(0), "frozen": False}
    fields = {"number": 2, "entry": new_ksuid(0), "time": 1, "author": author, "moves": [wrong], "run": None}
    store.metadata.put(layout.log_entry(repo.id, 2), encode_sealed(stamped("move", fields)))
    found = [finding for finding in check(store) if finding.code == "bad-record"]
    assert [finding.key for finding in found] == [layout.log_entry(repo.id, 2)]
    assert "it moves 'main' from where it does not stand" in found[0].message


def test_a_log_of_a_repo_that_the_store_does_not_know_is_damage(patient: Patient) -> None:
    patient.metadata.delete(layout.log_entry(None, 2))
    assert {"unknown-repo"} <= set(codes(patient.damage()))


def test_what_only_deleted_bundles_need_may_be_gone(patient: Patient) -> None:
    for key in patient.made.unneeded:
        patient.where(key).delete(key)
    assert patient.findings() == []


def test_what_a_stopped_upload_left_is_a_notice(patient: Patient, tmp_path: Path) -> None:
    store = patient.open()
    session = store.chunks.session()
    session.put_bytes(b"never committed")
    session.close()
    write_manifest(store.metadata, [])
    found = patient.findings()
    assert codes(found) == ["unreferenced"]
    assert found[0].message.startswith("2 packs")


def test_an_orphan_that_is_damaged_is_a_notice(patient: Patient) -> None:
    [pack] = [key for key in patient.made.unneeded if key.startswith(layout.PACKS)]
    patient.flip(pack, 20)
    assert {(finding.severity, finding.code) for finding in patient.findings()} == {
        ("notice", "bad-pack"),
        ("notice", "unreferenced"),
    }


def test_a_damaged_part_beside_a_whole_incarnation_is_damage_that_hits_nothing(
    patient: Patient, tmp_path: Path
) -> None:
    key = next(
        stored.key for stored in patient.metadata.list(layout.SEGMENTS) if stored.key not in patient.made.unneeded
    )
    patient.metadata.put(f"{key}.{new_ksuid(0)}", patient.metadata.get(key))
    assert codes(patient.findings()) == ["unreferenced"]
    patient.flip(key, 40)
    assert [(finding.code, finding.key, finding.bundle) for finding in patient.damage()] == [("bad-bytes", key, None)]
    assert patient.download_all(tmp_path) == []


def test_a_chunk_that_lies_whole_elsewhere_makes_a_damaged_pack_harmless(patient: Patient) -> None:
    """As after an upload that put lost chunks again."""
    pack = max(patient.blob.list(layout.PACKS), key=lambda stored: stored.size_bytes).key
    name = pack.rpartition("/")[2]
    store = patient.open()
    session = store.chunks.session(condemned=frozenset({name}))
    for chunk in store.chunks.chunks_in([name]):
        session.put_bytes(store.chunks.get(chunk))
    session.close()
    patient.flip(pack, 30)
    assert [(finding.severity, finding.key) for finding in patient.findings() if finding.key] == [("notice", pack)]


def test_without_a_sample_no_pack_is_read_whole_and_its_end_is(patient: Patient) -> None:
    content = read_manifest(patient.metadata, patient.made.output.manifest)
    [entry] = iter_entries(patient.metadata, content)
    place = patient.open().chunks.locate(ChunkId(bytes.fromhex(entry.content)))
    assert place is not None
    [pack] = [stored for stored in patient.blob.list(layout.PACKS) if stored.key == layout.pack(place.pack)]
    with patient.kept(pack.key):
        patient.flip(pack.key, 22)
        assert not any(finding.is_damage for finding in check(patient.open()))
    patient.flip(pack.key, pack.size_bytes - 60)
    assert [finding.key for finding in check(patient.open()) if finding.is_damage] == [pack.key]


def test_a_sample_says_which_packs_it_took_and_the_seed_decides(patient: Patient) -> None:
    names = sorted(stored.key.rpartition("/")[2] for stored in patient.blob.list(layout.PACKS))
    taken = set()
    for seed in range(20):
        told = [finding.message for finding in check(patient.open(), Sample(30, seed)) if finding.code == "packs-read"]
        assert told == [
            finding.message for finding in check(patient.open(), Sample(30, seed)) if finding.code == "packs-read"
        ]
        taken |= {name for name in names if name in told[0]}
        assert sum(name in told[0] for name in names) == -(-len(names) * 30 // 100)
    assert taken == set(names)


def test_of_many_files_hit_by_one_cause_some_are_told_and_all_are_counted(local_store: Store, tmp_path: Path) -> None:
    files = {f"{number:03d}": f"content {number}" for number in range(3 * MOST_TOLD)}
    bundle = upload_tree(local_store, write_files(tmp_path / "tree", files))
    [pack] = local_store.blob.list(layout.PACKS)
    local_store.blob.delete(pack.key)
    cause, *files_told, rest = [finding for finding in check(local_store) if finding.is_damage]
    assert f"{3 * MOST_TOLD} files of 1 bundle cannot be restored" in cause.message
    assert [(finding.bundle, finding.path) for finding in files_told] == [
        (bundle.id, path) for path in sorted(files)[:MOST_TOLD]
    ]
    assert f"and {2 * MOST_TOLD} more files" in rest.message


def test_a_manifest_that_names_chunks_nobody_has_is_damage(store: Store) -> None:
    file = TreeEntry("x", "file", 5, ContentId("ab" * 32), None, None, False, 0o644, 0)
    bundle = commit_manifest(store, write_manifest(store.metadata, [file]))
    found = [finding for finding in check(store) if finding.is_damage]
    assert [(finding.code, finding.bundle, finding.path) for finding in found] == [
        ("missing-bytes", None, None),
        ("file-damaged", bundle.id, "x"),
    ]


class Interrupted(MemoryBackend):
    """A backend on which something happens before manifests are listed for the first time."""

    happening: Callable[[], object] | None = None

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        happening, self.happening = self.happening, None if prefix == layout.MANIFESTS else self.happening
        if happening is not None and prefix == layout.MANIFESTS:
            happening()
        return super().list(prefix, after)


def test_a_bundle_that_is_deleted_and_collected_during_a_check_is_no_damage(healthy: Patient) -> None:
    metadata = Interrupted()
    for key, content in healthy.contents().items():
        if healthy.where(key) is healthy.metadata:
            metadata.put(key, content)
    patient = replace(healthy.copy(), metadata=metadata)

    def delete_and_collect() -> None:
        store = patient.open()
        delete_bundles(store, find_repo(store, "made"), DeleteRequest((patient.made.output.id,), force=True))
        assert collect(patient.open(), GcRequest(grace_ns=0)).swept.packs

    metadata.happening = delete_and_collect
    assert [finding for finding in patient.findings() if finding.is_damage] == []
    assert metadata.happening is None


def test_what_datamon_did_not_put_there_is_a_notice(patient: Patient) -> None:
    patient.metadata.put("notes.txt", b"mine")
    assert [finding.key for finding in patient.findings() if finding.code == "unknown-key"] == ["notes.txt"]


def test_every_key_of_a_store_is_of_a_known_kind(patient: Patient) -> None:
    assert "unknown-key" not in codes(patient.findings())


def test_a_place_without_identity_is_no_store_to_check() -> None:
    with pytest.raises(NotFound, match="there is no store at"):
        open_to_check(MemoryBackend(), MemoryBackend(), ADA)


def test_an_identity_that_is_lost_twice_is_corrupt(patient: Patient) -> None:
    patient.flip(layout.STORE, 5)
    patient.flip(layout.BLOBS, 5)
    with pytest.raises(Corrupt, match="which store this is"):
        patient.open()


def test_the_blobs_of_another_store_are_refused(patient: Patient, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="belongs to the store"):
        open_to_check(patient.metadata, Patient.make(tmp_path).blob, ADA)


def test_a_newer_format_is_not_called_damage(patient: Patient) -> None:
    patient.metadata.put(layout.log_entry(None, 3), encode_sealed({"format": 3, "kind": "x"}))
    with pytest.raises(Invalid, match="upgrade datamon"):
        list(check(patient.open()))


def test_every_code_of_a_finding_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [code for code in FINDING_CODES if f"| `{code}` |" not in page] == []
