"""kill -9 of a recorder that watches its command, or that computes what others wait for: nothing is left, nobody waits."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from datamon.cli.testing import Shell

RECORD = (sys.executable, "-m", "datamon.cli.main", "run", "record", "--output", "features=out")
WAITS = "import os\nopen('ready', 'w').write(f'{os.getpid()}')\nopen('gate').read()\nopen('out/f', 'w').write('done')\n"
"""Tells its process, and goes on when it is let."""
WAYS = {
    "watched": ("--trace", "auto"),
    "reused": ("--reuse",),
    "watched and reused": ("--trace", "auto", "--reuse"),
}


@pytest.fixture
def stage(shell: Shell) -> Shell:
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("needs Linux and cc")
    for name in ("ready", "gate"):
        os.mkfifo(shell.cwd / name)
    (shell.cwd / "waits.py").write_text(WAITS)
    assert shell("repo", "create", "--repo", "features").code == 0
    return shell


def start(stage: Shell, *words: str) -> "subprocess.Popen[bytes]":
    """A recorder whose words nobody hears."""
    return subprocess.Popen(
        [*RECORD, *words, "--", sys.executable, "waits.py"],
        cwd=stage.cwd,
        env=stage.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def begin(stage: Shell, *words: str) -> "tuple[subprocess.Popen[bytes], int]":
    """A recorder and its command, which waits at the gate."""
    recorder = start(stage, *words)
    return recorder, int((stage.cwd / "ready").read_text())


def left_behind(stage: Shell) -> list[Path]:
    """What is in the places for what processes keep while they record."""
    return [
        path
        for path in stage.home.rglob("*")
        if path.parent.name == "work" or (path.parent.name == "computations" and path.suffix == ".lock")
    ]


@pytest.mark.parametrize("victims", ["recorder", "command", "both"])
@pytest.mark.parametrize("way", WAYS)
def test_who_is_killed_leaves_a_run_that_says_how_it_ended_and_the_next_one_computes(
    stage: Shell, way: str, victims: str
) -> None:
    recorder, command = begin(stage, *WAYS[way])
    if "watched" in way:
        assert left_behind(stage), "the log of the watch"
    if victims != "command":
        recorder.kill()
        recorder.wait()
    if victims != "recorder":
        os.kill(command, signal.SIGKILL)
    recorder.wait()
    report = stage("repo", "list").err
    assert report.count("is abandoned") == (victims != "command")
    [run] = json.loads(stage("run", "list", "--format", "json").out)
    assert run["status"] == ("failed" if victims == "command" else "abandoned")
    assert run["signal"] == ("SIGKILL" if victims == "command" else None)
    if victims == "recorder":
        orphan = psutil.Process(command)
        (stage.cwd / "gate").write_text("go")
        psutil.wait_procs([orphan])
        assert (stage.cwd / "out" / "f").read_text() == "done", "the command was not hurt"
    shutil.rmtree(stage.cwd / "out")
    again, _ = begin(stage, *WAYS[way])
    (stage.cwd / "gate").write_text("go")
    assert again.wait() == 0
    assert json.loads(stage("run", "list", "--format", "json").out)[0]["status"] == "succeeded"
    assert left_behind(stage) == []


def test_who_waited_for_a_recorder_that_is_killed_computes_itself(stage: Shell) -> None:
    elsewhere = Shell(stage.home, stage.cwd.parent / "elsewhere", stage.variables)
    elsewhere.cwd.mkdir()
    (elsewhere.cwd / "waits.py").write_text(WAITS)
    for name in ("ready", "gate"):
        os.mkfifo(elsewhere.cwd / name)
    first, command = begin(stage, "--reuse")
    second = start(elsewhere, "--reuse")
    first.kill()
    first.wait()
    os.kill(command, signal.SIGKILL)
    assert int((elsewhere.cwd / "ready").read_text()) > 0
    (elsewhere.cwd / "gate").write_text("go")
    assert second.wait() == 0
    found = json.loads(stage("run", "list", "--format", "json").out)
    assert [run["status"] for run in found] == ["succeeded", "abandoned"]
