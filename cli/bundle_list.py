"""`datamon bundle list` and `datamon bundle list files`."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, FormatOption, LabelOption, RepoOption
from datamon.cli.output import Listing, Row, show
from datamon.cli.rows import bundle_listing, moment
from datamon.cli.selecting import Selection, select_bundle
from datamon.store.manifest import TreeEntry, iter_entries, read_manifest
from datamon.store.repos import find_repo

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
    alive = [bundle for bundle in state.bundles.values() if bundle.id not in state.deleted]
    show(bundle_listing(found, state, alive), form)


def list_files(
    ctx: typer.Context,
    repo: RepoOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    directories: Annotated[bool, typer.Option("--directories", help="List directories too.")] = False,
    form: FormatOption = None,
) -> None:
    """List the files and links of a bundle: name, size, hash.

    \b
    Example:
      datamon bundle list files --repo orders --label init
    """
    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    chosen = select_bundle(store, find_repo(store, repo), selection)
    entries = iter_entries(store.metadata, read_manifest(store.metadata, chosen.manifest))
    rows = (_row(entry) for entry in entries if directories or entry.kind != "dir")
    show(Listing(FILE_COLUMNS, rows, _line), form)


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
