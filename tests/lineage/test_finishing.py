"""What a stopped recorder left undone is finished, or reported, by any later command; and nothing else is touched."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.errors import Conflict, Unavailable
from datamon.lineage import ref_moves
from datamon.lineage.binding import parse_output
from datamon.lineage.capture.host import capture_host
from datamon.lineage.endpoints import plan_outputs
from datamon.lineage.finishing import GRACE_NS, finish_pending
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion, Host, Run
from datamon.lineage.testing.bench import Bench
from datamon.lineage.workplace import Workplace
from datamon.store.backend import Backend
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.codec import Record
from datamon.store.ids import RunId
from datamon.store.journal import Cursor, Journal
from datamon.store.opening import Places, Store, open_store, store_on
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed

ADA = Author("Ada", "ada@example.org")
HERE = capture_host()


def gone() -> Host:
    """A recorder of this host whose process has ended."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return replace(HERE, pid=child.pid)


GONE = gone()
STRANGER = replace(HERE, name="elsewhere", boot="another")


def opened(metadata: Backend, blob: Backend) -> Store:
    return store_on(metadata, blob, ADA)


def is_whole(bench: Bench, run: Run, head_before: str | None) -> bool:
    """Whether the run's end is all there or not there at all."""
    head = bench.refs().get("main")
    if run.status == "succeeded":
        return [output.bundle for output in run.outputs] == [head]
    return run.status == "abandoned" and head == head_before


def a_backend(name: str, tmp_path: Path) -> Backend:
    return MemoryBackend() if name == "memory" else LocalBackend(tmp_path / "metadata")


@pytest.mark.parametrize("place", ["memory", "local"])
@pytest.mark.parametrize("kind", ["killed-before", "killed-after"])
def test_a_kill_at_any_write_of_a_run_is_finished_or_reported_by_the_next_command(
    tmp_path: Path, kind: FaultKind, place: str
) -> None:
    metadata, blob = a_backend(place, tmp_path), MemoryBackend()
    bench = Bench.make(tmp_path, opened(metadata, blob))
    policy = Policy(variables=dict(os.environ), host=GONE)
    statuses = []
    for number in range(1, 100):
        head = bench.refs().get("main")
        known = len(bench.runs())
        dying = FaultyBackend(metadata, Fault(number, kind), methods=WRITES)
        recorder = replace_store(bench, opened(dying, blob), policy)
        dying.calls.clear()
        outputs = (parse_output(f"features=out{number}"),)
        with suppress(Killed):
            recorder.record("sh", "-c", f"echo {number} | tee out{number}/x", outputs=outputs, labels=("v1",))
        bench.store = opened(metadata, blob)
        was_unfinished = bench.marks()
        finished = finish_pending(bench.store, HERE)
        assert [each.run for each in finished] == was_unfinished
        assert bench.marks() == []
        assert finish_pending(bench.store, HERE) == []
        for run in bench.runs()[known:]:
            assert is_whole(bench, run, head)
            statuses.append(run.status)
            assert bench.refs().get("main") == bench.refs().get("v1")
        if len(dying.calls) < number:
            break
    else:
        raise AssertionError("a run never came to its end")
    assert number > 15
    assert {"abandoned", "succeeded"} == set(statuses)


def replace_store(bench: Bench, store: Store, policy: Policy) -> Bench:
    return Bench(bench.work, store, bench.stdout, policy)


@pytest.mark.parametrize("place", ["memory", "local"])
@pytest.mark.parametrize("kind", ["before", "after", "full"])
def test_a_write_that_fails_while_a_run_ends_leaves_a_run_that_the_next_command_finishes(
    tmp_path: Path, kind: FaultKind, place: str
) -> None:
    metadata, blob = a_backend(place, tmp_path), MemoryBackend()
    bench = Bench.make(tmp_path, opened(metadata, blob))
    policy = Policy(variables=dict(os.environ), host=GONE)
    for number in range(1, 100):
        head = bench.refs().get("main")
        known = len(bench.runs())
        failing = FaultyBackend(metadata, Fault(number, kind), methods=WRITES)
        recorder = replace_store(bench, opened(failing, blob), policy)
        failing.calls.clear()
        outputs = (parse_output(f"features=out{number}"),)
        with suppress(Unavailable, Conflict):
            recorder.record("sh", "-c", f"echo {number} > out{number}/x", outputs=outputs)
        finish_pending(bench.store, HERE)
        assert bench.marks() == []
        for run in bench.runs()[known:]:
            assert is_whole(bench, run, head) or (run.status == "failed" and bench.refs().get("main") == head)
        if len(failing.calls) < number:
            return
    raise AssertionError("a run never came to its end")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path)


