"""`datamon bundle list`, `datamon bundle list files` and `datamon bundle ls`."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, FormatOption, LabelOption, RepoOption
from datamon.cli.output import Listing, Row, show
from datamon.cli.rows import bundle_listing, moment
from datamon.cli.selecting import Selection, select_bundle
from datamon.store.entries import TreeEntry, clean_path
from datamon.store.manifest import find_entry, iter_entries, read_manifest
from datamon.store.repos import find_repo
from datamon.store.tombstones import live_bundles

FILE_COLUMNS = ("path", "kind", "size", "content", "executable", "mode", "mtime", "target")


def list_(ctx: typer.Context, repo: RepoOption, form: FormatOption = None) -> None:
    """List a repo's bundles in the order of their commits: id , time , message.

    \b
    Example:
      datamon bundle list --repo orders
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    state = store.logs.repo(found.id)
    show(bundle_listing(found, state, live_bundles(state)), form)


def list_files(
    ctx: typer.Context,
    repo: RepoOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="PATH", help="List only what is at this path of the bundle and below it.")
    ] = "",
    directories: Annotated[bool, typer.Option("--directories", help="List directories too.")] = False,
    form: FormatOption = None,
) -> None:
    """List the files and links of a bundle: name, size, hash.

    \b
    Examples:
      datamon bundle list files --repo orders --label init
      datamon bundle list files --repo orders --prefix raw/2024
    """
    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    chosen = select_bundle(store, find_repo(store, repo), selection)
    manifest = read_manifest(store.metadata, chosen.manifest)
    top = clean_path(prefix)
    if top:
        find_entry(store.metadata, manifest, top)
    entries = iter_entries(store.metadata, manifest, top)
    rows = (_row(entry) for entry in entries if directories or entry.kind != "dir")
    show(Listing(FILE_COLUMNS, rows, _line), form)


def ls(
    ctx: typer.Context,
    repo: RepoOption,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH|GLOB...", help="What to list. [all that is at the top]")
    ] = None,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    form: FormatOption = None,
) -> None:
    """List what is directly in a directory of a bundle, or fits a glob: name, size, hash.

    A directory that is named is listed; one that fits a glob is shown itself. `**` stands for any directories.

    \b
    Examples:
      datamon bundle ls --repo orders --label init
      datamon bundle ls --repo orders raw '**/*.csv'
    """
    from datamon.cli.served import found_by, served_tree  # it brings pyarrow, which `bundle list` does not need

    selection = Selection(bundle, label, branch)
    tree = served_tree(open_configured(ctx), repo, selection)
    found = (entry for path in paths or [""] for entry in found_by(tree, path, listing=True))
    show(Listing(FILE_COLUMNS, (_row(entry) for entry in found), _line), form)


def _row(entry: TreeEntry) -> Row:
    return (
        entry.path,
        entry.kind,
        entry.size_bytes,
        None if entry.kind == "dir" else entry.content,
        entry.executable,
        entry.mode,
        moment(entry.mtime_ns),
        entry.target,
    )


def _line(row: Row) -> str:
    return f"name:{row[0]}, size:{row[2]}, hash:{row[3] or ''}"
