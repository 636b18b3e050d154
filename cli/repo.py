"""`datamon repo`: named data sets."""

from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.globals import Format
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import show
from datamon.cli.progress import watching
from datamon.cli.repo_delete import delete, delete_files
from datamon.cli.repo_squash import squash
from datamon.cli.rows import repo_listing, sized_repo_listing
from datamon.errors import Invalid
from datamon.store.bundle import Repo
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo, list_repos, rename_repo
from datamon.store.sizes import repo_sizes

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
SizeOption = Annotated[bool, typer.Option("--with-size", help="Say also how much it holds; see `repo get`.")]


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
def list_(ctx: typer.Context, with_size: SizeOption = False, form: FormatOption = None) -> None:
    """List the repos by name: name , description , author , email , time of creation.

    \b
    Example:
      datamon repo list --format table --with-size
    """
    store = open_configured(ctx)
    _show(store, list_repos(store), with_size, form)


@app.command()
def get(ctx: typer.Context, repo: RepoOption, with_size: SizeOption = False, form: FormatOption = None) -> None:
    """Show one repo: name , description , author , email , time of creation.

    With its size these follow: bundles; entries (files, directories and links of all of them); bytes of all their files;
    distinct bytes, where what they share counts once; stored bytes, which are those in packs, compressed. What several repos
    share counts in each of them, and manifests count in none.

    \b
    Example:
      datamon repo get --repo orders --with-size
    """
    store = open_configured(ctx)
    _show(store, [find_repo(store, repo)], with_size, form)


@app.command()
def rename(
    ctx: typer.Context,
    repo: RepoOption,
    new: Annotated[str | None, typer.Argument(metavar="NEW", help="Its new name.", show_default=False)] = None,
    new_name: Annotated[str | None, typer.Option("--new-name", metavar="NEW", help="The same, as an option.")] = None,
) -> None:
    """Give a repo another name. Everything in it stays; runs recorded under the old name show the new one.

    \b
    Example:
      datamon repo rename --repo orders sales-orders
    """
    if (new is None) == (new_name is None):
        raise Invalid("usage", "a rename needs one new name; give it behind --repo REPO, or as --new-name NEW")
    store = open_configured(ctx)
    rename_repo(store, find_repo(store, repo), new or new_name or "")


app.command("delete")(delete)
app.command("delete files")(delete_files)
app.command("squash")(squash)


def _show(store: Store, repos: list[Repo], with_size: bool, form: Format | None) -> None:
    if not with_size:
        show(repo_listing(repos), form)
        return
    with watching() as progress:
        sized = [(repo, repo_sizes(store, repo, progress)) for repo in repos]
    show(sized_repo_listing(sized), form)
