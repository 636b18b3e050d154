"""The supervisor never hurts the command: killed at any moment, outlived, or asked in vain."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from datamon.lineage.capture.trace.compiled import compiled
from datamon.lineage.testing.traced import sets_below, tracer_of, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and cc")
BUSY = """
import os
while not os.path.exists('stop'):
    open('in').close()
open('last').close()
"""


def holders(log: Path) -> list[psutil.Process]:
    """The processes of the supervisor that has this log: the one that waits, then the one that serves."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid", "pid"]):
        words = process.info["cmdline"] or []
        if len(words) > 1 and words[0].rpartition("/")[2].startswith("supervisor-") and words[1] == str(log):
            found.append(process)
    return sorted(found, key=lambda each: each.pid)


def pair_of(log: Path) -> tuple[psutil.Process, psutil.Process]:
    """The process that waits and the one that serves, as soon as there are both."""
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        time.sleep(0.01)
        pair = holders(log)
        with suppress(psutil.NoSuchProcess):
            serving = [each for each in pair if each.ppid() in {other.pid for other in pair}]
            if len(pair) == 2 and len(serving) == 1:
                return next(each for each in pair if each != serving[0]), serving[0]
    raise AssertionError("there is no pair")


@pytest.mark.parametrize("victims", ["serving", "waiting", "serving waiting serving", "waiting waiting waiting"])
def test_a_command_whose_supervisor_is_killed_goes_on_and_is_still_watched(tmp_path: Path, victims: str) -> None:
    (tmp_path / "in").write_text("x")
    (tmp_path / "last").write_text("x")
    log = tmp_path / "logs" / "seccomp.log"
    tracer = tracer_of("seccomp", tmp_path / "logs")
    argv, variables = tracer.start([sys.executable, "-c", BUSY], tmp_path, dict(os.environ))
    with subprocess.Popen(argv, cwd=tmp_path, env=variables) as command:
        for victim in victims.split() * 3:
            waiting, serving = pair_of(log)
            chosen = serving if victim == "serving" else waiting
            chosen.kill()
            psutil.wait_procs([chosen], timeout=20)
        (tmp_path / "stop").touch()
    assert command.returncode == 0
    traced = tracer.finish()
    assert {"in", "last"} <= sets_below(traced, tmp_path.resolve())["read"]
    assert not traced.whole
    assert traced.notes


def test_a_command_that_is_killed_leaves_no_supervisor_behind(tmp_path: Path) -> None:
    tracer = tracer_of("seccomp", tmp_path / "logs")
    argv, variables = tracer.start(["/bin/sh", "-c", "cat /etc/hostname; kill -9 $$"], tmp_path, dict(os.environ))
    assert subprocess.run(argv, check=False, env=variables, capture_output=True).returncode == -signal.SIGKILL
    psutil.wait_procs(holders(tmp_path / "logs" / "seccomp.log"), timeout=20)
    assert holders(tmp_path / "logs" / "seccomp.log") == []
    assert "/etc/hostname" in {access.path for access in tracer.finish().accesses}


def test_a_child_that_outlives_the_command_is_served_on(tmp_path: Path) -> None:
    (tmp_path / "late").write_text("x")
    os.mkfifo(tmp_path / "go")
    script = "(read line < go; cat late > copy) > /dev/null 2>&1 & echo done"
    code, traced = watched("seccomp", ("sh", "-c", script), tmp_path, tmp_path / "logs")
    assert code == 0
    assert "late" not in sets_below(traced, tmp_path.resolve()).get("read", set())
    waiting = [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(tmp_path.resolve())]
    (tmp_path / "go").write_text("now\n")
    psutil.wait_procs(waiting, timeout=20)
    assert (tmp_path / "copy").read_text() == "x"


def test_the_command_has_no_child_and_no_descriptor_that_it_did_not_make(tmp_path: Path) -> None:
    script = "ls /proc/$$/fd | tr '\\n' ' '; cat /proc/$$/task/$$/children"
    tracer = tracer_of("seccomp", tmp_path / "logs")
    argv, variables = tracer.start(["/bin/bash", "-c", script], tmp_path, dict(os.environ))
    told = subprocess.run(argv, check=True, env=variables, capture_output=True, text=True).stdout
    assert told.split() == ["0", "1", "2"]  # the last command takes the place of the shell: no child is its own


def test_without_a_compiler_nothing_is_compiled(tmp_path: Path) -> None:
    assert compiled("supervisor.c", tmp_path / "tools", str(tmp_path)) is None
    assert not (tmp_path / "tools").exists()


RECORDER = """
import os, sys
from pathlib import Path
from datamon.lineage.capture.trace.choosing import choose
folder = Path(sys.argv[1]); folder.mkdir()
tracer, _ = choose("seccomp", folder.parent / "tools", folder, os.environ["PATH"])
argv, variables = tracer.start(["/bin/sh", "-c", "read line < go; cat in > copy; echo > end"], Path.cwd(), dict(os.environ))
os.posix_spawn(argv[0], argv, variables)
open("started", "w").close()
open("never").read()
"""


def test_a_command_whose_recorder_is_killed_goes_on(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    for name in ("go", "end", "never", "started"):
        os.mkfifo(tmp_path / name)
    with subprocess.Popen([sys.executable, "-c", RECORDER, str(tmp_path / "logs")], cwd=tmp_path) as recorder:
        assert (tmp_path / "started").read_text() == ""
        recorder.kill()
    (tmp_path / "go").write_text("now\n")
    assert (tmp_path / "end").read_text() == "\n"
    assert (tmp_path / "copy").read_text() == "x"
