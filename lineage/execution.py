"""Runs a run's command: in this process group, its input inherited, its streams passed on and kept, signals passed on."""

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from datamon.lineage.capture.resources import usage_here
from datamon.lineage.capture.streams import KeptStream, Pump, Sinks
from datamon.lineage.secrets import Redactor

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""The exit codes of commands that did not start, as shells give them."""
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 3
"""The third request to stop kills the command."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How a command ended. `exit_code` is what it gave, None when a signal ended it; `signal` names that signal, or the one
    by which the recorder was asked to stop it; `used` is None when it did not start (`error` says why), and counts from
    `recorder_rss` upward (see `resources.of_command`)."""

    exit_code: int | None
    signal: str | None
    error: str | None
    used: resource.struct_rusage | None
    recorder_rss: int
    kept: tuple[KeptStream, ...]
    notes: tuple[str, ...]

    @property
    def succeeded(self) -> bool:
        """Whether the command says so itself, which it may also after a request to stop."""
        return self.exit_code == 0

    @property
    def shell_code(self) -> int:
        """The exit code as a shell would give it: 128 + n after signal n."""
        if self.exit_code == 0 or self.signal is None:
            return self.exit_code if self.exit_code is not None else 1
        return 128 + signal.Signals[self.signal].value if self.signal in signal.Signals.__members__ else 1


def execute(
    argv: Sequence[str], cwd: Path, variables: Mapping[str, str], sinks: Sinks, redactor: Redactor
) -> Execution:
    """Runs `argv` to its end. A command that cannot be started is an Execution too."""
    kept = (KeptStream("stdout", redactor), KeptStream("stderr", redactor))
    # Before the command starts: it may be asked to stop in its first instant.
    with _passing_signals_on() as requests:
        recorder_rss = usage_here().ru_maxrss
        try:
            # A Python command would otherwise hold back what it prints, since it writes to a pipe.
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={"PYTHONUNBUFFERED": "1", **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            return _not_started(argv[0], error, kept)
        requests.meant_for(child.pid)
        assert child.stdout and child.stderr
        pumps = (Pump(child.stdout, sinks.stdout, kept[0]), Pump(child.stderr, sinks.stderr, kept[1]))
        _, status, used = os.wait4(child.pid, 0)
        requests.meant_for(None)
        child.returncode = os.waitstatus_to_exitcode(status)
        for pump in pumps:
            pump.finish()
    return replace(_ended(child.returncode, requests.asked, used, pumps), recorder_rss=recorder_rss)


def _ended(
    code: int, asked: Sequence[signal.Signals], used: resource.struct_rusage, pumps: Sequence[Pump]
) -> Execution:
    notes = [
        f"{pump.kept.name} was still open after the command ended and is kept only so far" for pump in pumps if pump.cut
    ]
    notes += [f"{pump.kept.name} is kept only in its first part" for pump in pumps if pump.kept.truncated]
    ended_by = _name(-code) if code < 0 else None
    requested = asked[0].name if asked and code != 0 else None
    return Execution(
        exit_code=code if code >= 0 else None,
        signal=ended_by or requested,
        error=None,
        used=used,
        recorder_rss=0,
        kept=tuple(pump.kept for pump in pumps),
        notes=tuple(notes),
    )


def _not_started(program: str, error: Exception, kept: tuple[KeptStream, ...]) -> Execution:
    found = not isinstance(error, FileNotFoundError | NotADirectoryError)
    reason = getattr(error, "strerror", None) or str(error)
    return Execution(
        exit_code=NOT_EXECUTABLE if found else NOT_FOUND,
        signal=None,
        error=f"the command {program!r} could not be started: {reason}",
        used=None,
        recorder_rss=0,
        kept=kept,
        notes=(),
    )


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


class _Requests:
    """Requests to stop, in order, and the process that they go to while there is one."""

    def __init__(self) -> None:
        self.asked: list[signal.Signals] = []
        self._process: int | None = None

    def meant_for(self, process: int | None) -> None:
        """What is asked from now on, and was asked before there was a process, goes to `process`."""
        self._process = process
        if process is not None:
            for number in self.asked:
                self._send(number)

    def take(self, number: int, _frame: FrameType | None) -> None:
        """Serves as the signals' Python side."""
        self.asked.append(signal.Signals(number))
        if len(self.asked) >= _PATIENCE:
            self._send(signal.SIGKILL)
        elif number != signal.SIGINT or not in_foreground():
            self._send(number)

    def _send(self, number: int) -> None:
        # Not Popen.send_signal: it may reap the process, whose end and use of resources wait4 is to tell.
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process, number)


@contextmanager
def _passing_signals_on() -> Iterator[_Requests]:
    """While the command runs, requests to stop go to it and not to us. What the terminal sends to the whole foreground group
    has reached the command already. Only the main thread may do this; elsewhere nothing is changed."""
    requests = _Requests()
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}
    try:
        for number in _PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs stay what they are
                before[number] = signal.signal(number, requests.take)
        yield requests
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def in_foreground() -> bool:
    """Whether this process group is the one that its terminal sends Ctrl-C to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
