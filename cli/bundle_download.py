"""`datamon bundle download`: a bundle's files, or one of them, written to a directory."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, LabelOption, RepoOption
from datamon.cli.output import say
from datamon.cli.progress import watching
from datamon.cli.selecting import Selection, select_bundle
from datamon.store.repos import find_repo

DestinationOption = Annotated[
    Path, typer.Option("--destination", metavar="DIR", help="The directory to write to.", show_default=False)
]
NameFilterOption = Annotated[
    str | None,
    typer.Option(
        "--name-filter", metavar="REGEX", help="Only files in whose paths this regular expression finds something."
    ),
]


def download(
    ctx: typer.Context,
    repo: RepoOption,
    destination: DestinationOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    name_filter: NameFilterOption = None,
) -> None:
    """Write a bundle's files to a directory that is empty or not there yet. Every byte is verified.

    When it fails, the directory is empty again. When it is killed, `bundle update` goes on from there.

    \b
    Examples:
      datamon bundle download --repo orders --destination ./orders --label init
      datamon bundle download --repo orders --destination ./csv --name-filter '\\.csv$'
    """
    from datamon.store.download import download as download_tree  # 0.2 s: it brings pyarrow, which few words need
    from datamon.store.workers import core_workers

    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    chosen = select_bundle(store, find_repo(store, repo), selection)
    say(f"Using bundle: {chosen.id}")
    with watching() as progress:
        filtered = name_filter or ""
        download_tree(store, chosen, destination, pattern=filtered, processes=core_workers(), progress=progress)


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
    from datamon.store.download import download_file as download_one  # as in `download`

    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    chosen = select_bundle(store, find_repo(store, repo), selection)
    say(f"Using bundle: {chosen.id}")
    download_one(store, chosen, file, destination)
