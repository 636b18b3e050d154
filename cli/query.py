"""`datamon query`: questions, lineage sources and SELECT."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.pairs import named_values
from datamon.cli.query_output import AnswerFormatOption, PagerOption, ToOption, show_answer, showing
from datamon.cli.query_text import FileOption, statement_text

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def query(
    ctx: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="One statement; - reads it from standard input. [a prompt on a terminal]"),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A value for $NAME in the statement. May be repeated."),
    ] = None,
    file: FileOption = None,
    form: AnswerFormatOption = None,
    to: ToOption = None,
    pager: PagerOption = True,
) -> None:
    """Ask what was produced by what, what is stale and why, or any SELECT over repos, bundles, runs, inputs, outputs, ….

    The answer is a table, or with GRAPH a graph. `datamon query "DESCRIBE runs"` says what a relation's columns mean. Without TEXT
    a terminal gets a prompt, which completes what can come next.

    \b
    Examples:
      datamon query "WHAT PRODUCED 'model@prod'"
      datamon query "WHAT IS STALE"
      datamon query "WHY IS 'features' STALE"
      datamon query "FROM UPSTREAM OF 'report' WHERE kind = 'bundle'" --format json
      datamon query "SELECT step, count(*) FROM runs WHERE status = \\$s GROUP BY step" --param s=failed
      datamon query "GRAPH UPSTREAM OF 'report'" --to report.svg
      datamon query -f question.sql --to answer.parquet
    """
    values = named_values("param", params or [])
    how = showing(form, to, pager=pager)
    statement = statement_text(text, file)
    if statement is None:
        from datamon.cli.query_prompt import prompt  # brings prompt_toolkit, which only a prompt needs

        prompt(ctx, values, how)
        return
    from datamon.cli.asking import ask_here  # brings duckdb, 80 ms, which help does not need

    show_answer(ask_here(open_configured(ctx), statement, values), how)
