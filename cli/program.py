"""The command line as typer builds it: help, completion, and what is wrong with a line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # lives there, unexported

from datamon import __version__
from datamon.cli.commands import CONTEXT_SETTINGS, PROGRAM, Root
from datamon.cli.environment import COMPLETION_VARIABLE, completing
from datamon.cli.globals import GLOBAL_FLAGS, GLOBAL_OPTIONS, Globals
from datamon.cli.output import say
from datamon.cli.report import report
from datamon.errors import Invalid

if TYPE_CHECKING:
    from typer._click.core import Command

USAGE_EXIT = 2

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


def program() -> "Command":
    """The whole command line as one built command; the words' modules load when they are used."""
    return typer.main.get_command(app)


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code; what is wrong with the line is told on stderr. Raises what a command
    raises."""
    try:
        return _run(arguments)
    except typer.TyperException as wrong:
        _report_usage(wrong)
        return USAGE_EXIT


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
    report(f"{sentence}{joint}{see}", wrong)
