"""`run`: a block that is a recorded run; and that all ways of recording give one record."""

import os
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.errors import Invalid
from datamon.lineage.binding import parse_input, parse_output
from datamon.lineage.command import CommandRequest, record_command
from datamon.lineage.context import make_run
from datamon.lineage.decorators import make_step
from datamon.lineage.records import CodeVersion, Run
from datamon.lineage.testing.bench import Bench
from datamon.store.ids import RunId
from datamon.store.opening import Store

SECRET = "hunter2-and-more"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path / "bench")


@pytest.fixture
def store(bench: Bench) -> Store:
    return bench.store


def test_a_block_is_a_run_with_what_was_asked_for_in_it(bench: Bench, store: Store) -> None:
    seen: list[Path] = []
    with make_run(lambda: store)(
        "prepare", pipeline="churn", params={"scale": 3, "where": Path("x")}, label="v1"
    ) as run:
        src, dst = run.input("raw"), run.output("features@try")
        seen.extend([src, dst])
        assert run.input("raw") == src
        (dst / "b").write_text((src / "a").read_text())
        run.metric("auc", 0.5)
        run.metric("auc", 0.93)
        assert [each.status for each in bench.runs()] == ["running"]
    [recorded] = bench.runs()
    assert recorded.id == run.id
    assert recorded.closed is not None
    assert {metric.name: metric.value for metric in recorded.closed.metrics} == {"auc": 0.93}
    assert {param.name: param.value for param in recorded.opened.params} == {"scale": 3, "where": "x"}
    assert [each.role for each in recorded.inputs] == ["raw"]
    assert bench.refs("features") == {"try": recorded.outputs[0].bundle, "v1": recorded.outputs[0].bundle}
    assert recorded.opened.code.method == "script"
    assert not any(path.exists() for path in seen)


def test_a_block_that_an_exception_leaves_is_a_failed_run_with_what_it_read_and_measured(
    bench: Bench, store: Store
) -> None:
    with pytest.raises(ZeroDivisionError), make_run(lambda: store)("prepare") as run:
        run.input("raw")
        run.output("features")
        run.metric("auc", 0.5)
        raise ZeroDivisionError
    [recorded] = bench.runs()
    assert recorded.closed is not None
    assert (recorded.status, len(recorded.inputs), len(recorded.closed.metrics)) == ("failed", 1, 1)
    assert bench.refs("features") == {}
    assert bench.marks() == []


def test_an_output_of_a_block_that_cannot_be_kept_is_a_failed_run(bench: Bench, store: Store) -> None:
    with pytest.raises(Invalid), make_run(lambda: store)("prepare") as run:
        os.mkfifo(run.output("features") / "pipe")
    [recorded] = bench.runs()
    assert recorded.status == "failed"
    assert (bench.refs("features"), bench.marks()) == ({}, [])


def test_a_run_is_open_only_inside_its_block_and_once(bench: Bench, store: Store) -> None:
    block = make_run(lambda: store)("prepare")
    with pytest.raises(Invalid):
        block.input("raw")
    with block:
        pass
    with pytest.raises(Invalid), block:
        pass
    assert len(bench.runs()) == 1


def test_roles_in_a_block_tell_the_ref_when_a_repo_occurs_twice(bench: Bench, store: Store) -> None:
    head = bench.refs("raw")["main"]
    with make_run(lambda: store)("prepare") as run:
        run.input("raw")
        run.input(f"raw@{head}")
        (run.output("features") / "x").touch()
        (run.output("features@try") / "x").touch()
    [recorded] = bench.runs()
    assert [each.role for each in recorded.inputs] == ["raw", f"raw@{head}"]
    assert [each.role for each in recorded.outputs] == ["features@main", "features@try"]


SCRIPT = """
from pathlib import Path
import shutil
shutil.copy("in/a", "out/b")
"""


def test_the_same_step_recorded_three_ways_gives_the_same_record(bench: Bench, store: Store, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "prepare.py").write_text(textwrap.dedent(SCRIPT))
    request = CommandRequest(
        argv=(sys.executable, "prepare.py"),
        cwd=work,
        pipeline="churn",
        inputs=(parse_input("raw=in"),),
        outputs=(parse_output("features=out"),),
        labels=("v1",),
        params=("scale=3.0",),
    )
    record_command(store, request)

    @make_step(lambda: store)(inputs={"src": "raw"}, outputs={"dst": "features"}, pipeline="churn", label="v1")
    def prepare(src: Path, dst: Path, scale: float) -> None:
        (dst / "b").write_bytes((src / "a").read_bytes())

    prepare(scale=3.0)
    with make_run(lambda: store)("prepare", pipeline="churn", label="v1", params={"scale": 3.0}) as run:
        (run.output("features") / "b").write_bytes((run.input("raw") / "a").read_bytes())
    one, two, three = map(_comparable, bench.runs())
    assert one == two == three


def _comparable(run: Run) -> Run:
    """Without what must differ: ids, times, and that a command, a function and a block are not the same code."""
    assert run.closed is not None
    [output], [branch, label] = run.closed.outputs, run.closed.moves
    assert branch.new == label.new == output.bundle
    assert branch.old == label.old
    none = type(output.bundle)("")
    opened = replace(
        run.opened,
        id=RunId(""),
        started_ns=0,
        argv=(),
        how="",
        reuse_key=None,
        cwd="",
        code=CodeVersion(),
        inputs=(),
        outputs=(),
    )
    closed = replace(
        run.closed,
        ended_ns=0,
        exit_code=None,
        streams=None,
        resources=None,
        inputs=tuple(replace(each, directory=None) for each in run.inputs),
        outputs=(replace(output, bundle=none),),
        moves=(replace(branch, old=None, new=none), replace(label, old=None, new=none)),
    )
    return Run(opened, closed)
