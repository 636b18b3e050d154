"""The edge of the program: from a command line to an exit code, with every error told in one sentence."""

import atexit
import contextlib
import errno
import gc
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from datamon.cli import question_options, record_options
from datamon.cli.environment import completing
from datamon.cli.report import report
from datamon.cli.words import read_line, read_line_of_one
from datamon.errors import DatamonError, Denied, Unavailable, exit_code
from datamon.store.backend.patience import stop_waiting

BROKEN_PIPE_EXIT = 141
"""What a shell reports for a program that its reader stopped listening to (128 + SIGPIPE)."""
_STOPPED = "stopped by Ctrl-C; what was not finished is not visible"
_stopped: list[bool] = []
"""Not empty once Ctrl-C was heard."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line (default: the process's own) and returns its exit code; never raises.

    Errors are one sentence on stderr. With `DATAMON_DEBUG=1` the traceback stands before it.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(given)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as stop:
        report(_STOPPED, stop)
        return exit_code(stop)
    except BrokenPipeError:
        _drop_unwritten()
        return BROKEN_PIPE_EXIT
    except DatamonError as error:
        report(error.message, error)
        return exit_code(error)
    except OSError as error:
        return refused(error)
    except Exception as error:  # noqa: BLE001 (the program's edge: whatever happened becomes one line)
        if _stopped:  # the engine makes something else of a KeyboardInterrupt that comes while it is at work
            report(_STOPPED, error)
            return exit_code(KeyboardInterrupt())
        report(_unforeseen(error), error)
        return 1


def refused(error: OSError) -> int:
    """Tells of an error of the system's that no layer foresaw; the exit code."""
    _drop_unwritten()
    ours = _from_system(error)
    report(_unforeseen(error) if ours is None else ours.message, error)
    return 1 if ours is None else exit_code(ours)


def leave() -> NoReturn:
    """Runs this process's command line and ends the process, without the teardown of libraries, which takes time and which a
    thread of theirs can turn into a crash after the work was done. What Python code asked for at exit is carried out."""
    _stand_in_for_closed_streams()
    # A command makes entries by the ten thousand and hardly a cycle: looking for those so often costs a tenth of its time.
    gc.set_threshold(500_000, 20, 100)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell has it ignored in the background
        signal.signal(signal.SIGINT, _stop)
    code = main()
    atexit._run_exitfuncs()
    _drop_unwritten()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def _stop(_number: int, _frame: object) -> NoReturn:
    """At Ctrl-C no thread waits any more for a place that may come back: what is under way fails, and is put in order."""
    stop_waiting()
    _stopped.append(True)
    raise KeyboardInterrupt


def _run(arguments: list[str]) -> int:
    """Runs the line: by itself where its command has a table of options and the line holds nothing else, else as typer has it."""
    if not completing():
        line = read_line(arguments, record_options.COMMAND, record_options.OPTIONS)
        if line is not None:
            from datamon.cli.recording import record  # what only recording needs

            return record(line.flags, line.given, line.rest)
        question = read_line_of_one(arguments, question_options.COMMAND, question_options.OPTIONS)
        if question is not None:
            from datamon.cli.asking_quickly import ask  # what only questions need

            return ask(question)
    from datamon.cli import program  # typer takes 50 ms, which a line that is read by its table does not need

    return program.run(arguments)


def _from_system(error: OSError) -> DatamonError | None:
    """The error of ours that a system error which no layer foresaw amounts to, if any."""
    place = f" {str(error.filename)!r}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable("disk-full", f"no room is left for{place or ' the output'}; make room and try again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied("unwritable", f"the system refuses access to{place or ' a file'}; change its permissions")
    return None


def _unforeseen(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = f"{type(error).__name__}: {error}".rstrip(": ").replace("\n", " ")
    return f"datamon failed without foreseeing it ({what}{where}); set DATAMON_DEBUG=1 for the traceback, and please report it"


def _stand_in_for_closed_streams() -> None:
    """Where the process was started without one of its standard streams, nothing stands there: writing to it succeeds, and no
    file that is opened later gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (it lives as long as the process)


def _drop_unwritten() -> None:
    """Where stdout takes nothing more, points it at nothing, so that what Python still flushes at exit fails quietly."""
    try:
        sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
