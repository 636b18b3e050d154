"""`record_command` beside another run, and its labels: one directory takes one run's files, one label is set once."""

import subprocess
import threading
from pathlib import Path

import pytest

from datamon.errors import Conflict, Invalid
from datamon.lineage.binding import parse_output
from datamon.lineage.context import make_run
from datamon.lineage.decorators import make_step
from datamon.lineage.testing.bench import Bench
from datamon.store.refs import ref_history
from datamon.store.repos import find_repo

OUT = {"outputs": (parse_output("features=out"),)}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench.make(tmp_path)
    made.store.state_dir = tmp_path / "state"
    return made


def test_a_second_run_does_not_write_to_the_output_directory_of_one_that_is_running(bench: Bench) -> None:
    begun, end = bench.work / "begun", bench.work / "end"
    for pipe in (begun, end):
        subprocess.run(["mkfifo", str(pipe)], check=True)
    first = threading.Thread(
        target=bench.record, args=("sh", "-c", "echo 1 > out/a; echo > begun; cat end"), kwargs=OUT
    )
    first.start()
    begun.read_text()
    with pytest.raises(Conflict, match=r"another run is writing to .*out' now; wait for its end") as refused:
        bench.record("sh", "-c", "echo 2 > out/b", outputs=(parse_output("other=../work/out"),))
    end.write_text("")
    first.join()
    assert refused.value.code == "directory-in-use"
    [run] = bench.runs()
    assert bench.files(run.outputs[0].bundle) == {"a": "1\n"}
    [output] = bench.record("sh", "-c", "echo 3 > out/c", **OUT).outputs
    assert bench.files(output.bundle) == {"c": "3\n"}


def test_what_a_command_left_running_does_not_hold_its_output_directory(bench: Bench) -> None:
    bench.record("sh", "-c", "echo 1 > out/a; sleep 5 >/dev/null 2>&1 &", **OUT)
    [output] = bench.record("sh", "-c", "echo 2 > out/b", **OUT).outputs
    assert bench.files(output.bundle) == {"b": "2\n"}


def test_a_label_given_twice_is_set_once(bench: Bench) -> None:
    bench.record("sh", "-c", "echo 1 > out/a", labels=("v1", "v1"), **OUT)
    assert len(list(ref_history(bench.store, find_repo(bench.store, "features"), "v1"))) == 1


def test_a_label_that_is_no_name_is_refused_before_anything_is_run_or_recorded(bench: Bench) -> None:
    with pytest.raises(Invalid, match="the label name 'a b' has ' '"):
        bench.record("touch", "ran", labels=("a b",))
    with pytest.raises(Invalid, match="the label name 'a b' has ' '"):
        make_run(lambda: bench.store)("train", label="a b")
    with pytest.raises(Invalid, match="the label name '' is empty"):
        make_step(lambda: bench.store)(label="", name="train")(lambda: None)
    assert (bench.runs(), (bench.work / "ran").exists()) == ([], False)


def test_a_label_without_an_output_to_be_set_on_is_refused(bench: Bench) -> None:
    with pytest.raises(Invalid, match="has no output"):
        bench.record("true", labels=("v1",))
