"""`datamon query`: questions, lineage sources and SELECT."""

import sys
from typing import Annotated

import typer

from datamon.cli.opening import access_of, open_configured, settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, note, show
from datamon.cli.pairs import named_values

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def query(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="One statement; - reads it from standard input.")],
    params: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A value for $NAME in the statement. May be repeated."),
    ] = None,
    form: FormatOption = None,
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

    The answer is a table. `datamon query "DESCRIBE runs"` says what a relation's columns mean.

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
    """
    from datamon.cli.asking import Where, ask_here  # brings duckdb, 80 ms, which help does not need

    statement = sys.stdin.read() if text == "-" else text
    values = named_values("param", params or [])
    store = open_configured(ctx)
    access = access_of(settings_of(ctx)) if engine == "spark" else None
    answer = ask_here(store, statement, values, Where(engine, schema, dialect, access))
    show(Listing(tuple(answer.columns), answer.rows), form)
    for sentence in answer.notes:
        note(sentence)
    if answer.truncated:
        note("the answer is cut off at the row limit: narrow the question to see the rest")
