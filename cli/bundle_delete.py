"""`datamon bundle delete`: single bundles taken away."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, ReasonOption, RepoOption
from datamon.cli.output import show
from datamon.cli.retention_words import note_moves
from datamon.cli.rows import bundle_listing
from datamon.lineage.needs import find_needs
from datamon.store.repos import find_repo
from datamon.store.resolve import find_bundle
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles


def delete(
    ctx: typer.Context,
    repo: RepoOption,
    bundle: Annotated[
        list[str],
        typer.Option("--bundle", metavar="ID", help="Id of a bundle, or its unique start or end; may be given again."),
    ],
    reason: ReasonOption = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also bundles that labels, branches or unfinished runs hold; labels go, branches go back."
        ),
    ] = False,
    form: FormatOption = None,
) -> None:
    """Delete bundles; each leaves a tombstone that says when, by whom and why. Prints them: id , time , message.

    All of them go, or none. What a frozen label points at stays in any case. Their bytes are freed by `datamon gc`.

    \b
    Example:
      datamon bundle delete --repo orders --bundle 2Q0z --reason "wrong export"
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    chosen = [find_bundle(store, found, each) for each in bundle]
    request = DeleteRequest(tuple(dict.fromkeys(each.id for each in chosen)), reason, force)
    entry = delete_bundles(store, found, request, lambda: find_needs(store))
    note_moves(entry.moves)
    state = store.logs.repo(found.id)
    show(bundle_listing(found, state, [state.bundles[each] for each in request.bundles]), form)
