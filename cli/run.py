"""`datamon run`: recorded executions."""

from typing import Annotated

import typer

from datamon.cli.built import takes
from datamon.cli.commands import Phrases
from datamon.cli.record_options import OPTIONS
from datamon.cli.recording import record as record_line
from datamon.cli.run_code import code as code_of_run
from datamon.cli.run_diff import diff
from datamon.cli.run_export import export
from datamon.cli.run_import import import_
from datamon.cli.run_list import list_
from datamon.cli.run_replay import replay_
from datamon.cli.run_show import logs, show
from datamon.cli.run_sign import create_signing_key, sign, verify
from datamon.cli.words import Given

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def run() -> None:
    """Runs: recorded executions of commands, with their code, params, inputs, outputs, environment and streams."""


Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CMD]", help="The command and its arguments, after `--`.", show_default=False),
]


@app.command(context_settings={"allow_interspersed_args": False})
@takes(OPTIONS)
def record(ctx: typer.Context, given: Given, command: Command = None) -> int:
    """Run a command and record what it read, what it wrote and what it was.

    Input DIRs are filled (or brought to what the ref gives now, when nothing in them was edited). Output DIRs must be absent,
    empty, or hold datamon's own last output. When CMD succeeds, each output that it wrote is committed and its branch
    moved; when it fails, that is recorded and no ref moves. The exit code is CMD's own.

    With --reuse a run of the same step that had the same code, command, params and contents of inputs stands for this one: its
    outputs are committed again as this run's, and CMD is not run. What cannot be told to be the same is run.

    With --sql the run is of a SQL file: each Parquet, CSV or JSON file of an input is a table `repo.stem`, each CREATE TABLE … AS
    and a last SELECT (as `result`) is a Parquet file in the output, and params are its `$name`s.

    \b
    Examples:
      datamon run record --input raw=in --output features=out --param scale=2.0 -- python prepare.py in out --scale 2.0
      datamon run record --pipeline churn --input features@v1=in --output model@try=out --label candidate -- make model
      datamon run record --sql report.sql --input orders=in --output report=out --param least=10
    """
    return record_line(ctx.obj, given, command or ())


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
