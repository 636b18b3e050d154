"""`datamon repo delete` and `datamon repo delete files`: a repo taken away, or paths out of its history."""

from typing import Annotated

import typer

from datamon.cli.confirming import confirmed
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, ReasonOption, RepoOption
from datamon.cli.output import note, show
from datamon.cli.progress import watching
from datamon.cli.retention_words import note_moves
from datamon.cli.rows import replaced_listing
from datamon.store.repos import find_repo
from datamon.store.retention.delete_path import delete_paths, plan_delete_paths
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.tombstones import live_bundles


def delete(
    ctx: typer.Context,
    repo: RepoOption,
    reason: ReasonOption = None,
    yes: Annotated[bool, typer.Option("--force-yes", "--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a repo with everything in it. Asks first; its name is free afterwards.

    Runs that read or wrote it keep their records, and questions say when it was deleted, by whom and why. Its bytes are
    freed by `datamon gc`.

    \b
    Example:
      datamon repo delete --repo orders --reason "moved to the other store" --force-yes
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    count = len(live_bundles(store.logs.repo(found.id)))
    if confirmed(f"Delete the repo {found.name!r} with its {count} bundle{'' if count == 1 else 's'}?", yes=yes):
        delete_repo(store, found, reason=reason)
    else:
        note("nothing was deleted")


def delete_files(
    ctx: typer.Context,
    repo: RepoOption,
    file: Annotated[
        list[str],
        typer.Option("--file", metavar="PATH", help="A file's or directory's path in the bundles; may be given again."),
    ],
    reason: ReasonOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which bundles have it, and change nothing.")] = False,
    form: FormatOption = None,
) -> None:
    """Take files or directories out of every bundle of a repo, all at once.

    Each bundle that has one is deleted, and a new one without it stands in for it, with its message, author, run, labels and
    branches. Prints them: id , id of the new one , message. Bytes that nothing else needs are freed by `datamon gc`.

    \b
    Example:
      datamon repo delete files --repo orders --file 2026/private.csv --reason "a customer asked"
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    with watching() as progress:
        if dry_run:
            planned = plan_delete_paths(store, found, file, progress)
        else:
            rewritten = delete_paths(store, found, file, reason=reason, progress=progress)
    if dry_run:
        show(replaced_listing(found, [(bundle, None) for bundle in planned]), form)
        return
    note_moves(rewritten.moves)
    show(replaced_listing(found, rewritten.bundles), form)
