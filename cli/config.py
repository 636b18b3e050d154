"""`datamon config`: writing the configuration file."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.config_file import Keys, change_configuration, write_configuration
from datamon.cli.globals import Globals
from datamon.cli.output import note
from datamon.cli.settings import configuration_file

app = typer.Typer(
    cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Write the configuration file."
)


@app.callback()
def config() -> None:
    """Write the configuration file, ~/.datamon/datamon.yaml. Without one, everything is kept under ~/.datamon."""


@app.command()
def create(
    ctx: typer.Context,
    email: Annotated[str, typer.Option("--email", metavar="EMAIL", help="Your address.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Your name.")],
    credential: Annotated[
        Path | None, typer.Option("--credential", metavar="FILE", help="A Google Cloud service account's key file.")
    ] = None,
    metadata: Annotated[
        str | None, typer.Option("--metadata", metavar="PLACE", help="Where metadata lies: bucket, path or URL.")
    ] = None,
    blob: Annotated[
        str | None, typer.Option("--blob", metavar="PLACE", help="Where file contents lie: bucket, path or URL.")
    ] = None,
    shared_contexts: Annotated[
        str | None,
        typer.Option("--shared-contexts", metavar="PLACE", help="Where your team keeps the contexts that it shares."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Change a file that exists; keys not given here keep their values.")
    ] = False,
) -> None:
    """Write the configuration file, readable by you alone.

    \b
    Example:
      datamon config create --email ada@example.org --name "Ada Lovelace"
    """
    flags: Globals = ctx.obj
    file = configuration_file(flags)
    given = {
        "metadata": metadata,
        "blob": blob,
        "email": email,
        "name": name,
        "config": shared_contexts,
        "credential": str(credential.expanduser().absolute()) if credential else None,
    }
    said: Keys = {key: value for key, value in given.items() if value is not None}
    if force:
        change_configuration(file, lambda keys: keys | said)
    else:
        write_configuration(file, said, replace=False)
    if credential is not None and not credential.expanduser().is_file():
        note(f"note: there is no file {credential} yet")
