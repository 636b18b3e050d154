"""`datamon repo squash`: old bundles taken away."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, ReasonOption, RepoOption
from datamon.cli.output import note, show
from datamon.cli.retention_words import note_moves
from datamon.cli.rows import bundle_listing
from datamon.lineage.needs import find_needs
from datamon.store.repos import find_repo
from datamon.store.retention.squash import Keeping, plan_squash
from datamon.store.retention.squash import squash as squash_repo


def squash(
    ctx: typer.Context,
    repo: RepoOption,
    last: Annotated[
        int,
        typer.Option("--keep-last", "--retain-n-latest", metavar="N", help="Keep the N newest bundles of each branch."),
    ] = 1,
    labelled: Annotated[
        bool, typer.Option("--keep-tagged", "--retain-tags", help="Keep what labels point at.")
    ] = False,
    semver: Annotated[
        bool,
        typer.Option(
            "--keep-semver", "--retain-semver-tags", help="Keep what labels like v1.2.3, 1.2 or 2.0.0-rc1 point at."
        ),
    ] = False,
    reason: ReasonOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    form: FormatOption = None,
) -> None:
    """Delete all but the newest bundles of a repo, and the labels that pointed at them. Prints what went: id , time , message.

    Heads of branches stay, what frozen labels point at, and what unfinished runs read or wrote. Each deleted bundle leaves a
    tombstone; bytes are freed by `datamon gc`.

    \b
    Examples:
      datamon repo squash --repo orders --keep-last 10 --keep-semver
      datamon repo squash --repo orders --dry-run
    """
    keeping = Keeping(last, labelled, semver)
    store = open_configured(ctx)
    found = find_repo(store, repo)
    if dry_run:
        planned = plan_squash(store, found, keeping, lambda: find_needs(store))
        note(f"nothing was changed; {len(planned.bundles)} would go")
    else:
        planned = squash_repo(store, found, keeping, lambda: find_needs(store), reason=reason)
        note_moves(planned.moves)
    show(bundle_listing(found, store.logs.repo(found.id), list(planned.bundles)), form)
