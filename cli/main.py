"""The program `datamon`: from a command line to an exit code, with every error told in one sentence."""

import atexit
import contextlib
import errno
import gc
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # lives there, unexported

from datamon import __version__
from datamon.cli.commands import CONTEXT_SETTINGS, Root
from datamon.cli.environment import COMPLETION_VARIABLE, completing, debugging
from datamon.cli.options import GLOBAL_FLAGS, GLOBAL_OPTIONS, Globals
from datamon.cli.output import complain, say
from datamon.errors import DatamonError, Denied, Invalid, Unavailable, exit_code
from datamon.store.backend.patience import stop_waiting

if TYPE_CHECKING:
    from typer._click.core import Command

PROGRAM = "datamon"
USAGE_EXIT = 2
BROKEN_PIPE_EXIT = 141
"""What a shell reports for a program that its reader stopped listening to (128 + SIGPIPE)."""

app = typer.Typer(
    cls=Root,
    name=PROGRAM,
    add_completion=False,
    rich_markup_mode=None,
    context_settings=CONTEXT_SETTINGS,
)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration file. [~/.datamon/datamon.yaml]")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", metavar="NAME", help="Context of the configuration file to use.")
    ] = None,
    degraded: Annotated[
        bool,
        typer.Option(
            "--degraded", help="Write to a mirrored store although fewer sides than min_sides can be reached."
        ),
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Keeps data as immutable bundles, records what every run read and wrote, and says what is stale and why.

    With no configuration, everything is kept under ~/.datamon. Begin with `datamon demo`, or:

    \b
      datamon repo create --repo orders --description "Orders as exported each night"
      datamon bundle upload --repo orders --path ./orders --message "first export"
      datamon run record --input orders=in --output features=out -- python prepare.py in out
      datamon query "WHAT IS STALE"

    The first three options may stand anywhere on the line. Every command has --help with an example.
    """
    ctx.obj = Globals(config=config, context=context, degraded=degraded)
    if version:
        say(f"{PROGRAM} {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


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
        _report("stopped by Ctrl-C; what was not finished is not visible", stop)
        return exit_code(stop)
    except BrokenPipeError:
        _drop_unwritten()
        return BROKEN_PIPE_EXIT
    except typer.TyperException as wrong:
        _report_usage(wrong)
        return USAGE_EXIT
    except DatamonError as error:
        _report(error.message, error)
        return exit_code(error)
    except OSError as error:
        _drop_unwritten()
        ours = _from_system(error)
        _report(_unforeseen(error) if ours is None else ours.message, error)
        return 1 if ours is None else exit_code(ours)
    except Exception as error:  # noqa: BLE001 (the program's edge: whatever happened becomes one line)
        _report(_unforeseen(error), error)
        return 1


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
    raise KeyboardInterrupt


def program() -> "Command":
    """The whole command line as one built command; the words' modules load when they are used."""
    return typer.main.get_command(app)


def _run(arguments: list[str]) -> int:
    command = program()
    if completing():
        _complete(command)
    try:
        with command.make_context(PROGRAM, _globals_first(arguments)) as ctx:
            outcome = command.invoke(ctx)
    except typer.Exit as leave:
        return leave.exit_code
    return outcome if isinstance(outcome, int) else 0


def _complete(command: "Command") -> NoReturn:
    """Answers a shell that asks for completions, by typer's own machinery, and exits."""
    completion_init()
    command.main(prog_name=PROGRAM, complete_var=COMPLETION_VARIABLE)
    raise SystemExit(0)


def _globals_first(arguments: list[str]) -> list[str]:
    """`arguments` with the global options moved before the words, so that they may be typed anywhere before `--`.

    >>> _globals_first(["repo", "list", "--context", "prod"])
    ['--context', 'prod', 'repo', 'list']
    >>> _globals_first(["run", "record", "--", "tool", "--context", "x"])
    ['run', 'record', '--', 'tool', '--context', 'x']
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    ours: list[str] = []
    rest: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        if word in GLOBAL_OPTIONS:
            value = next(words, None)
            if value is None:
                raise Invalid("usage", f"option '{word}' requires an argument; see `datamon --help`")
            ours += [word, value]
        elif word in GLOBAL_FLAGS or word.partition("=")[0] in GLOBAL_OPTIONS:
            ours.append(word)
        else:
            rest.append(word)
    return ours + rest + arguments[end:]


def _report(sentence: str, error: BaseException) -> None:
    shown = "".join(traceback.format_exception(error)) if debugging() else ""
    complain(sentence, shown)


def _report_usage(wrong: typer.TyperException) -> None:
    """A wrong command line; a group typed without a command gets its help instead."""
    ctx = getattr(wrong, "ctx", None)
    text = wrong.format_message().strip()
    if "\n" in text and ctx is not None and text == ctx.get_help().strip():
        typer.echo(text, err=True)
        return
    sentence = " ".join((text[:1].lower() + text[1:].rstrip(".")).replace("Value error, ", "").split())
    near = list(getattr(wrong, "possibilities", None) or ())
    if near:
        sentence = f"there is no option {getattr(wrong, 'option_name', '')}; did you mean {near[0]}?"
    see = f"see `{ctx.command_path} --help`" if ctx is not None else "see `datamon --help`"
    joint = " " if sentence.endswith("?") else "; "
    _report(f"{sentence}{joint}{see}", wrong)


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


if __name__ == "__main__":
    leave()
