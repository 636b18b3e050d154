"""`datamon branch`: names that move with each upload."""

from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.completing import branch_names
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import show
from datamon.cli.rows import ref_listing
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.refs import create_branch, delete_branch, list_refs
from datamon.store.repos import find_repo
from datamon.store.resolve import Reference, resolve

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def branch() -> None:
    """Branches: names that move with each upload. A repo's first upload makes `main`."""


@app.command()
def create(
    ctx: typer.Context,
    repo: RepoOption,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="Name of the new branch.")],
    at: Annotated[
        str, typer.Option("--at", metavar="REF", help="Where it begins: a branch, a label, a bundle's id, or branch~2.")
    ] = DEFAULT_BRANCH,
) -> None:
    """Make a branch.

    \b
    Example:
      datamon branch create --repo orders --branch cleaned --at init
    """
    store = open_configured(ctx)
    begin = resolve(store, Reference(repo, at, ""))
    create_branch(store, begin.repo, branch, begin.bundle.id)


@app.command()
def delete(
    ctx: typer.Context,
    repo: RepoOption,
    branch: Annotated[
        str, typer.Option("--branch", metavar="BRANCH", help="Name of the branch.", autocompletion=branch_names)
    ],
) -> None:
    """Take a branch away; its bundles stay, and the branch's history too.

    \b
    Example:
      datamon branch delete --repo orders --branch cleaned
    """
    store = open_configured(ctx)
    delete_branch(store, find_repo(store, repo), branch)


@app.command("list")
def list_(ctx: typer.Context, repo: RepoOption, form: FormatOption = None) -> None:
    """List a repo's branches: branch , bundle at its head , time it moved.

    \b
    Example:
      datamon branch list --repo orders
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    show(ref_listing(found, store.logs.repo(found.id), "branch", list_refs(store, found, "branch")), form)
