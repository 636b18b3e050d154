"""Repair heals what a copy, a tree or the store itself can make good, believes nothing unverified, and harms nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from datamon.errors import Conflict
from datamon.lineage.checking import check_runs
from datamon.lineage.testing.patient import ADA, Patient
from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.check.packs import Sample
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.repair.overlay import Overlay
from datamon.store.repair.repair import Damaged, Repaired, Sources, Watch, repair
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed

PARTS = (layout.MANIFESTS, layout.SEGMENTS, layout.STATS)
WATCH = Watch(Sample(100), check_runs)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patient")


@pytest.fixture(scope="module")
def healthy(scratch: Path) -> Patient:
    return Patient.make(scratch)


def mend(patient: Patient, *copies: Patient, trees: tuple[Path, ...] = ()) -> Repaired:
    damaged = Damaged(patient.metadata, patient.blob, ADA, SteppingClock())
    return repair(damaged, Sources(tuple(copy.open() for copy in copies), trees, recipe_rows=2), WATCH)


def test_a_healthy_store_is_left_as_it_is(healthy: Patient) -> None:
    patient = healthy.copy()
    assert mend(patient) == Repaired((), ())
    assert patient.contents() == healthy.contents()


def test_whatever_is_damaged_is_taken_from_a_copy(healthy: Patient) -> None:
    for key, content in healthy.contents().items():
        patient = healthy.copy()
        patient.flip(key, len(content) // 2)
        assert mend(patient, healthy).left == (), key
        if key not in healthy.made.unneeded:
            assert patient.where(key).get(key) == content, key
        assert patient.damage() == [], key


def test_whatever_is_missing_is_taken_from_a_copy(healthy: Patient) -> None:
    for key, content in healthy.contents().items():
        if key in healthy.made.unneeded or key == max(key for key in healthy.all_keys() if key.startswith("journal/")):
            continue
        patient = healthy.copy()
        patient.where(key).delete(key)
        assert mend(patient, healthy).left == (), key
        if not key.startswith(layout.INDEX):
            assert patient.where(key).get(key) == content, key
        assert [finding for finding in patient.findings() if finding.code != "unreferenced"] == [], key


def test_a_damaged_copy_is_not_believed(healthy: Patient) -> None:
    pack = max(healthy.blob.list(layout.PACKS), key=lambda stored: stored.size_bytes).key
    for key in (
        pack,
        *(key for key in healthy.all_keys() if key.startswith((layout.SEGMENTS, "repos/", layout.ENVIRONMENTS))),
    ):
        if key in healthy.made.unneeded:
            continue
        patient, copy = healthy.copy(), healthy.copy()
        patient.flip(key, 40)
        copy.flip(key, 41)
        before = patient.where(key).get(key)
        assert mend(patient, copy).left != (), key
        assert patient.where(key).get(key) == before, key


def test_a_copy_of_another_store_is_refused(healthy: Patient, tmp_path: Path) -> None:
    other = Patient.make(tmp_path)
    patient = healthy.copy()
    patient.flip(layout.STORE, 5)
    with pytest.raises(Conflict, match="and no copy of"):
        mend(patient, other)


def test_an_entry_that_a_copy_wrote_for_itself_is_not_taken(healthy: Patient) -> None:
    """A copy that was written to after it was made has other entries at the same numbers."""
    log = layout.log(healthy.made.output.repo)
    key = max(stored.key for stored in healthy.metadata.list(log))
    patient, copy = healthy.copy(), healthy.copy()
    copy.metadata.delete(key)
    copy.open().logs.append(healthy.made.output.repo, lambda _: {"kind": "move", "moves": [], "run": None})
    patient.metadata.delete(key)
    mend(patient, copy)
    assert not patient.metadata.has(key)


@pytest.mark.parametrize("how", ["flip", "delete"])
def test_the_index_is_made_again_without_any_copy(healthy: Patient, tmp_path: Path, how: str) -> None:
    patient = healthy.copy()
    for key in [stored.key for stored in patient.blob.list(layout.INDEX)]:
        if how == "flip":
            patient.flip(key, 50)
        else:
            patient.blob.delete(key)
    assert mend(patient).left == ()
    assert patient.damage() == []
    assert patient.download_all(tmp_path) == []


def test_a_damaged_end_of_a_pack_is_made_again_without_any_copy(healthy: Patient) -> None:
    for key in [stored.key for stored in healthy.blob.list(layout.PACKS)]:
        if key in healthy.made.unneeded:
            continue
        patient = healthy.copy()
        content = patient.blob.get(key)
        patient.flip(key, len(content) - 3)
        assert mend(patient).left == ()
        assert patient.blob.get(key) == content


def test_the_index_and_footers_of_all_packs_lost_at_once_are_made_again(healthy: Patient, tmp_path: Path) -> None:
    patient = healthy.copy()
    for key in [stored.key for stored in patient.blob.list(layout.INDEX)]:
        patient.blob.delete(key)
    for key in [stored.key for stored in patient.blob.list(layout.PACKS)]:
        patient.flip(key, len(patient.blob.get(key)) - 20)
    mend(patient)
    assert patient.damage() == []
    assert patient.download_all(tmp_path) == []


@pytest.mark.parametrize("key", [layout.STORE, layout.BLOBS])
@pytest.mark.parametrize("how", ["flip", "delete"])
def test_what_says_which_store_it_is_is_made_again(healthy: Patient, key: str, how: str) -> None:
    patient = healthy.copy()
    if how == "flip":
        patient.flip(key, 20)
    else:
        patient.where(key).delete(key)
    assert mend(patient).left == ()
    assert patient.open().id == healthy.open().id
    assert patient.damage() == []


@pytest.mark.parametrize("how", ["flip", "delete", "cut"])
def test_files_are_whole_again_from_a_tree_that_has_them(
    healthy: Patient, scratch: Path, tmp_path: Path, how: str
) -> None:
    patient = healthy.copy()
    for key in [stored.key for stored in patient.blob.list(layout.PACKS)]:
        content = patient.blob.get(key)
        if how == "flip":
            patient.flip(key, 25)
        elif how == "delete":
            patient.blob.delete(key)
        else:
            patient.blob.put(key, content[:20])
    assert patient.download_all(tmp_path)
    first, second, output = (scratch / bundle.id for bundle in healthy.made.bundles)
    partly = mend(patient, trees=(first, output))
    assert {finding.path for finding in partly.left if finding.path} == {"a.csv"}
    assert {finding.bundle for finding in partly.left if finding.path} == {healthy.made.second.id}
    assert mend(patient, trees=(second,)).left == ()
    assert patient.damage() == []
    assert patient.download_all(tmp_path) == []


@pytest.mark.parametrize("prefix", PARTS)
@pytest.mark.parametrize("how", ["flip", "delete"])
def test_manifests_are_whole_again_from_the_trees_that_they_describe(
    healthy: Patient, scratch: Path, tmp_path: Path, prefix: str, how: str
) -> None:
    patient = healthy.copy()
    for key in [stored.key for stored in patient.metadata.list(prefix)]:
        if how == "flip":
            patient.flip(key, 30)
        else:
            patient.metadata.delete(key)
    assert mend(patient, trees=tuple(scratch / bundle.id for bundle in healthy.made.bundles)).left == ()
    assert patient.download_all(tmp_path) == []


def test_a_try_out_changes_nothing_and_tells_the_same(healthy: Patient, scratch: Path, tmp_path: Path) -> None:
    patient = healthy.copy()
    for key in [stored.key for stored in patient.blob.list("") if stored.key != layout.BLOBS]:
        patient.flip(key, 25)
    before = patient.contents()
    over = Patient(
        Overlay(patient.metadata, LocalBackend(tmp_path / "metadata")),
        Overlay(patient.blob, MemoryBackend()),
        patient.made,
        patient.trees,
    )
    trees = (scratch / healthy.made.first.id,)
    tried = mend(over, trees=trees)
    assert patient.contents() == before
    assert mend(patient, trees=trees) == tried
    assert tried.healed
    assert tried.left


def test_a_repair_that_was_done_does_nothing_when_done_again(healthy: Patient, scratch: Path) -> None:
    patient = healthy.copy()
    for key in [stored.key for stored in patient.blob.list(layout.PACKS)]:
        patient.flip(key, 25)
    trees = tuple(scratch / bundle.id for bundle in healthy.made.bundles)
    assert mend(patient, trees=trees).left == ()
    before = patient.contents()
    assert mend(patient, trees=trees) == Repaired((), ())
    assert patient.contents() == before


def test_a_collector_that_comes_after_a_repair_takes_the_damaged_packs_and_nothing_else(
    healthy: Patient, scratch: Path, tmp_path: Path
) -> None:
    """It must not keep the damaged one of two packs that hold a chunk."""
    patient = healthy.copy()
    damaged = [stored.key for stored in patient.blob.list(layout.PACKS)]
    for key in damaged:
        patient.flip(key, 25)
    assert mend(patient, trees=tuple(scratch / bundle.id for bundle in healthy.made.bundles)).left == ()
    collect(patient.open(), GcRequest(grace_ns=0))
    assert [key for key in damaged if patient.blob.has(key)] == []
    assert patient.findings() == []
    assert patient.download_all(tmp_path) == []


def test_what_a_collector_condemned_is_put_under_another_name(healthy: Patient, scratch: Path, tmp_path: Path) -> None:
    patient = healthy.copy()
    lost = [stored.key for prefix in PARTS for stored in patient.metadata.list(prefix)]
    packs = [stored.key.rpartition("/")[2] for stored in patient.blob.list(layout.PACKS)]
    record = {"kind": "condemn", "packs": packs, "keys": lost, "fenced": []}
    patient.open().logs.append(None, lambda _: record)
    for key in (*lost, *map(layout.pack, packs)):
        patient.where(key).delete(key)
    trees = tuple(scratch / bundle.id for bundle in healthy.made.bundles)
    assert mend(patient, trees=trees[:1]).left
    assert mend(patient, healthy).left == ()
    assert patient.download_all(tmp_path) == []
    assert not any(patient.where(key).has(key) for key in (*lost, *map(layout.pack, packs)))


@pytest.mark.parametrize("kind", ["killed-before", "killed-after"])
def test_a_repair_that_is_killed_at_any_write_has_harmed_nothing_and_is_finished_by_the_next(
    healthy: Patient, scratch: Path, tmp_path: Path, kind: FaultKind
) -> None:
    sick = healthy.copy()
    for prefix in (*PARTS, layout.PACKS, layout.INDEX):
        for stored in list(sick.where(prefix).list(prefix)):
            sick.flip(stored.key, 25)
    trees = tuple(scratch / bundle.id for bundle in healthy.made.bundles)
    for on_blob in (False, True):
        number, done = 0, False
        while not done:
            number += 1
            patient = sick.copy()
            dying = FaultyBackend(patient.blob if on_blob else patient.metadata, Fault(number, kind), methods=WRITES)
            done = _mended(replace(patient, blob=dying) if on_blob else replace(patient, metadata=dying), trees)
            assert mend(patient, trees=trees).left == (), number
            assert patient.download_all(tmp_path) == []
        assert number > 4


def _mended(patient: Patient, trees: tuple[Path, ...]) -> bool:
    """Whether a repair came to its end before it was killed."""
    try:
        mend(patient, trees=trees)
    except Killed:
        return False
    return True
