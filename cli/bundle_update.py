"""`datamon bundle update`: a directory is brought to a bundle."""

from typing import Annotated

import typer

from datamon.cli.bundle_download import DestinationOption, NameFilterOption
from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, LabelOption, RepoOption
from datamon.cli.output import note, say
from datamon.cli.progress import watching
from datamon.cli.selecting import Selection, select_bundle
from datamon.store.repos import find_repo


def update(
    ctx: typer.Context,
    repo: RepoOption,
    destination: DestinationOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    name_filter: NameFilterOption = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Give up local edits: what was edited or deleted is as in the bundle then. What was added stays where it is not "
            "in the way.",
        ),
    ] = False,
) -> None:
    """Bring a directory to a bundle by changing only what differs.

    The directory is one that datamon filled before, also one whose download was killed, or one in which nothing is otherwise
    than in the bundle, or an empty or new one. What was edited in it since is listed, and nothing is touched. Without
    --name-filter the one counts by which the directory was filled; --name-filter '' is all files.

    \b
    Examples:
      datamon bundle update --repo orders --destination ./orders
      datamon bundle update --repo orders --destination ./orders --label init --force
    """
    from datamon.store.update import UpdateRequest  # 0.2 s: it brings pyarrow, which few words need
    from datamon.store.update import update as update_tree

    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    chosen = select_bundle(store, find_repo(store, repo), selection)
    say(f"Using bundle: {chosen.id}")
    with watching() as progress:
        done = update_tree(store, UpdateRequest(chosen, destination, name_filter, force), progress=progress)
    for path in done.given_up:
        note(f"gave up the edit of {path!r}")
    for path in done.kept:
        note(f"left {path!r}, which the bundle does not have")
    say(f"{done.written} written, {done.removed} removed")
