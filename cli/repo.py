"""`datamon repo`: named data sets."""

from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import show
from datamon.cli.rows import repo_listing
from datamon.store.repos import create_repo, find_repo, list_repos

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def repo() -> None:
    """Repos: named data sets, each with its own bundles, labels and branches."""


@app.command()
def create(
    ctx: typer.Context,
    repo: RepoOption,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What the data is.")] = "",
) -> None:
    """Make a repo. Its name has letters, digits, '.', '_' and '-'.

    \b
    Example:
      datamon repo create --repo orders --description "Orders as exported each night"
    """
    create_repo(open_configured(ctx), repo, description)


@app.command("list")
def list_(ctx: typer.Context, form: FormatOption = None) -> None:
    """List the repos by name: name , description , author , email , time of creation.

    \b
    Example:
      datamon repo list --format table
    """
    show(repo_listing(list_repos(open_configured(ctx))), form)


@app.command()
def get(ctx: typer.Context, repo: RepoOption, form: FormatOption = None) -> None:
    """Show one repo: name , description , author , email , time of creation.

    \b
    Example:
      datamon repo get --repo orders
    """
    show(repo_listing([find_repo(open_configured(ctx), repo)]), form)
