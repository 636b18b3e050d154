"""The journal's file under check: what a crash leaves is harmless, every changed byte is damage, and a copy makes it good."""

from pathlib import Path

import pytest

from datamon.lineage.checking import check_runs
from datamon.lineage.testing.patient import ADA, Patient
from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.check.findings import Finding
from datamon.store.check.journal_file import Line, journal_lines, read_journal_file
from datamon.store.check.packs import Sample
from datamon.store.repair.repair import Damaged, Sources, Watch, repair
from datamon.store.testing.clocks import SteppingClock


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    (tmp_path / "scratch").mkdir()
    return Patient.make(tmp_path / "scratch", LocalBackend(tmp_path / "store"), LocalBackend(tmp_path / "blobs"))


def damaged_lines(patient: Patient) -> list[Line]:
    return [met for met in read_journal_file(patient.metadata) if isinstance(met, Line)]


def of_journal(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in findings if finding.key == layout.JOURNAL_FILE]


def test_a_whole_journal_has_nothing_to_find(patient: Patient) -> None:
    assert [finding.code for finding in patient.findings()] == ["unreferenced"]


def test_every_changed_byte_is_damage(patient: Patient) -> None:
    """Also one that becomes a line end, or that makes a record look as if a crash had torn it."""
    patient = patient.copy()  # in memory, where a change costs no sync
    content = patient.metadata.get(layout.JOURNAL_FILE)
    for at in range(len(content)):
        for by in {content[at] ^ 0x0A, 1, 0x20}:
            if by:
                patient.flip(layout.JOURNAL_FILE, at, by)
                assert damaged_lines(patient), (at, by)
                patient.flip(layout.JOURNAL_FILE, at, by)
    patient.flip(layout.JOURNAL_FILE, len(content) // 2)
    assert ("bad-record", "damage") in of_journal(patient.findings())


def test_whatever_a_crash_tears_off_is_no_damage(patient: Patient) -> None:
    patient = patient.copy()
    content = patient.metadata.get(layout.JOURNAL_FILE)
    last = content.rindex(b"\nDMJ1 ")
    for end in range(last, len(content)):
        for behind in (b"", content[last:]):
            patient.metadata.put(layout.JOURNAL_FILE, content[:end] + behind)
            assert damaged_lines(patient) == [], end


def test_a_journal_that_is_gone_is_damage(patient: Patient) -> None:
    patient.metadata.delete(layout.JOURNAL_FILE)
    assert ("missing-bytes", "damage") in of_journal(patient.findings())


def test_damaged_stretches_are_made_good_from_a_copy_while_others_append(patient: Patient) -> None:
    healthy = patient.copy()
    lines = [line for line in journal_lines(patient.metadata) if line.content]
    for line in (lines[0], lines[4], lines[-1]):
        patient.flip(layout.JOURNAL_FILE, line.offset + 30, 0x20)
    patient.flip(layout.JOURNAL_FILE, lines[6].end, 0x40)  # a line end
    before = patient.metadata.get(layout.JOURNAL_FILE)
    patient.open().journal.append({"kind": "other"})
    assert patient.damage()
    damaged = Damaged(patient.metadata, patient.blob, ADA, SteppingClock())
    repaired = repair(damaged, Sources((healthy.open(),)), Watch(Sample(100), check_runs))
    assert repaired.left == ()
    assert repaired.healed
    assert patient.damage() == []
    assert patient.metadata.get(layout.JOURNAL_FILE).startswith(before)


def test_lost_intents_are_written_again_without_a_copy(patient: Patient) -> None:
    lines = [line for line in journal_lines(patient.metadata) if b'"intent"' in line.content]
    content = patient.metadata.get(layout.JOURNAL_FILE)
    first = lines[0]
    patient.metadata.put(layout.JOURNAL_FILE, content[: first.offset - 1] + content[first.end + 1 :])
    assert {finding.code for finding in patient.damage()} == {"intent-missing"}
    assert repair(Damaged(patient.metadata, patient.blob, ADA), Sources()).left == ()
    assert patient.damage() == []


def test_a_journal_that_is_gone_is_taken_from_a_copy(patient: Patient) -> None:
    healthy = patient.copy()
    patient.metadata.delete(layout.JOURNAL_FILE)
    assert repair(Damaged(patient.metadata, patient.blob, ADA), Sources((healthy.open(),))).left == ()
    assert patient.damage() == []
