"""Recordings at once and against each other: nothing is lost, and each end is made once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.errors import Unavailable
from datamon.lineage.binding import parse_output
from datamon.lineage.capture.host import capture_host
from datamon.lineage.decorators import make_step
from datamon.lineage.finishing import finish_pending
from datamon.lineage.recording import LONGEST_ERROR, Ending, Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion, Environment
from datamon.lineage.testing.bench import Bench
from datamon.store.bundle import Author
from datamon.store.codec import Record
from datamon.store.ids import BundleId
from datamon.store.journal import Cursor, Journal
from datamon.store.opening import Places, open_store
from datamon.store.repos import find_repo

ADA = Author("Ada", "ada@example.org")
HERE = capture_host()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path)


class Racing:
    """A journal after whose first record of a run's close something else happens."""

    def __init__(self, journal: Journal, race: Callable[[], object]) -> None:
        self._journal = journal
        self._race: list[Callable[[], object]] = [race]

    def append(self, record: Record) -> None:
        self._journal.append(record)
        if record["kind"] == "run-closed" and self._race:
            self._race.pop()()

    def append_many(self, records: Sequence[Record]) -> None:
        self._journal.append_many(records)

    def tend(self) -> int:
        return self._journal.tend()

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        return self._journal.read(cursor, limit=limit)


def test_a_live_recorder_that_lost_its_branch_to_another_lists_its_moves_again(bench: Bench) -> None:
    other: list[BundleId] = []
    plain = bench.store
    bench.store = replace(
        plain, journal=Racing(plain.journal, lambda: other.append(bench.upload("features", y="y").id))
    )
    outcome = bench.record("touch", "out/x", outputs=(parse_output("features=out"),), labels=("v1",))
    [branch, label] = bench.close(outcome).moves
    assert (branch.old, branch.new) == (other[0], outcome.outputs[0].bundle)
    assert (label.old, label.new) == (None, outcome.outputs[0].bundle)
    assert bench.refs() == {"main": outcome.outputs[0].bundle, "v1": outcome.outputs[0].bundle}
    assert [event["kind"] for event in plain.journal.read({})[0]].count("run-moves") == 1
    assert (outcome.notes, bench.marks()) == ((), [])


def test_a_repo_deleted_while_a_run_ends_loses_nothing_but_the_move(bench: Bench) -> None:
    plain = bench.store
    repo = find_repo(plain, "features")

    def delete() -> None:
        plain.logs.append(None, lambda _: {"kind": "repo-deleted", "repo": repo.id})

    bench.store = replace(plain, journal=Racing(plain.journal, delete))
    outcome = bench.record("true", outputs=(parse_output("features=out"),))
    assert (outcome.status, len(outcome.notes), bench.marks()) == ("succeeded", 1, [])


