"""`datamon version`."""

import typer

from datamon import __version__
from datamon.cli.output import say

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def version() -> None:
    """Print the version of this program.

    \b
    Example:
      datamon version
    """
    say(f"datamon {__version__}")
