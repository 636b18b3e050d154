"""What only lineage can check: runs are recorded whole, and what they name is there."""

import pytest

from datamon.lineage.checking import check_runs
from datamon.lineage.records import RUN_CLOSED, RUN_OPENED
from datamon.lineage.testing.patient import Patient
from datamon.store import layout
from datamon.store.codec import Record, decode_sealed, encode_sealed


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return Patient.make(tmp_path_factory.mktemp("patient"))


@pytest.fixture
def patient(healthy: Patient) -> Patient:
    return healthy.copy()


def found(patient: Patient) -> list[tuple[str, str, str | None]]:
    return [(finding.code, finding.severity, finding.key) for finding in check_runs(patient.open())]


def events(patient: Patient) -> dict[str, Record]:
    """The journal's records by key."""
    keys = [stored.key for stored in patient.metadata.list(layout.JOURNAL)]
    return {key: decode_sealed(patient.metadata.get(key), key) for key in keys}


def blanked(patient: Patient, kind: str) -> Record:
    """The first record of a kind, which the journal has lost though nothing is damaged."""
    key, event = next((key, event) for key, event in events(patient).items() if event["kind"] == kind)
    other = {"format": 1, "kind": "other", "event": event["event"], "time": event["time"]}
    patient.metadata.put(key, encode_sealed(other))
    return event


def test_a_whole_store_has_nothing_to_find(patient: Patient) -> None:
    assert found(patient) == []


def test_a_lost_opening_is_told_by_the_close_and_by_the_bundle(patient: Patient) -> None:
    blanked(patient, RUN_OPENED)
    assert found(patient) == [("run-incomplete", "damage", None)] * 2


def test_a_lost_close_is_told_because_the_mark_is_gone_too(patient: Patient) -> None:
    event = blanked(patient, RUN_CLOSED)
    assert found(patient) == [("run-incomplete", "damage", layout.open_run(event["run"]))]


def test_a_run_that_is_open_and_marked_is_in_order_and_one_without_its_mark_is_not(patient: Patient) -> None:
    [mark] = patient.metadata.list(layout.OPEN_RUNS)
    patient.metadata.delete(mark.key)
    assert found(patient) == [("run-incomplete", "damage", mark.key)]


def test_a_mark_without_a_run_is_a_notice(patient: Patient) -> None:
    [mark] = patient.metadata.list(layout.OPEN_RUNS)
    key = next(
        key for key, event in events(patient).items() if event["kind"] == RUN_OPENED and event["run"]["id"] in mark.key
    )
    patient.metadata.delete(key)
    assert found(patient) == [("run-incomplete", "notice", mark.key)]


def test_a_lost_environment_is_told_once_for_all_runs(patient: Patient) -> None:
    [environment] = patient.metadata.list(layout.ENVIRONMENTS)
    patient.metadata.delete(environment.key)
    assert found(patient) == [("missing-bytes", "damage", environment.key)]


def test_a_bundle_that_no_log_has_is_told(patient: Patient) -> None:
    log = layout.log(patient.made.output.repo)
    for stored in list(patient.metadata.list(log)):
        patient.metadata.delete(stored.key)
    assert found(patient) == [("unknown-bundle", "damage", log)]


def test_a_log_that_cannot_be_read_is_left_to_the_store_s_own_check(patient: Patient) -> None:
    patient.flip(layout.log_entry(patient.made.output.repo, 1), 9)
    patient.flip(layout.log_entry(None, 1), 9)
    assert found(patient) == []
