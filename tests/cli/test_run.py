"""`datamon run`: the command's own streams and exit code, a truthful record, and no ref moved by what failed."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
COPY = """\
import pathlib, sys
source, target = map(pathlib.Path, sys.argv[1:3])
(target / "a2.csv").write_bytes((source / "a.csv").read_bytes() * 2)
print("copied", flush=True)
print("with care", file=sys.stderr)
"""
RECORD = ("run", "record", "--pipeline", "p", "--input", "orders=in", "--output", "copies=out")


@pytest.fixture
def desk(orders: Shell, inside: Inside) -> Shell:
    """A person with a script, an input repo and an output repo."""
    (orders.cwd / "copy.py").write_text(COPY)
    assert inside(orders, "repo", "create", "--repo", "copies").code == 0
    return orders


def shown(desk: Shell, inside: Inside, run: str) -> dict[str, object]:
    """A run's record."""
    ran = inside(desk, "run", "show", run, "--format", "json")
    assert ran.code == 0, ran
    record: dict[str, object] = json.loads(ran.out)
    return record


def run_of(ran: Ran) -> str:
    """The id in the last line on stderr."""
    found = re.match(r"recorded run ([0-9A-Za-z]{27}) ", ran.err.splitlines()[-1])
    assert found, ran
    return found[1]


def test_a_command_that_succeeds_is_passed_through_and_its_output_is_committed(desk: Shell, inside: Inside) -> None:
    ran = desk(*RECORD, "--param", "scale=2.0", "--label", "good", "--", sys.executable, "copy.py", "in", "out")
    assert (ran.code, ran.out) == (0, "copied\n")
    run = run_of(ran)
    care, summary = ran.err.splitlines()
    assert care == "with care"
    (listed,) = inside(desk, "bundle", "list", "--repo", "copies").lines
    bundle = listed.split(" , ")[0]
    assert summary == f"recorded run {run} succeeded: wrote copies@main {bundle}"
    assert inside(desk, "label", "list", "--repo", "copies").out.startswith(f"good , {bundle} , ")
    record = shown(desk, inside, run[-8:])
    assert (record["pipeline"], record["step"], record["status"], record["exit_code"]) == ("p", "copy", "succeeded", 0)
    assert record["params"] == [{"name": "scale", "value": 2.0, "source": "explicit", "file": None, "key": None}]
    assert inside(desk, "run", "logs", run).out == "copied\n"
    assert inside(desk, "run", "logs", run, "--stream", "stderr").out == "with care\n"


def test_the_same_line_typed_again_follows_its_input(desk: Shell, inside: Inside) -> None:
    line = (*RECORD, "--", sys.executable, "copy.py", "in", "out")
    assert inside(desk, *line).code == 0
    (desk.cwd / "tree" / "a.csv").write_text("changed\n")
    upload = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m")
    assert inside(desk, *upload).code == 0
    assert inside(desk, *line).code == 0
    assert (desk.cwd / "out" / "a2.csv").read_text() == "changed\nchanged\n"
    (desk.cwd / "in" / "a.csv").write_text("by hand\n")
    refused = inside(desk, *line)
    assert refused.code == 5
    assert "a.csv" in refused.sentence
    assert len(inside(desk, "bundle", "list", "--repo", "copies").lines) == 2


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("echo wrong >&2; exit 7", 7, {"exit_code": 7, "signal": None}),
        ("kill -9 $$", 128 + signal.SIGKILL, {"exit_code": None, "signal": "SIGKILL"}),
    ],
)
def test_a_command_that_fails_or_is_killed_is_recorded_so_and_moves_no_ref(
    desk: Shell, inside: Inside, script: str, code: int, told: dict[str, object]
) -> None:
    ran = inside(desk, *RECORD, "--", "sh", "-c", f"echo x > out/partial; {script}")
    assert ran.code == code
    run = run_of(ran)
    assert ran.err.splitlines()[-1] == f"recorded run {run} failed with exit code {code}: no ref moved"
    record = shown(desk, inside, run)
    assert record["status"] == "failed"
    assert {key: record[key] for key in told} == told
    assert (record["outputs"], record["moves"]) == ([], [])
    assert inside(desk, "bundle", "list", "--repo", "copies").out == ""
    assert inside(desk, "branch", "list", "--repo", "copies").out == ""


def test_a_command_that_does_not_exist_is_recorded_and_named(desk: Shell, inside: Inside) -> None:
    ran = inside(desk, *RECORD, "--", "no-such-program")
    assert ran.code == 127
    assert "no-such-program" in ran.err
    assert shown(desk, inside, run_of(ran))["status"] == "failed"


