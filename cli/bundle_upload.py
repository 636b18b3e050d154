"""`datamon bundle upload`: a directory becomes a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import say, show
from datamon.cli.progress import watching
from datamon.cli.rows import bundle_listing
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.repos import find_repo
from datamon.store.upload import UploadRequest
from datamon.store.upload import upload as upload_tree
from datamon.store.workers import core_workers


def upload(
    ctx: typer.Context,
    repo: RepoOption,
    path: Annotated[
        Path, typer.Option("--path", metavar="DIR", help="The directory to keep, with everything below it.")
    ],
    message: Annotated[str, typer.Option("--message", metavar="TEXT", help="What this bundle is.")],
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="A label to set on the bundle.")] = None,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="The branch to move.")] = DEFAULT_BRANCH,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Read every file, also those that cannot have changed since the last upload."),
    ] = False,
    form: FormatOption = None,
) -> None:
    """Keep a directory as a new bundle and move the branch (and the label) to it, all at once.

    Files named by patterns in DIR/.datamonignore are left out. Bytes that the store has are not stored again, and files that
    did not change since this machine's last upload of DIR are not read again. An upload that is interrupted leaves nothing
    that anyone sees, and the next one does not send again what was sent.

    \b
    Example:
      datamon bundle upload --repo orders --path ./orders --message "first export" --label init
    """
    store = open_configured(ctx)
    request = UploadRequest(repo, path, message, branch, label, verify)
    with watching() as progress:
        made = upload_tree(store, request, processes=core_workers(), progress=progress)
    if form is not None:
        found = find_repo(store, repo)
        show(bundle_listing(found, store.logs.repo(found.id), [made]), form)
        return
    if label is not None:
        say(f"set label '{label}'")
    say(f"Uploaded bundle id:{made.id}")
