"""kill -9 of a recorder, of its command, of both, and of the one inside the other: the record says what is known, and the next
command reports and closes what nobody else will."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from datamon.cli.testing import Shell

RECORD = (sys.executable, "-m", "datamon.cli.main", "run", "record")
WAITS = "echo $$ $PPID > ready; read go < gate; echo done > out/f"
"""Tells its own process and its recorder's, and goes on when it is let."""


@dataclass
class Stage:
    """A person whose commands wait at a gate."""

    shell: Shell

    def begin(self, *words: str) -> "subprocess.Popen[bytes]":
        """Starts a recorder whose words nobody hears."""
        return subprocess.Popen(
            [*RECORD, *words],
            cwd=self.shell.cwd,
            env=self.shell.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def told(self) -> tuple[int, int]:
        """The process that waits at the gate now, and its recorder."""
        command, recorder = (self.shell.cwd / "ready").read_text().split()
        return int(command), int(recorder)

    def let_go(self) -> None:
        """The command that waits goes on."""
        (self.shell.cwd / "gate").write_text("go\n")

    def next_command(self) -> str:
        """What the next command reports."""
        ran = self.shell("repo", "list")
        assert ran.code == 0
        return ran.err

    def runs(self) -> dict[str, dict[str, object]]:
        """The runs by step."""
        rows = json.loads(self.shell("run", "list", "--format", "json").out)
        return {row["step"]: row for row in rows}

    def heads(self) -> list[object]:
        """Where the branches of the output stand."""
        return list(json.loads(self.shell("branch", "list", "--repo", "features", "--format", "json").out))


@pytest.fixture
def stage(shell: Shell) -> Stage:
    for name in ("ready", "gate"):
        os.mkfifo(shell.cwd / name)
    assert shell("repo", "create", "--repo", "features").code == 0
    return Stage(shell)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


OUTPUT = ("--output", "features=out")


def test_a_command_that_is_killed_is_a_failed_run_with_its_signal(stage: Stage) -> None:
    recorder = stage.begin("--step", "one", *OUTPUT, "--", "sh", "-c", WAITS)
    kill(stage.told()[0])
    recorder.wait()
    run = stage.runs()["one"]
    assert (recorder.returncode, run["status"], run["signal"]) == (137, "failed", "SIGKILL")
    assert (stage.next_command(), stage.heads()) == ("", [])


@pytest.mark.parametrize("also", ["the command lives on", "the command is killed too"])
def test_a_recorder_that_is_killed_leaves_a_run_that_the_next_command_reports_and_closes(
    stage: Stage, also: str
) -> None:
    recorder = stage.begin("--step", "one", *OUTPUT, "--", "sh", "-c", WAITS)
    command, _ = stage.told()
    assert stage.runs()["one"]["status"] == "running"
    kill(recorder.pid)
    recorder.wait()
    if also == "the command is killed too":
        kill(command)
    report = stage.next_command()
    run = stage.runs()["one"]
    assert report.count(f"run {run['id']} of default/one was stopped before its end was recorded") == 1
    assert (run["status"], run["ended"] is not None, stage.heads()) == ("abandoned", True, [])
    assert stage.next_command() == "", "it is reported once"
    if also == "the command lives on":
        stage.let_go()


def test_the_inner_of_two_recorders_may_be_killed_and_the_outer_one_still_tells_how_it_ended(stage: Stage) -> None:
    inner = " ".join(RECORD) + f" --step inner --output features=out -- sh -c '{WAITS}'"
    recorder = stage.begin("--step", "outer", "--", "sh", "-c", f"{inner}; exit 5")
    command, inside = stage.told()
    kill(inside)
    kill(command)
    recorder.wait()
    report = stage.next_command()
    runs = stage.runs()
    assert (runs["outer"]["status"], runs["outer"]["exit_code"]) == ("failed", 5)
    assert (runs["inner"]["status"], runs["inner"]["parent"]) == ("abandoned", runs["outer"]["id"])
    assert report.count("is abandoned") <= 1
    assert stage.heads() == []


def test_when_both_recorders_are_killed_both_runs_are_reported_each_with_its_place(stage: Stage) -> None:
    inner = " ".join(RECORD) + f" --step inner --output features=out -- sh -c '{WAITS}'"
    recorder = stage.begin("--step", "outer", "--", "sh", "-c", f"{inner}; exit 5")
    command, inside = stage.told()
    for process in (recorder.pid, inside, command):
        kill(process)
    recorder.wait()
    assert stage.next_command().count("is abandoned") == 2
    runs = stage.runs()
    assert [run["status"] for run in runs.values()] == ["abandoned", "abandoned"]
    assert runs["inner"]["parent"] == runs["outer"]["id"]


def test_an_inner_recorder_whose_outer_one_was_killed_ends_its_own_run_well(stage: Stage) -> None:
    inner = " ".join(RECORD) + f" --step inner --output features=out -- sh -c '{WAITS}'"
    recorder = stage.begin("--step", "outer", "--", "sh", "-c", f"{inner} 2>/dev/null; echo over > ready")
    stage.told()
    kill(recorder.pid)
    recorder.wait()
    assert stage.next_command().count("is abandoned") == 1
    stage.let_go()
    assert (stage.shell.cwd / "ready").read_text() == "over\n"
    runs = stage.runs()
    assert (runs["outer"]["status"], runs["inner"]["status"]) == ("abandoned", "succeeded")
    assert runs["inner"]["parent"] == runs["outer"]["id"]
    assert len(stage.heads()) == 1


def test_a_worker_that_is_killed_leaves_its_own_run_abandoned_and_its_parents_failed(shell: Shell) -> None:
    script = shell.cwd / "pool.py"
    script.write_text(
        "import os, signal, datamon\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "@datamon.step()\n"
        "def part(number):\n"
        "    if number:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "@datamon.step(level='stage')\n"
        "def whole():\n"
        "    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:\n"
        "        pool.submit(part, 0).result()\n"
        "        pool.submit(part, 1).result()\n"
        "if __name__ == '__main__':\n"
        "    whole()\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=shell.cwd, env=shell.environment, check=False)
    assert done.returncode == 1
    assert "is abandoned" in shell("repo", "list").err
    rows = json.loads(shell("run", "list", "--tree", "--format", "json").out)
    assert [(row["step"], row["depth"], row["status"]) for row in rows] == [
        ("whole", 0, "failed"),
        ("part", 1, "succeeded"),
        ("part", 1, "abandoned"),
    ]
    assert str(rows[0]["error"]).startswith("BrokenProcessPool")


@pytest.mark.parametrize("torn", [1, 40, 0])
def test_after_a_power_cut_runs_and_their_parts_are_abandoned_whatever_was_torn(stage: Stage, torn: int) -> None:
    """The machine starts anew: its processes are gone, and the last record may be there in part."""
    inner = " ".join(RECORD) + f" --step inner --output features=out -- sh -c '{WAITS}'"
    recorder = stage.begin("--step", "outer", "--", "sh", "-c", f"{inner}; exit 5")
    command, inside = stage.told()
    for process in (recorder.pid, inside, command):
        kill(process)
    recorder.wait()
    [journal] = (path for path in Path(stage.shell.home).rglob("journal/log"))
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) - torn] if torn else whole)
    report = stage.next_command()
    runs = stage.runs()
    assert runs["outer"]["status"] == "abandoned"
    if torn > 1:
        assert list(runs) == ["outer"]
        assert report.count("was stopped before it began") == 1
    else:
        assert runs["inner"]["status"] == "abandoned"
    assert stage.next_command() == ""
    assert stage.heads() == []
