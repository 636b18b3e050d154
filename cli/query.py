"""`datamon query`: questions, lineage sources and SELECT."""

from typing import Annotated

import typer

from datamon.cli.opening import access_of, open_configured, settings_of
from datamon.cli.pairs import named_values
from datamon.cli.query_output import AnswerFormatOption, PagerOption, ToOption
from datamon.cli.query_text import FileOption, statement_text
from datamon.cli.showing import show_answer, showing

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def query(
    ctx: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]", help="One statement; - reads it from standard input. [a prompt on a terminal]"
        ),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A value for $NAME in the statement. May be repeated."),
    ] = None,
    file: FileOption = None,
    form: AnswerFormatOption = None,
    to: ToOption = None,
    pager: PagerOption = True,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="URL",
            help="Answer over the tables that `datamon index push URL` keeps there; spark: by your own Spark, which scans files, "
            "params and metrics in the store.",
        ),
    ] = None,
    schema: Annotated[
        str, typer.Option("--schema", metavar="NAME", help="With --engine, the schema that was pushed to.")
    ] = "datamon",
    dialect: Annotated[
        str | None,
        typer.Option(
            "--dialect",
            metavar="NAME",
            help="With EXPLAIN, the SQL of duckdb, postgres, bigquery, snowflake or trino. It is run on the first two in our "
            "tests; for the others only that it parses is known.",
        ),
    ] = None,
) -> None:
    """Ask what was produced by what, what is stale and why, or any SELECT over repos, bundles, runs, inputs, outputs, ….

    The answer is a table, or with GRAPH a graph. `datamon query "DESCRIBE runs"` says what a relation's columns mean. Without
    TEXT a terminal gets a prompt, which completes what can come next.

    \b
    Examples:
      datamon query "WHAT PRODUCED 'model@prod'"
      datamon query "WHAT IS STALE"
      datamon query "WHY IS 'features' STALE"
      datamon query "FROM UPSTREAM OF 'report' WHERE kind = 'bundle'" --format json
      datamon query --engine postgresql://ada@db.example.org/lineage "WHAT IS STALE"
      datamon query --engine spark "SELECT bundle, sum(size) FROM files GROUP BY bundle"
      datamon query "EXPLAIN UPSTREAM OF 'report'" --dialect bigquery
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
    from datamon.cli.asking import Where, ask_here  # brings duckdb, 80 ms, which help does not need

    store = open_configured(ctx)
    access = access_of(settings_of(ctx)) if engine == "spark" else None
    show_answer(ask_here(store, statement, values, Where(engine, schema, dialect, access)), how)
