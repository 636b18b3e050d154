"""`datamon run`: recorded executions. Recording itself loads neither duckdb nor, where nothing is read or written, pyarrow."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from datamon.cli.commands import Phrases
from datamon.cli.environment import working_directory
from datamon.cli.opening import open_configured, policy_of, settings_of
from datamon.cli.output import note
from datamon.cli.progress import watching
from datamon.cli.run_code import code as code_of_run
from datamon.cli.run_diff import diff
from datamon.cli.run_export import export
from datamon.cli.run_import import import_
from datamon.cli.run_list import list_
from datamon.cli.run_place import AtLevel, Counts, Parent, RetryOf, parent_of, place_of
from datamon.cli.run_replay import replay_
from datamon.cli.run_show import logs, show
from datamon.cli.run_sign import create_signing_key, sign, verify
from datamon.lineage.binding import InputBinding, OutputBinding, parse_input, parse_output
from datamon.lineage.capture.streams import Sinks
from datamon.lineage.capture.trace.choosing import Method
from datamon.lineage.command import DEFAULT_PIPELINE, CommandOutcome, CommandRequest, record_command

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Binding = TypeVar("Binding", InputBinding, OutputBinding)


@app.callback()
def run() -> None:
    """Runs: recorded executions of commands, with their code, params, inputs, outputs, environment and streams."""


Command = Annotated[
    list[str], typer.Argument(metavar="CMD", help="The command and its arguments, after `--`.", show_default=False)
]
Pipeline = Annotated[str, typer.Option("--pipeline", metavar="P", help="The pipeline it belongs to.")]
Step = Annotated[
    str | None, typer.Option("--step", metavar="S", help="The step's name. [the stem of the script in CMD]")
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="REPO[@REF][:PATH]=DIR",
        help="A bundle, or a part of one, to put into DIR. May be repeated.",
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output", metavar="REPO[@BRANCH]=DIR", help="What CMD leaves in DIR is a new bundle. May be repeated."
    ),
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="L", help="A label to set on every output. May be repeated.")
]
Params = Annotated[
    list[str] | None, typer.Option("--param", metavar="K=V", help="A parameter to record. May be repeated.")
]
ParamsFiles = Annotated[
    list[Path] | None,
    typer.Option("--params-file", metavar="F", help="Parameters of a YAML, TOML or JSON file. May be repeated."),
]
MetricsFiles = Annotated[
    list[Path] | None,
    typer.Option("--metrics-file", metavar="F", help="A JSON file of numbers that CMD writes. May be repeated."),
]
Code = Annotated[
    list[Path] | None,
    typer.Option(
        "--code", metavar="PATH", help="What counts as the code, in place of the script in CMD. May be repeated."
    ),
]
Reuse = Annotated[
    bool,
    typer.Option("--reuse", help="Take the outputs of a run that did the same, if there is one, and do not run CMD."),
]
Trace = Annotated[
    Method,
    typer.Option(
        "--trace",
        metavar="METHOD",
        help="Watch which files CMD uses: auto (the best that works here), seccomp, strace, preload, audit or off.",
    ),
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave what datamon's last output put into the output DIRs.")]


@app.command(context_settings={"allow_interspersed_args": False})
def record(
    ctx: typer.Context,
    command: Command,
    pipeline: Pipeline = DEFAULT_PIPELINE,
    step: Step = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    labels: Labels = None,
    params: Params = None,
    params_files: ParamsFiles = None,
    metrics_files: MetricsFiles = None,
    code: Code = None,
    keep: Keep = False,
    reuse: Reuse = False,
    counts: Counts = None,
    parent: Parent = None,
    level: AtLevel = None,
    retry_of: RetryOf = None,
    trace: Trace = "off",
) -> int:
    """Run a command and record what it read, what it wrote and what it was.

    Input DIRs are filled (or brought to what the ref gives now, when nothing in them was edited). Output DIRs must be absent,
    empty, or hold datamon's own last output. When CMD succeeds, each output that it wrote is committed and its branch
    moved; when it fails, that is recorded and no ref moves. The exit code is CMD's own.

    With --reuse a run of the same step that had the same code, command, params and contents of inputs stands for this one: its
    outputs are committed again as this run's, and CMD is not run. What cannot be told to be the same is run.

    \b
    Examples:
      datamon run record --input raw=in --output features=out --param scale=2.0 -- python prepare.py in out --scale 2.0
      datamon run record --pipeline churn --input features@v1=in --output model@try=out --label candidate -- make model
    """
    request = CommandRequest(
        argv=tuple(command),
        cwd=working_directory(),
        pipeline=pipeline,
        step=step,
        inputs=tuple(_from_home(parse_input(text)) for text in inputs or ()),
        outputs=tuple(_from_home(parse_output(text)) for text in outputs or ()),
        labels=tuple(labels or ()),
        params=tuple(params or ()),
        params_files=tuple(params_files or ()),
        metrics_files=tuple(metrics_files or ()),
        code=tuple(code or ()),
        keep=keep,
        reuse=reuse,
        trace=trace,
        policy=policy_of(settings_of(ctx)),
        counts=tuple(counts or ()),
    )
    store = open_configured(ctx)
    request = replace(request, parent=parent_of(store, parent), run_place=place_of(store, level, retry_of))
    streams = Sinks(sys.stdout.buffer, sys.stderr.buffer)
    with watching() as progress:
        outcome = record_command(store, request, streams=streams, progress=progress)
    for sentence in (*outcome.notes, _summary(outcome)):
        note(sentence)
    return outcome.exit_code


def _from_home(binding: Binding) -> Binding:
    """With `~` at the start of its directory taken as the home: a shell does so only at the start of a word, which
    `my-repo=~/in` is not."""
    directory = binding.directory
    return replace(binding, directory=directory.expanduser()) if directory.parts[:1] == ("~",) else binding


def _summary(outcome: CommandOutcome) -> str:
    ended = f"recorded run {outcome.run} {outcome.status}"
    if outcome.status == "succeeded":
        written = [f"{output.repo_name}@{output.branch} {output.bundle}" for output in outcome.outputs]
        return f"{ended}: wrote {', '.join(written)}" if written else f"{ended}: wrote nothing"
    return f"{ended} with exit code {outcome.exit_code}: no ref moved"


app.command("list")(list_)
app.command("show")(show)
app.command("logs")(logs)
app.command("code")(code_of_run)
app.command("replay")(replay_)
app.command("diff")(diff)
app.command("export")(export)
app.command("sign")(sign)
app.command("verify")(verify)
app.command("create-signing-key")(create_signing_key)
app.command("import")(import_)
