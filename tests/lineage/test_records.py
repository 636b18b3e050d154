"""Records of runs: what is stored comes back, and the order of events does not matter."""

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.lineage.records import (
    CodeVersion,
    Environment,
    Host,
    InputRecord,
    Metric,
    OutputRecord,
    Param,
    PlannedMove,
    PlannedOutput,
    Resources,
    Run,
    RunClosed,
    RunOpened,
    combine,
    run_of,
)
from datamon.store.bundle import Author
from datamon.store.codec import Record, decode, encode, stamped
from datamon.store.ids import BundleId, ContentId, RepoId, RunId

RUN = RunId("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")
BUNDLE, OLD = BundleId("2Q0z8hJ3bW6kR1xY5cN7vM9aT41"), BundleId("2Q0z8hJ3bW6kR1xY5cN7vM9aT42")
REPO = RepoId("2Q0z8hJ3bW6kR1xY5cN7vM9aT43")

OPENED = RunOpened(
    id=RUN,
    pipeline="churn",
    step="prepare",
    parent=None,
    started_ns=1_700_000_000_000_000_000,
    author=Author("Ada", "ada@example.org"),
    host=Host("lab", "boot", 12, 345, "Linux", "x86_64", 2),
    argv=("python", "prepare.py", "--naïve"),
    cwd="src",
    code=CodeVersion("root", "/code", "commit", "dirty", None, "print", "script", ("prepare.py",), None, ("eval",)),
    params=(Param("scale", 3.0, "file", "params.yaml", "scale"), Param("mode", None)),
    policy_env=("LANG",),
    environment="e" * 64,
    inputs=(InputRecord("raw", REPO, "raw", "main", "branch", BUNDLE, ContentId("c" * 64), "a/b"),),
    outputs=(PlannedOutput("features", REPO, "features", "main"),),
    labels=("v1",),
    how="command",
)
CLOSED = RunClosed(
    ended_ns=1_700_000_001_000_000_000,
    status="succeeded",
    exit_code=0,
    signal=None,
    error=None,
    inputs=(replace(OPENED.inputs[0], changed=("x",)),),
    outputs=(OutputRecord("features", REPO, "features", "main", BUNDLE, ContentId("d" * 64)),),
    metrics=(Metric("auc", 0.93),),
    moves=(PlannedMove(REPO, "main", "branch", None, BUNDLE), PlannedMove(REPO, "v1", "label", OLD, BUNDLE)),
    streams=OLD,
    resources=Resources(1.0, 0.5, None, 1024),
)


def event(kind: str, time: int, identity: str = "e", **fields: Any) -> Record:
    return stamped(kind, {"event": identity, "time": time, **fields})


def opened(time: int = 1) -> Record:
    return event("run-opened", time, run=OPENED.to_record())


def closed(time: int = 5, close: RunClosed = CLOSED) -> Record:
    return event("run-closed", time, run=RUN, close=close.to_record())


@pytest.mark.parametrize("record", [OPENED, CLOSED], ids=["opened", "closed"])
def test_a_record_comes_back_from_json_as_it_went_in(record: RunOpened | RunClosed) -> None:
    stored = decode(encode(stamped("x", record.to_record())), "here")
    assert type(record).from_record(stored) == record


def test_an_environment_comes_back_as_it_went_in() -> None:
    environment = Environment("3.12.1", "CPython", "Linux", {"numpy": "2.0"}, {"LANG": "C"})
    assert Environment.from_record(environment.to_record()) == environment


def test_a_metric_that_json_cannot_say_comes_back() -> None:
    for value in (math.nan, math.inf, -math.inf):
        stored = decode(encode(stamped("x", Metric("loss", value).to_record())), "here")
        assert str(Metric.from_record(stored).value) == str(value)


def test_the_stored_names_are_those_of_the_format() -> None:
    first = (
        "id pipeline step parent started author host argv cwd code params policy environment inputs outputs labels how"
    )
    first += " reuse_key"
    last = "ended status exit_code signal error inputs outputs metrics moves streams resources reused"
    assert " ".join(OPENED.to_record()) == first
    assert " ".join(CLOSED.to_record()) == last


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([opened()], "running"),
        ([opened(), event("run-abandoned", 3, run=RUN)], "abandoned"),
        ([opened(), closed()], "succeeded"),
        ([opened(), closed(close=replace(CLOSED, status="failed"))], "failed"),
        ([opened(), event("run-abandoned", 3, run=RUN), closed()], "succeeded"),
        ([opened(), closed(), event("run-abandoned", 9, run=RUN)], "succeeded"),
    ],
)
def test_a_close_beats_an_abandonment_whichever_came_first(events: list[Record], status: str) -> None:
    run = combine(events)
    assert run is not None
    assert run.status == status


def test_without_its_opening_there_is_no_run() -> None:
    assert combine([closed()]) is None
    assert combine([]) is None


def test_the_last_list_of_moves_replaces_that_of_the_close() -> None:
    moves = [replace(CLOSED.moves[0], old=OLD)]
    first = event("run-moves", 6, run=RUN, moves=[])
    second = event("run-moves", 7, run=RUN, moves=[move.to_record() for move in moves])
    run = combine([second, closed(), first, opened()])
    assert run is not None
    assert run.closed is not None
    assert run.closed.moves == tuple(moves)


@given(seed=st.integers(), repeats=st.integers(1, 3), times=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_the_order_and_number_of_events_do_not_matter(seed: int, repeats: int, times: list[int]) -> None:
    events = [
        opened(times[0]),
        closed(times[1]),
        event("run-closed", times[2], "f", run=RUN, close=replace(CLOSED, status="failed").to_record()),
        event("run-abandoned", times[3], run=RUN),
        event("run-moves", times[4], "g", run=RUN, moves=[CLOSED.moves[0].to_record()]),
        event("run-moves", times[5], "h", run=RUN, moves=[]),
    ]
    shuffled = events * repeats
    random.Random(seed).shuffle(shuffled)
    assert combine(shuffled) == combine(events)


def test_every_event_of_a_run_tells_which_run() -> None:
    assert [run_of(each) for each in (opened(), closed(), event("run-abandoned", 1, run=RUN))] == [RUN] * 3


def test_a_running_run_has_its_inputs_and_no_end() -> None:
    run = Run(OPENED)
    assert (run.inputs, run.outputs, run.ended_ns, run.id) == (OPENED.inputs, (), None, RUN)
    assert Run(OPENED, abandoned_ns=7).ended_ns == 7
    assert Run(OPENED, CLOSED, 7).ended_ns == CLOSED.ended_ns
    assert Run(OPENED, CLOSED).inputs[0].changed == ("x",)


def test_a_field_that_an_earlier_version_did_not_write_has_its_default() -> None:
    stored = {name: value for name, value in OPENED.inputs[0].to_record().items() if name not in ("how", "changed")}
    read = InputRecord.from_record(stored)
    assert (read.how, read.changed) == ("declared", ())
    with pytest.raises(KeyError):
        InputRecord.from_record({name: value for name, value in stored.items() if name != "bundle"})
