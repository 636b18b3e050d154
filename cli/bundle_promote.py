"""`datamon bundle promote`: a bundle goes from the store in use to that of another context."""

from contextlib import suppress
from typing import Annotated

import typer

from datamon.cli.globals import Globals
from datamon.cli.opening import open_configured, open_settled
from datamon.cli.options import BranchOption, BundleOption, FormatOption, LabelOption, RepoOption
from datamon.cli.output import note, say, show
from datamon.cli.progress import watching
from datamon.cli.rows import told_bundle_listing
from datamon.cli.selecting import Selection, select_bundle
from datamon.cli.settings import load_settings
from datamon.errors import Conflict, NotFound
from datamon.store.bundle import Repo
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo


def promote(
    ctx: typer.Context,
    repo: RepoOption,
    to: Annotated[str, typer.Option("--to", metavar="CONTEXT", help="The context whose store is to have the bundle.")],
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    to_repo: Annotated[
        str | None, typer.Option("--to-repo", metavar="REPO", help="The repo there. [a repo of the same name]")
    ] = None,
    to_branch: Annotated[
        str, typer.Option("--to-branch", metavar="BRANCH", help="The branch to move there.")
    ] = DEFAULT_BRANCH,
    to_label: Annotated[
        str | None, typer.Option("--to-label", metavar="LABEL", help="A label to set on the bundle there.")
    ] = None,
    message: Annotated[
        str | None,
        typer.Option("--message", metavar="TEXT", help="What the bundle is there. [the bundle's own message]"),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create-repo", help="Make the repo there, if it is not there, with the same description.")
    ] = False,
    form: FormatOption = None,
) -> None:
    """Bring a bundle to the store of another context and move a branch (and a label) there to it, all at once.

    What that store has is not sent again, and everything is verified on its way. The bundle gets an id of its own there, and
    `bundle get` says what it is a copy of. Where the branch there stands at the very same files already, nothing is made and
    only the label is set. A run that is interrupted leaves nothing that anyone sees, and the next one sends only what is missing.

    \b
    Example:
      datamon bundle promote --repo orders --label tested --to prod --to-label live
    """
    # Imported when it is used: it brings pyarrow, which no other command of this group needs at its start.
    from datamon.store.promote.promote import PromoteRequest
    from datamon.store.promote.promote import promote as promote_bundle

    flags: Globals = ctx.obj
    selection = Selection(bundle, label, branch)
    settings = load_settings(Globals(flags.config, to))
    source = open_configured(ctx)
    from_repo = find_repo(source, repo)
    chosen = select_bundle(source, from_repo, selection)
    target = open_settled(settings)
    there = _repo_there(target, to, to_repo or from_repo.name, from_repo if create else None)
    request = PromoteRequest(from_repo, chosen, message, to_branch, to_label)
    with watching() as progress:
        promoted = promote_bundle(source, target, there, request, progress=progress)
    if not promoted.made:
        note(f"the branch {to_branch!r} of {there.name!r} in {to!r} stands at the same files already; nothing was made")
    if form is not None:
        show(told_bundle_listing(there, target.logs.repo(there.id), promoted.bundle), form)
        return
    if to_label is not None:
        say(f"set label '{to_label}'")
    say(f"Promoted bundle id:{promoted.bundle.id}")


def _repo_there(target: Store, context: str, name: str, like: Repo | None) -> Repo:
    """The target's repo of this name, made `like` another where it is not there and that is wanted. Raises NotFound
    (`repo-not-found`), which names the context."""
    try:
        return find_repo(target, name)
    except NotFound as error:
        if like is not None:
            with suppress(Conflict):  # another promotion makes it too
                create_repo(target, name, like.description)
            return find_repo(target, name)
        joint = "" if error.message.endswith("?") else ";"
        message = f"in the context {context!r} {error.message}{joint} --create-repo makes it there"
        raise NotFound(error.code, message, **{**error.facts, "context": context}) from error