def open_run(bench: Bench, host: Host) -> Recording:
    """A run that a recorder of `host` opened."""
    binding = parse_output("features=unused")
    targets = plan_outputs(bench.store, [binding], ())
    intent = RunIntent("default", "step", "context", ("x",), ".", CodeVersion(), targets=targets)
    return Recording.open(bench.store, intent, Policy(host=host))


def closed_run(bench: Bench, host: Host) -> Run:
    """A run of `host` whose recorder stopped just after the close was in the journal."""
    recording = open_run(bench, host)
    directory = bench.work / f"output-{recording.run}"
    directory.mkdir()
    (directory / "x").write_text("x")
    recording.commit_output(plan_outputs(bench.store, [parse_output("features=unused")], ())[0], directory)
    recording.store = replace(bench.store, journal=StoppingJournal(bench.store.journal))
    with suppress(Killed):
        recording.end(Ending("succeeded"))
    return bench.run(recording.run)


class StoppingJournal:
    """A journal after whose record of a run's close the process ends."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, record: Record) -> None:
        self._journal.append(record)
        if record["kind"] == "run-closed":
            raise Killed

    def append_many(self, records: Sequence[Record]) -> None:
        self._journal.append_many(records)

    def tend(self) -> int:
        return self._journal.tend()

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        return self._journal.read(cursor, limit=limit)


def test_nothing_is_read_but_one_listing_when_no_run_is_open(bench: Bench) -> None:
    bench.record("true")
    watched = FaultyBackend(bench.store.metadata)
    store = replace(bench.store, metadata=watched)
    assert finish_pending(store, HERE) == []
    assert watched.calls == ["list open/"]


def test_runs_whose_recorder_is_at_work_stay_as_they_are_without_reading_the_journal(bench: Bench) -> None:
    recording = open_run(bench, HERE)
    watched = FaultyBackend(bench.store.metadata)
    assert finish_pending(replace(bench.store, metadata=watched), HERE) == []
    assert watched.calls == ["list open/", f"get open/{recording.run}"]
    recording.end(Ending("succeeded"))
    assert bench.marks() == []


def test_a_run_whose_recorder_is_gone_is_abandoned(bench: Bench) -> None:
    run = open_run(bench, GONE).run
    [finished] = finish_pending(bench.store, HERE)
    assert (finished.run, finished.what, bench.run(run).status, bench.marks()) == (run, "abandoned", "abandoned", [])
    assert "default/step" in finished.message
    assert "abandoned" in finished.message


def test_a_close_that_arrives_after_all_beats_the_abandonment(bench: Bench) -> None:
    recording = open_run(bench, GONE)
    finish_pending(bench.store, HERE)
    recording.end(Ending("succeeded"))
    assert bench.run(recording.run).status == "succeeded"


def test_open_runs_of_other_hosts_and_containers_are_left_alone(bench: Bench) -> None:
    for host in (STRANGER, replace(GONE, boot=HERE.boot.partition("/")[0] + "/pid:[1]")):
        open_run(bench, host)
    assert finish_pending(bench.store, HERE) == []
    assert [run.status for run in bench.runs()] == ["running", "running"]
    assert len(bench.marks()) == 2


@pytest.mark.parametrize("host", [GONE, STRANGER], ids=["gone", "elsewhere"])
def test_the_moves_of_a_run_that_was_closed_are_made(bench: Bench, host: Host) -> None:
    run = closed_run(bench, host)
    assert bench.refs() == {}
    [finished] = finish_pending(bench.store, HERE)
    assert bench.refs() == {"main": run.outputs[0].bundle}
    assert [(move.ref, move.new) for move in finished.moved] == [("main", run.outputs[0].bundle)]
    assert (finished.lost, bench.marks()) == ((), [])
    assert "they are moved now" in finished.message


def test_a_move_whose_ref_was_moved_by_others_meanwhile_is_reported_and_not_made(bench: Bench) -> None:
    run = closed_run(bench, GONE)
    head = bench.upload("features", y="y")
    [finished] = finish_pending(bench.store, HERE)
    assert bench.refs() == {"main": head.id}
    assert [move.new for move in finished.lost] == [run.outputs[0].bundle]
    assert "branch 'main'" in finished.message
    assert bench.marks() == []
    assert bench.run(run.id).status == "succeeded"


def test_a_lost_move_of_another_host_is_left_to_it_for_a_while(bench: Bench) -> None:
    run = closed_run(bench, STRANGER)
    bench.upload("features", y="y")
    assert finish_pending(bench.store, HERE) == []
    assert bench.marks() == [run.id]
    assert run.closed is not None
    later = run.closed.ended_ns + GRACE_NS
    [finished] = finish_pending(replace(bench.store, clock=lambda: later), HERE)
    assert len(finished.lost) == 1
    assert bench.marks() == []


def test_moves_that_were_made_before_the_recorder_stopped_count_as_made(bench: Bench) -> None:
    run = closed_run(bench, GONE)
    assert run.closed is not None
    assert ref_moves.make_moves(bench.store, run.id, run.closed.moves) == []
    later = bench.upload("features", y="y")
    [finished] = finish_pending(bench.store, HERE)
    assert (len(finished.moved), finished.lost, bench.refs()) == (1, (), {"main": later.id})


def test_a_mark_without_a_run_is_cleared(bench: Bench) -> None:
    dying = FaultyBackend(bench.store.metadata, Fault(2, "killed-before"), methods=WRITES)
    with pytest.raises(Killed):
        open_run(Bench(bench.work, opened(dying, bench.store.blob)), GONE)
    [finished] = finish_pending(bench.store, HERE)
    assert (finished.what, bench.marks(), bench.runs()) == ("never-opened", [], [])
    assert "before it began" in finished.message


def test_only_what_came_since_the_last_command_is_read_of_the_journal(tmp_path: Path) -> None:
    metadata, blob = MemoryBackend(), MemoryBackend()
    bench = Bench.make(tmp_path / "bench", opened(metadata, blob))
    bench.record("true")
    early = open_run(bench, STRANGER)
    watched = FaultyBackend(metadata)
    store = replace(opened(watched, blob), state_dir=tmp_path / "state")
    reads = []
    for _ in range(2):
        watched.calls.clear()
        assert finish_pending(store, HERE) == []
        reads.append(sum(call.startswith("get journal/") for call in watched.calls))
    assert reads[0] > 3
    assert reads[1] == 0
    late = closed_run(bench, STRANGER)
    assert [each.run for each in finish_pending(store, HERE)] == [late.id]
    early.end(Ending("succeeded"))
    assert finish_pending(store, HERE) == []
    assert bench.marks() == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"store": "another"}', '{"store": "STORE", "cursor": {"writers": 1}}']
)
def test_a_memory_of_the_journal_that_is_damaged_or_anothers_is_passed_over(tmp_path: Path, content: str) -> None:
    store = replace(opened(MemoryBackend(), MemoryBackend()), state_dir=tmp_path / "state")
    bench = Bench.make(tmp_path / "bench", store)
    run = closed_run(bench, GONE)
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "unfinished-runs.json").write_text(content.replace("STORE", store.id))
    assert [each.run for each in finish_pending(store, HERE)] == [run.id]


def test_temporary_directories_of_a_killed_process_are_removed_with_its_run(tmp_path: Path) -> None:
    store = replace(opened(MemoryBackend(), MemoryBackend()), state_dir=tmp_path / "state")
    bench = Bench.make(tmp_path / "bench", store)
    left, kept = Workplace(store, GONE), Workplace(store, HERE)
    left.directory("in").chmod(0o500)
    there = kept.directory("in")
    open_run(bench, GONE)
    finish_pending(store, HERE)
    assert len(list((tmp_path / "state" / "work").iterdir())) == 1
    with kept:
        assert there.is_dir()
    assert list((tmp_path / "state" / "work").iterdir()) == []


@pytest.mark.parametrize("torn", range(4))
def test_a_close_that_lacks_only_the_end_of_its_line_after_a_power_cut_counts_and_its_refs_are_moved(
    tmp_path: Path, torn: int
) -> None:
    places = Places(str(tmp_path / "store"), str(tmp_path / "store"), state_dir=tmp_path / "state")
    bench = Bench.make(tmp_path / "bench", open_store(places, ADA))
    recording = open_run(bench, GONE)
    target = plan_outputs(bench.store, [parse_output(f"features={bench.work}")], ())[0]
    (bench.work / "f").write_text("1")
    recording.commit_output(target, bench.work)
    recording._append_close(recording._closed(Ending("succeeded")))  # the recorder is stopped here
    log = tmp_path / "store" / "journal" / "log"
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) - torn])
    again = open_store(places, ADA)
    [finished] = finish_pending(again, HERE)
    status = combine_all(again)[recording.run].status
    moved = "main" in Bench(bench.work, again).refs("features")
    expected = ("moved", "succeeded", True) if torn < 2 else ("abandoned", "abandoned", False)
    assert (finished.what, status, moved) == expected
    assert finish_pending(again, HERE) == []


def combine_all(store: Store) -> dict[RunId, Run]:
    return {run.id: run for run in Bench(Path(), store).runs()}
