"""`datamon mount`: what of datamon's is mounted here, and unmounting it."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, show

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def mount() -> None:
    """Mounts: bundles shown as directories. `datamon bundle mount` makes them."""


@app.command("list")
def list_(form: FormatOption = None) -> None:
    """List what is mounted on this machine: directory , what it shows , state.

    \b
    Example:
      datamon mount list
    """
    from datamon.store.mount.mounts import list_mounts  # brings psutil

    rows: list[Row] = [
        (str(mounted.directory), mounted.name, "dead" if mounted.is_dead else "live") for mounted in list_mounts()
    ]
    show(Listing(("directory", "shows", "state"), rows, lambda row: " , ".join(map(str, row))), form)


@app.command()
def unmount(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where it is mounted.", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Also while programs use it: they keep what they have open.")
    ] = False,
) -> None:
    """Unmount a bundle; the process that serves it ends. A mount whose process was killed is taken away too.

    \b
    Example:
      datamon mount unmount ./orders
    """
    from datamon.store.mount.mounts import unmount as take_away  # as above

    take_away(directory, force=force)
