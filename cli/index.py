"""`datamon index`: the tables that answer questions."""

import typer

from datamon.cli.commands import Phrases
from datamon.cli.index_push import push

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def index() -> None:
    """The tables that answer questions, made from the store; they may be deleted at any time."""


app.command("push")(push)
