"""Marks that a power cut took: the run's host makes them again after it was started."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from datamon.lineage.binding import parse_output
from datamon.lineage.capture.host import capture_host
from datamon.lineage.endpoints import plan_outputs
from datamon.lineage.finishing import finish_pending
from datamon.lineage.recording import Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion, Host
from datamon.lineage.testing.bench import Bench
from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.ids import RunId
from datamon.store.opening import store_on

ADA = Author("Ada", "ada@example.org")
HERE = capture_host()


def gone() -> Host:
    """A recorder of this host whose process has ended."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return replace(HERE, pid=child.pid)


GONE = gone()
STRANGER = replace(HERE, name="elsewhere", boot="another")


def open_run(bench: Bench, host: Host) -> Recording:
    """A run without outputs that a recorder of `host` opened."""
    return Recording.open(bench.store, RunIntent("p", "s", "context", ("x",), ".", CodeVersion()), Policy(host=host))


def local_bench(tmp_path: Path) -> Bench:
    backend = LocalBackend(tmp_path / "store")
    return Bench.make(tmp_path / "bench", store_on(backend, backend, ADA, state_dir=tmp_path / "state"))


def test_a_run_whose_mark_a_power_cut_took_is_abandoned_after_the_next_start(tmp_path: Path) -> None:
    bench = local_bench(tmp_path)
    lost, torn = open_run(bench, GONE).run, open_run(bench, GONE).run
    never = RunId("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")
    bench.store.metadata.delete(layout.open_run(lost))
    bench.store.metadata.put(layout.open_run(torn), b"")
    bench.store.metadata.put(layout.open_run(never), b"\0\0\0")
    finished = finish_pending(bench.store, HERE)
    assert {each.run: each.what for each in finished} == {lost: "abandoned", torn: "abandoned"}
    assert {bench.run(run).status for run in (lost, torn)} == {"abandoned"}
    assert bench.marks() == []


def test_the_journal_is_looked_at_once_after_each_start(tmp_path: Path) -> None:
    bench = local_bench(tmp_path)
    assert finish_pending(bench.store, HERE) == []
    run = open_run(bench, GONE).run
    bench.store.metadata.delete(layout.open_run(run))
    assert finish_pending(bench.store, HERE) == []
    assert [each.run for each in finish_pending(bench.store, replace(HERE, boot="another/pid:[1]"))] == [run]


def test_runs_of_other_hosts_are_not_marked_again(tmp_path: Path) -> None:
    bench = local_bench(tmp_path)
    run = open_run(bench, STRANGER).run
    bench.store.metadata.delete(layout.open_run(run))
    assert finish_pending(bench.store, HERE) == []
    assert bench.run(run).status == "running"


def test_the_mark_of_a_run_is_durable_before_its_first_output(tmp_path: Path) -> None:
    bench = local_bench(tmp_path)
    recording = open_run(bench, HERE)
    assert recording._mark
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f").write_text("x")
    [target] = plan_outputs(bench.store, [parse_output("features=unused")], ())
    recording.commit_output(target, tmp_path / "out")
    assert not recording._mark
    assert bench.marks() == [recording.run]