def test_a_command_that_writes_nothing_is_recorded_as_such_and_moves_no_ref(desk: Shell, inside: Inside) -> None:
    ran = inside(desk, *RECORD, "--", "true")
    assert ran.code == 0
    assert "nothing was written for the output 'copies'" in ran.err
    record = shown(desk, inside, run_of(ran))
    assert (record["status"], record["outputs"]) == ("succeeded", [])
    assert inside(desk, "bundle", "list", "--repo", "copies").out == ""
    assert inside(desk, "branch", "list", "--repo", "copies").out == ""


def test_a_secret_shows_nowhere(desk: Shell, inside: Inside) -> None:
    desk = desk.having(HUSH="quiet-please-42")
    (desk.home / ".datamon" / "datamon.yaml").write_text("secrets: {names: [pin], values_from: [HUSH]}\n")
    line = (*RECORD, "--param", "pin=1234567", "--", "sh", "-c", "echo said $HUSH; exit 1")
    ran = inside(desk, *line)
    assert ran.out == "said quiet-please-42\n"
    run = run_of(ran)
    assert inside(desk, "run", "logs", run).out == "said ***\n"
    everything = inside(desk, "run", "show", run, "--format", "json").out
    assert "quiet-please" not in everything
    assert "1234567" not in everything


def test_a_recorder_that_was_killed_is_told_of_by_the_next_command(desk: Shell, inside: Inside) -> None:
    os.mkfifo(desk.cwd / "gate")
    running = desk.start(*RECORD, "--", "sh", "-c", "echo began; cat gate")
    assert running.stdout is not None
    assert running.stdout.readline() == "began\n"
    running.kill()
    running.wait()
    with open(desk.cwd / "gate", "w"):
        pass
    running.communicate()
    told = inside(desk, "repo", "list")
    assert told.code == 0
    assert re.match(r"run [0-9A-Za-z]{27} of p/sh was stopped before its end was recorded", told.err)
    assert inside(desk, "repo", "list").err == ""
    (row,) = map(json.loads, inside(desk, "run", "list", "--format", "jsonl").lines)
    assert row["status"] == "abandoned"


def test_runs_are_listed_newest_first_and_filtered(desk: Shell, inside: Inside) -> None:
    ids = [
        run_of(inside(desk, "run", "record", "--pipeline", pipeline, "--step", step, "--", "sh", "-c", f"exit {code}"))
        for pipeline, step, code in (("p", "one", 0), ("p", "two", 1), ("q", "one", 0))
    ]

    def listed(*more: str) -> list[str]:
        ran = inside(desk, "run", "list", *more)
        assert (ran.code, ran.err) == (0, "")
        return [line.split(" , ")[0] for line in ran.lines]

    assert listed() == ids[::-1]
    assert listed("--pipeline", "p") == [ids[1], ids[0]]
    assert listed("--step", "one", "--limit", "1") == [ids[2]]
    assert listed("--status", "failed") == [ids[1]]
    line = inside(desk, "run", "list", "--limit", "1").out
    assert re.fullmatch(rf"{ids[2]} , \S+Z , succeeded , q/one , \d+\.\d{{3}} s\n", line)


def test_wrong_requests_are_refused_before_anything_runs(desk: Shell, inside: Inside) -> None:
    for words, code in (
        (("--input", "nowhere=in"), 4),
        (("--input", "orders"), 2),
        (("--output", "copies@init@x=out2"), 2),
        (("--params-file", "absent.yaml"), 4),
        (("--param", "scale"), 2),
    ):
        ran = inside(desk, "run", "record", *words, "--", "touch", "ran")
        assert ran.code == code, ran
        assert ran.sentence
    assert not (desk.cwd / "ran").exists()
    assert inside(desk, "run", "list").out == ""
    assert not Path(desk.cwd, "out2").exists()


def test_a_recorder_that_was_started_without_standard_streams_records_all_the_same(desk: Shell, inside: Inside) -> None:
    line = ("sh", "-c", 'exec "$@" <&- >&-', "sh")
    ran = desk(*RECORD, "--", sys.executable, "copy.py", "in", "out", prefix=line)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("with care\nrecorded run "), ran.err
    run = ran.err.split()[4]
    assert inside(desk, "run", "logs", run).out == "copied\n"


def test_a_home_in_a_binding_is_the_home_though_no_shell_said_so(desk: Shell) -> None:
    ran = desk(
        "run", "record", "--input", "orders=~/in put", "--output", "copies=~/out", "--", "sh", "-c", "cp ~/in*/* ~/out"
    )
    assert (ran.code, (desk.cwd / "~").exists()) == (0, False), ran.err
    assert sorted(path.name for path in (desk.home / "out").iterdir()) == sorted(
        path.name for path in (desk.home / "in put").iterdir()
    )
