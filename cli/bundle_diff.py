"""`datamon bundle diff`: what differs between two bundles, or between a bundle and a directory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, FormatOption, LabelOption, RepoOption
from datamon.cli.output import Listing, Row, note, show
from datamon.cli.selecting import Selection, select_bundle
from datamon.errors import Invalid
from datamon.store.diff import Change, diff_bundles, diff_directory
from datamon.store.entries import Holding
from datamon.store.repos import find_repo
from datamon.store.resolve import Reference, resolve

DIFF_COLUMNS = ("change", "path", "old_size", "old_content", "new_size", "new_content")
FOUND_EXIT = 3
LETTERS = {"added": "A", "deleted": "D", "changed": "U"}


def diff(
    ctx: typer.Context,
    repo: RepoOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    other: Annotated[
        str | None, typer.Option("--with", metavar="REF", help="The other bundle: id, label, branch or branch~2.")
    ] = None,
    destination: Annotated[
        Path | None, typer.Option("--destination", metavar="DIR", help="A directory to compare with, by its content.")
    ] = None,
    form: FormatOption = None,
) -> int:
    """Show what differs from a bundle in another one, or in a directory, by content; exit code 3 when anything does.

    A line is A (added), D (deleted) or U (changed) , name , old size , old hash , new size , new hash.

    \b
    Examples:
      datamon bundle diff --repo orders --bundle 2Q0z --with main
      datamon bundle diff --repo orders --label init --destination ./orders
    """
    selection = Selection(bundle, label, branch)
    if (other is None) == (destination is None):
        raise Invalid("usage", "a diff needs one of --with REF and --destination DIR; give one of them")
    store = open_configured(ctx)
    found = find_repo(store, repo)
    chosen = select_bundle(store, found, selection)
    if destination is not None:
        changes = diff_directory(store, chosen, destination)
    else:
        changes = diff_bundles(store, chosen, resolve(store, Reference(repo, other, "")).bundle)
    seen = _Seen(changes)
    show(Listing(DIFF_COLUMNS, seen.rows(), _line), form)
    if seen.count:
        return FOUND_EXIT
    note("empty diff")
    return 0


class _Seen:
    """Passes changes on as rows and counts them."""

    def __init__(self, changes: Iterator[Change]) -> None:
        self.count = 0
        self._changes = changes

    def rows(self) -> Iterator[Row]:
        for change in self._changes:
            self.count += 1
            yield (change.change, change.path, *_side(change.old), *_side(change.new))


def _side(entry: Holding | None) -> tuple[int | None, str | None]:
    if entry is None:
        return None, None
    return entry.size_bytes, None if entry.kind == "dir" else entry.content


def _line(row: Row) -> str:
    change, path, *sides = row
    shown = ["" if side is None else str(side) for side in sides]
    return " , ".join([LETTERS[str(change)], str(path), *shown])
