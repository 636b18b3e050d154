"""`datamon index push`: the tables of questions, kept in a PostgreSQL database."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.output import say

SchemaOption = Annotated[
    str, typer.Option("--schema", metavar="NAME", help="The schema in that database; one for each store.")
]


def push(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="postgresql://USER@HOST:PORT/DATABASE")],
    schema: SchemaOption = "datamon",
) -> None:
    """Bring a PostgreSQL database up to what the store holds, so that a team can ask there.

    Only what is new since the last push is brought, in one transaction: a push that is killed has done nothing, and of two at
    once the second waits for the first. The password is best kept in PGPASSWORD or ~/.pgpass. Needs the extra: pip install
    'datamon[postgres]'.

    \b
    Examples:
      datamon index push postgresql://ada@db.example.org/lineage
      datamon query --engine postgresql://ada@db.example.org/lineage "WHAT IS STALE"
    """
    from datamon.query.elsewhere.push import push as push_to  # brings duckdb and sqlglot, which help does not need

    pushed = push_to(open_configured(ctx), url, schema)
    if pushed.events or pushed.entries or pushed.whole:
        say(f"Pushed {pushed.events:,} records of runs and {pushed.entries:,} entries of logs")
    else:
        say("Nothing is new since the last push")
