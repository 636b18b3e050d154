"""Every changed byte and every missing thing of a store is found by check, and never becomes a wrong file."""

import random
from pathlib import Path

import pytest

from datamon.errors import DatamonError
from datamon.lineage.testing.patient import Patient
from datamon.store import layout
from datamon.store.check.findings import Finding

READ_BY_DOWNLOADS = (layout.PACKS, layout.INDEX, layout.MANIFESTS, layout.SEGMENTS, layout.STATS)
FEWEST_POSITIONS = 600
PARTS = 16
"""Every byte of the store takes minutes; a test may not."""


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return Patient.make(tmp_path_factory.mktemp("patient"))


def assert_never_wrong(patient: Patient, scratch: Path, key: str) -> list[DatamonError]:
    """Each bundle is downloaded right, or not at all and with an error that names it (or what is damaged, when that is the index
    that all bundles share); the errors."""
    errors = patient.download_all(scratch)
    for error in errors:
        [bundle] = error.__notes__
        shared = key.startswith(layout.INDEX) and key in error.message
        assert shared or bundle in error.message, error
        if key.startswith(layout.PACKS):
            assert str(error.facts["path"]) in patient.trees[bundle], error
    return errors


def sampled(sizes: list[int], fewest: int, chance: random.Random) -> list[list[int]]:
    """Positions in each of several contents: the ends of each, and others by chance."""
    total = sum(sizes)
    return [
        sorted({0, size - 1, *(chance.randrange(size) for _ in range(1 + fewest * size // total))}) for size in sizes
    ]


def assert_flips_found(patient: Patient, positions: list[list[int]], scratch: Path, downloads_every: int) -> None:
    chance = random.Random(7)
    for key, places in zip(patient.contents(), positions, strict=True):
        for at in places:
            with patient.kept(key):
                patient.flip(key, at, chance.randrange(1, 256))
                found = [finding for finding in patient.findings() if finding.key == key]
                if key not in patient.made.unneeded:
                    assert any(finding.is_damage for finding in found), (key, at)
                if key.startswith(READ_BY_DOWNLOADS) and at % downloads_every == 0:
                    assert_never_wrong(patient, scratch, key)


def test_the_store_itself_is_clean(patient: Patient) -> None:
    assert [finding.code for finding in patient.findings()] == ["unreferenced"]


def test_a_changed_byte_anywhere_is_found_and_never_becomes_a_wrong_file(patient: Patient, tmp_path: Path) -> None:
    sizes = [len(content) for content in patient.contents().values()]
    assert_flips_found(patient, sampled(sizes, FEWEST_POSITIONS, random.Random(7)), tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_changed_byte_is_found_and_never_becomes_a_wrong_file(
    patient: Patient, tmp_path: Path, part: int
) -> None:
    positions = [list(range(part, len(content), PARTS)) for content in patient.contents().values()]
    assert_flips_found(patient, positions, tmp_path, 1)


def test_everything_that_is_missing_is_found_and_never_becomes_a_hole(patient: Patient, tmp_path: Path) -> None:
    found: dict[str, list[Finding]] = {}
    for key in patient.all_keys():
        with patient.kept(key):
            patient.where(key).delete(key)
            found[key] = patient.findings()
            if key.startswith(READ_BY_DOWNLOADS):
                errors = assert_never_wrong(patient, tmp_path, key)
                assert bool(errors) == (key not in patient.made.unneeded and not _of_deleted(patient, key)), key
    for key, findings in found.items():
        if key in patient.made.unneeded or _of_deleted(patient, key):
            continue
        named = [finding for finding in findings if finding.key == key]
        if key == layout.BLOBS:
            assert [finding.severity for finding in named] == ["notice"]
        elif _is_last_entry(patient, key):
            assert [finding.code for finding in named] == ["entry-missing"], key
        elif _is_last_record(patient, key):
            assert {finding.code for finding in findings} > {"unreferenced"}, key
        else:
            assert any(finding.is_damage for finding in named), key


def _of_deleted(patient: Patient, key: str) -> bool:
    """Whether it is the index segment of the deleted bundle's session."""
    [pack] = [name for name in patient.made.unneeded if name.startswith(layout.PACKS)]
    return key.startswith(layout.INDEX) and pack.rpartition("/")[2].partition("-")[0] in key


def _is_last_entry(patient: Patient, key: str) -> bool:
    log, _, _ = key.rpartition("/")
    if not log.endswith("log") or log == "journal":
        return False
    return key == max(stored.key for stored in patient.metadata.list(f"{log}/"))


def _is_last_record(patient: Patient, key: str) -> bool:
    return key.startswith(layout.JOURNAL) and key == max(stored.key for stored in patient.metadata.list(layout.JOURNAL))


def test_the_files_that_a_damaged_pack_hits_are_named(patient: Patient) -> None:
    pack = max(patient.blob.list(layout.PACKS), key=lambda stored: stored.size_bytes).key
    with patient.kept(pack):
        patient.flip(pack, 30)
        hit = {(finding.repo, finding.bundle, finding.path) for finding in patient.findings() if finding.path}
    assert hit
    both = (patient.made.first, patient.made.second)
    assert hit <= {("raw", bundle.id, path) for bundle in both for path in patient.trees[bundle.id]}
