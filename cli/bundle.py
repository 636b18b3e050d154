"""`datamon bundle`: a repo's file tree at one moment; upload, download, compare."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.bundle_diff import diff
from datamon.cli.bundle_list import list_, list_files
from datamon.cli.commands import Phrases
from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, FormatOption, LabelOption, RepoOption
from datamon.cli.output import say, show
from datamon.cli.progress import watching
from datamon.cli.rows import bundle_listing
from datamon.cli.selecting import Selection, select_bundle
from datamon.store.download import download as download_tree
from datamon.store.download import download_file as download_one
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.repos import find_repo
from datamon.store.upload import UploadRequest
from datamon.store.upload import upload as upload_tree

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
DestinationOption = Annotated[
    Path, typer.Option("--destination", metavar="DIR", help="The directory to write to.", show_default=False)
]


@app.callback()
def bundle() -> None:
    """Bundles: a repo's file tree at one moment. A bundle never changes; a new state is a new bundle."""


@app.command()
def upload(
    ctx: typer.Context,
    repo: RepoOption,
    path: Annotated[
        Path, typer.Option("--path", metavar="DIR", help="The directory to keep, with everything below it.")
    ],
    message: Annotated[str, typer.Option("--message", metavar="TEXT", help="What this bundle is.")],
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="A label to set on the bundle.")] = None,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="The branch to move.")] = DEFAULT_BRANCH,
    form: FormatOption = None,
) -> None:
    """Keep a directory as a new bundle and move the branch (and the label) to it, all at once.

    Files named by patterns in DIR/.datamonignore are left out. Bytes that the store has are not stored again. An upload
    that is interrupted leaves nothing that anyone sees.

    \b
    Example:
      datamon bundle upload --repo orders --path ./orders --message "first export" --label init
    """
    store = open_configured(ctx)
    with watching() as progress:
        made = upload_tree(store, UploadRequest(repo, path, message, branch, label), progress=progress)
    if form is not None:
        found = find_repo(store, repo)
        show(bundle_listing(found, store.logs.repo(found.id), [made]), form)
        return
    if label is not None:
        say(f"set label '{label}'")
    say(f"Uploaded bundle id:{made.id}")


@app.command()
def download(
    ctx: typer.Context,
    repo: RepoOption,
    destination: DestinationOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
) -> None:
    """Write a bundle's files to a directory that is empty or not there yet. Every byte is verified.

    \b
    Examples:
      datamon bundle download --repo orders --destination ./orders --label init
      datamon bundle download --repo orders --destination ./orders
    """
    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    chosen = select_bundle(store, find_repo(store, repo), selection)
    say(f"Using bundle: {chosen.id}")
    with watching() as progress:
        download_tree(store, chosen, destination, progress=progress)


@app.command("download file")
def download_file(
    ctx: typer.Context,
    repo: RepoOption,
    file: Annotated[str, typer.Option("--file", metavar="PATH", help="The file's path inside the bundle.")],
    destination: DestinationOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
) -> None:
    """Write one file of a bundle into a directory, under its own name.

    \b
    Example:
      datamon bundle download file --repo orders --file 2026/may.csv --destination ./here
    """
    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    chosen = select_bundle(store, find_repo(store, repo), selection)
    say(f"Using bundle: {chosen.id}")
    download_one(store, chosen, file, destination)


@app.command()
def get(
    ctx: typer.Context,
    repo: RepoOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    form: FormatOption = None,
) -> None:
    """Show one bundle: id , time , message.

    \b
    Example:
      datamon bundle get --repo orders --label init --format json
    """
    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    found = find_repo(store, repo)
    chosen = select_bundle(store, found, selection)
    show(bundle_listing(found, store.logs.repo(found.id), [chosen]), form)


app.command("list")(list_)
app.command("list files")(list_files)
app.command("diff")(diff)
