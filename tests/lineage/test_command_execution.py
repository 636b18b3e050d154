"""How a run's command is executed, and how its end is told."""

import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from datamon.lineage.capture.resources import of_command
from datamon.lineage.capture.streams import Sinks
from datamon.lineage.execution import Execution, execute
from datamon.lineage.secrets import Redactor

HERE = Path.cwd()


def run(*argv: str, sinks: Sequence[io.BytesIO] = ()) -> Execution:
    done = execute(argv, HERE, dict(os.environ), Sinks(*sinks), Redactor())
    for kept in done.kept:
        kept.close()
    return done


def test_both_streams_are_passed_on_apart() -> None:
    out, err = io.BytesIO(), io.BytesIO()
    run("sh", "-c", "echo to-out; echo to-err >&2", sinks=(out, err))
    assert (out.getvalue(), err.getvalue()) == (b"to-out\n", b"to-err\n")


def test_a_command_that_ends_well_says_what_it_took() -> None:
    done = run("sh", "-c", "exit 0")
    assert (done.succeeded, done.exit_code, done.signal, done.error, done.shell_code) == (True, 0, None, None, 0)
    assert done.used is not None
    assert done.used.ru_maxrss > 0


def test_the_memory_of_a_command_is_told_only_when_it_is_not_the_recorders() -> None:
    more = (
        run("true").recorder_rss * (1 if sys.platform == "darwin" else 1024) + 2**20 * 200
    )  # than the tests before have taken
    small, large = run("true"), run(sys.executable, "-c", f"x = bytearray({more})")
    assert small.used is not None
    assert large.used is not None
    assert of_command(10**9, small.used, small.recorder_rss).max_rss_bytes is None
    taken = of_command(10**9, large.used, large.recorder_rss).max_rss_bytes
    assert taken is not None
    assert more < taken < more + 2**20 * 200


@pytest.mark.parametrize(
    ("script", "exit_code", "ended_by", "shell_code"),
    [("exit 3", 3, None, 3), ("kill -9 $$", None, "SIGKILL", 137), ("kill -TERM $$", None, "SIGTERM", 143)],
)
def test_a_command_that_fails_says_how(
    script: str, exit_code: int | None, ended_by: str | None, shell_code: int
) -> None:
    done = run("sh", "-c", script)
    assert (done.succeeded, done.exit_code, done.signal, done.shell_code) == (False, exit_code, ended_by, shell_code)


def test_a_command_that_is_not_there_or_not_executable_is_told_as_shells_do(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    absent, unexecutable = run("no-such-command-here"), run(str(plain))
    assert (absent.exit_code, unexecutable.exit_code) == (127, 126)
    assert absent.error == "the command 'no-such-command-here' could not be started: No such file or directory"
    assert unexecutable.used is None


def test_the_command_is_given_the_variables_and_a_python_command_does_not_hold_back_its_output(tmp_path: Path) -> None:
    out = io.BytesIO()
    variables = {"PATH": os.environ["PATH"], "ONLY": "this"}
    done = execute(["sh", "-c", "echo $ONLY $PYTHONUNBUFFERED $HOME"], tmp_path, variables, Sinks(out), Redactor())
    for kept in done.kept:
        kept.close()
    assert out.getvalue() == b"this 1\n"


RECORDER = """
import os, signal, sys
from pathlib import Path
from datamon.lineage.capture.resources import of_command
from datamon.lineage.capture.streams import Sinks
from datamon.lineage.execution import execute
from datamon.lineage.secrets import Redactor
done = execute(sys.argv[1:], Path.cwd(), dict(os.environ), Sinks(sys.stdout.buffer, None), Redactor())
print(done.exit_code, done.signal, done.shell_code)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""


@pytest.mark.parametrize(
    ("script", "sent", "told"),
    [
        (
            "trap 'echo caught; exit 7' INT; echo ready; sleep 60 >/dev/null 2>&1 & wait $!",
            signal.SIGINT,
            "7 SIGINT 130",
        ),
        ("echo ready; exec sleep 100", signal.SIGTERM, "None SIGTERM 143"),
        ("trap 'exit 0' TERM; echo ready; sleep 60 >/dev/null 2>&1 & wait $!", signal.SIGTERM, "0 None 0"),
    ],
)
def test_a_request_to_stop_goes_to_the_command_whose_own_end_counts(
    script: str, sent: signal.Signals, told: str
) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(RECORDER), "sh", "-c", script]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE, start_new_session=True)
    assert child.stdout
    assert child.stdin
    with child.stdout, child.stdin:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(sent)
        said = child.stdout.read().decode().split("\n")
    assert child.wait() == 0
    assert said[-2] == told


COUNTER = """
import signal, sys
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(1))
print("ready", flush=True)
sys.stdin.readline()
print(len(caught), "caught", flush=True)
sys.exit(3)
"""


def test_ctrl_c_at_a_terminal_reaches_the_command_once_and_the_recorder_waits_for_it() -> None:
    ours, theirs = os.openpty()

    program = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)" + RECORDER
    argv = [sys.executable, "-c", program, sys.executable, "-c", COUNTER]
    child = subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, start_new_session=True)
    os.close(theirs)
    assert child.stdout
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        os.write(ours, b"\x03")
        os.write(ours, b"\n")
        said = child.stdout.read().decode().split("\n")
    assert child.wait() == 0
    os.close(ours)
    assert said[:2] == ["1 caught", "3 SIGINT 130"]


def test_outside_of_the_main_thread_a_command_runs_as_well() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, "true").result().succeeded