def test_many_threads_that_record_at_once_lose_nothing(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path)

    @make_step(lambda: bench.store)(inputs={"src": "raw"}, outputs={"dst": "features"})
    def prepare(src: Path, dst: Path, number: int) -> None:
        (dst / "x").write_text(f"{number}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(prepare, range(16)))
    assert [run.status for run in bench.runs()] == ["succeeded"] * 16
    outputs = [run.outputs[0].bundle for run in bench.runs()]
    assert len(set(outputs)) == 16
    assert set(outputs) == set(bench.bundles())
    assert sorted(bench.files(bundle)["x"] for bundle in outputs) == sorted(map(str, range(16)))
    state = bench.store.logs.repo(find_repo(bench.store, "features").id)
    made = [str(move.new) for _, move in state.history]
    assert sorted(made) == sorted(outputs)
    assert (bench.refs()["main"], bench.marks()) == (made[-1], [])


RECORDER = """
import sys
from pathlib import Path
from datamon.lineage.binding import parse_output
from datamon.lineage.command import CommandRequest, record_command
from datamon.lineage.recording import Policy
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store

place, count, *argv = sys.argv[1:]
store = open_store(Places(place, place, state_dir=Path(place + "-state")), Author("Ada", "a@example.org"))
for number in range(int(count)):
    work = Path(f"{place}-{argv[-1][-3:]}-{number}")
    work.mkdir()
    outputs = (parse_output("features=out"),)
    record_command(store, CommandRequest(tuple(argv), work, outputs=outputs, policy=Policy(variables={"PATH": "/usr/bin:/bin"})))
"""


def local_bench(tmp_path: Path) -> tuple[Bench, list[str]]:
    """A bench on a local store, and the command that records into it in another process."""
    place = f"{tmp_path}/store"
    bench = Bench.make(tmp_path, open_store(Places(place, place), ADA))
    return bench, [sys.executable, "-c", RECORDER, place]


def test_processes_that_record_at_once_on_one_branch_lose_nothing(tmp_path: Path) -> None:
    bench, recorder = local_bench(tmp_path)
    script = "echo $$ > out/x # "
    children = [subprocess.Popen([*recorder, "2", "sh", "-c", f"{script}{name}"]) for name in ("aaa", "bbb", "ccc")]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert [run.status for run in bench.runs()] == ["succeeded"] * 6
    outputs = {run.outputs[0].bundle for run in bench.runs()}
    assert outputs == set(bench.bundles())
    assert (bench.refs()["main"] in outputs, bench.marks()) == (True, [])


def test_a_recorder_killed_while_its_command_runs_leaves_an_abandoned_run(tmp_path: Path) -> None:
    bench, recorder = local_bench(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    child = subprocess.Popen([*recorder, "1", "sh", "-c", f"echo $$ > {fifo}; read x < {fifo} # aaa"])
    command = int(fifo.read_text())
    assert [run.status for run in bench.runs()] == ["running"]
    assert finish_pending(bench.store, HERE) == []
    child.kill()
    child.wait()
    os.kill(command, signal.SIGKILL)
    [finished] = finish_pending(bench.store, HERE)
    assert (finished.what, bench.runs()[0].status, bench.refs(), bench.marks()) == ("abandoned", "abandoned", {}, [])


INTENT = RunIntent("default", "step", "context", ("x",), ".", CodeVersion())


class Flaky:
    """A journal that carries out the first append of a close and loses its answer."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._failures = 1

    def append(self, record: Record) -> None:
        self._journal.append(record)
        if record["kind"] == "run-closed" and self._failures:
            self._failures -= 1
            raise Unavailable("backend-unavailable", "the answer is lost")

    def append_many(self, records: Sequence[Record]) -> None:
        self._journal.append_many(records)

    def tend(self) -> int:
        return self._journal.tend()

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        return self._journal.read(cursor, limit=limit)


def test_a_close_whose_answer_was_lost_is_written_again_as_the_same_event(bench: Bench) -> None:
    journal = bench.store.journal
    recording = Recording.open(replace(bench.store, journal=Flaky(journal)), INTENT, Policy(host=HERE))
    recording.end(Ending("succeeded"))
    closes = [event for event in journal.read({})[0] if event["kind"] == "run-closed"]
    assert [len(closes), closes[0] == closes[1]] == [2, True]
    assert bench.run(recording.run).status == "succeeded"


def test_equal_environments_are_kept_once(bench: Bench) -> None:
    environment = Environment("3.12.0", "CPython", "Linux", {"numpy": "2.0"}, {})
    for name in ("1", "1", "2"):
        intent = replace(INTENT, environment=replace(environment, variables={"N": name}))
        Recording.open(bench.store, intent, Policy(host=HERE)).end(Ending("succeeded"))
    assert len(list(bench.store.metadata.list("environments/"))) == 2


def test_an_endless_error_is_cut(bench: Bench) -> None:
    with pytest.raises(ValueError, match="xxx"), Recording.open(bench.store, INTENT, Policy(host=HERE)):
        raise ValueError("x" * 100_000)
    closed = bench.runs()[0].closed
    assert closed is not None
    assert len(str(closed.error)) == LONGEST_ERROR


def test_recording_a_command_loads_no_large_library_unless_it_needs_one() -> None:
    program = """
import os, sys
from pathlib import Path
from datamon.lineage.command import CommandRequest, record_command
from datamon.lineage.finishing import finish_pending
from datamon.lineage.capture.host import capture_host
from datamon.lineage.recording import Policy
from datamon.store.opening import memory_store
store = memory_store()
record_command(store, CommandRequest(("true",), Path.cwd(), policy=Policy(variables=dict(os.environ))))
finish_pending(store, capture_host())
large = ("pyarrow", "duckdb", "pydantic", "numpy", "sqlglot", "networkx", "google.cloud", "psutil")
print([name for name in large if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
