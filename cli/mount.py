"""`datamon mount`: what of datamon's is mounted here, and unmounting it."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, say, show
from datamon.errors import Invalid
from datamon.store.repos import list_repos

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


@app.command()
def commit(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where it is mounted.", show_default=False)],
    message: Annotated[
        str, typer.Option("--message", metavar="TEXT", help="What the new bundle is. [as the mount was told]")
    ] = "",
) -> None:
    """Make a bundle of what is in a directory mounted by `datamon bundle mount new`, which goes on.

    \b
    Example:
      datamon mount commit ./orders --message "prices corrected"
    """
    from datamon.store.mount.work.asking import commit_mounted  # as above

    bundle = commit_mounted(directory, message)
    say(f"Uploaded bundle id:{bundle}" if bundle else "nothing was committed yet")


@app.command()
def recover(
    ctx: typer.Context,
    work: Annotated[str | None, typer.Argument(metavar="[ID]", help="The work to commit.", show_default=False)] = None,
    form: FormatOption = None,
) -> None:
    """List the work in mounts whose process was killed, as id , repo , directory , changes; or, with an ID, make a bundle of it.

    \b
    Examples:
      datamon mount recover
      datamon mount recover 2IeOmvEQBRqbOVQjyx2xzpnTYfl
    """
    from datamon.cli.bundle_mount_new import tell_commit
    from datamon.store.mount.work.place import list_left  # as above
    from datamon.store.mount.work.serving import recover_work
    from datamon.store.serving.decoded_chunks import DecodedChunks

    store = open_configured(ctx)
    if store.state_dir is None:
        raise Invalid("usage", "this machine keeps nothing of the store, so that no work can be left here")
    if work is None:
        names = {repo.id: repo.name for repo in list_repos(store)}
        rows: list[Row] = [
            (left.id, names.get(left.repo, left.repo), left.directory, changes) for left, changes in list_left(store)
        ]
        show(Listing(("id", "repo", "directory", "changes"), rows, lambda row: " , ".join(map(str, row))), form)
        return
    with DecodedChunks(store.chunks) as decoded:
        about, done = recover_work(store, work, decoded)
    tell_commit(done, about.branch)
