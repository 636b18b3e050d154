"""`datamon config`: writing the configuration file."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import yaml

from datamon.cli.commands import Phrases
from datamon.cli.options import Globals
from datamon.cli.output import note
from datamon.cli.settings import configuration_file, read_configuration
from datamon.errors import Conflict

app = typer.Typer(
    cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Write the configuration file."
)
PRIVATE = 0o600


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
        "credential": str(credential.expanduser().absolute()) if credential else None,
    }
    write_configuration(
        file,
        (_keys(file) if force else {}) | {key: value for key, value in given.items() if value is not None},
        replace=force,
    )
    if credential is not None and not credential.expanduser().is_file():
        note(f"note: there is no file {credential} yet")


def _keys(file: Path) -> dict[str, object]:
    """The file's keys as they stand, also those that are not known; none when it is absent. Raises Invalid (`bad-config`)."""
    read_configuration(file)
    return (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.exists() else {}


def write_configuration(file: Path, keys: dict[str, object], *, replace: bool) -> None:
    """Writes the whole file at once, mode 0600. Raises Conflict (`config-exists`) when it exists and `replace` is off."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), PRIVATE)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            Path(draft).replace(file)
        else:
            file.hardlink_to(draft)
    except FileExistsError:
        raise Conflict(
            "config-exists", f"the configuration {file} exists; edit it, or change it with --force", file=str(file)
        ) from None
    finally:
        Path(draft).unlink(missing_ok=True)
