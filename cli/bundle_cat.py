"""`datamon bundle cat`: files of a bundle to stdout."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, LabelOption, RepoOption
from datamon.cli.output import pass_on
from datamon.cli.selecting import Selection

_PIECE_BYTES = 4 * 2**20


def cat(
    ctx: typer.Context,
    repo: RepoOption,
    paths: Annotated[list[str], typer.Argument(metavar="PATH|GLOB...", help="The files, in this order.")],
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
) -> None:
    """Write files of a bundle to stdout, one behind the other. Every byte is verified before it is written.

    All paths and globs are looked up before the first byte. Directories that fit a glob are passed over.

    \b
    Examples:
      datamon bundle cat --repo orders a.csv | head
      datamon bundle cat --repo orders --label init 'raw/**/*.csv'
    """
    from datamon.cli.served import found_by, served_tree  # it brings pyarrow, which few words need
    from datamon.store.serving.globs import is_glob

    selection = Selection(bundle, label, branch)
    tree = served_tree(open_configured(ctx), repo, selection)
    found = [entry.path for path in paths for entry in found_by(tree, path) if entry.kind != "dir" or not is_glob(path)]
    for file in [tree.open(path) for path in found]:
        for offset in range(0, file.size, _PIECE_BYTES):
            pass_on(file.read(offset, _PIECE_BYTES))
