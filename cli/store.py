"""`datamon store`: what is done with a store as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.check import backends_of
from datamon.cli.commands import Phrases
from datamon.cli.opening import settings_of
from datamon.cli.output import note
from datamon.store.encryption_key import new_key, read_key, write_key

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The key file.")]

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def store() -> None:
    """The store as a whole: its key."""


@app.command()
def create_key(file: KeyFile) -> None:
    """Make a new key for an encrypted store, in a file that only you may read; a file that is there is never overwritten.

    A new store is encrypted when a key is set before its first use. Keep a copy of the file in a safe place: nobody can read the
    store without it.

    \b
    Examples:
      datamon store create-key ~/.datamon/store.key
      DATAMON_ENCRYPTION_KEY_FILE=~/.datamon/store.key datamon repo create raw
    """
    write_key(file, new_key())
    note(f"made the key {file}; set encryption.key_file to it in the configuration, and keep a copy in a safe place")


@app.command()
def change_key(ctx: typer.Context, file: KeyFile) -> None:
    """Let the encrypted store be opened by the key in FILE instead of the one that is set now.

    Nothing else is written anew, so whoever has the old key and an old copy of the store can still read that copy: after a theft
    of both, move the data to a new store.

    \b
    Examples:
      datamon store create-key new.key
      datamon store change-key new.key
    """
    from datamon.store.key_change import change_key as change  # brings cryptography, which help does not need

    settings = settings_of(ctx)
    change(backends_of(settings)[0], settings.encryption_key, read_key(file))
    note(f"the store opens by the key in {file} now; set encryption.key_file to it")
