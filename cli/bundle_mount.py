"""`datamon bundle mount`: bundles as file trees of the operating system."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, LabelOption, RepoOption
from datamon.cli.output import note
from datamon.cli.selecting import Selection, select_bundle
from datamon.cli.sizes import size_bytes
from datamon.errors import Invalid
from datamon.store.repos import find_repo

if TYPE_CHECKING:
    from datamon.store.bundle import Repo
    from datamon.store.mount.tree import MountedTree
    from datamon.store.opening import Store
    from datamon.store.serving.decoded_chunks import DecodedChunks


def mount(
    ctx: typer.Context,
    repo: RepoOption,
    directory: Annotated[
        Path, typer.Option("--mount", metavar="DIR", help="The empty directory to show it at.", show_default=False)
    ],
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    cache_size: Annotated[
        str, typer.Option("--cache-size", metavar="SIZE", help="The memory for what was read last.")
    ] = "256MB",
    in_background: Annotated[
        bool, typer.Option("--daemonize", help="Return when it can be used, and go on in the background.")
    ] = False,
) -> None:
    """Show a bundle as a directory that can be read, until Ctrl-C or `datamon mount unmount DIR`. Nothing is downloaded first:
    what a program reads is fetched, verified, and read ahead where it reads on.

    Without --bundle, --label and --branch the whole repo is shown: branches/NAME and labels/NAME lead to bundles/ID, and
    follow the refs as they move. A byte that is not what was stored is an input/output error, and a line here says of which file.

    \b
    Examples:
      datamon bundle mount --repo orders --label init --mount ./orders
      datamon bundle mount --repo orders --mount ./all --daemonize
    """
    from datamon.cli.mount_daemon import daemonize
    from datamon.store.mount.kernel import check_directory, show  # libfuse, which only mounts need
    from datamon.store.serving.decoded_chunks import DecodedChunks

    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    found = find_repo(store, repo)
    memory = size_bytes(cache_size)
    if memory is None:
        raise Invalid("usage", f"{cache_size!r} is no size; give a number with KB, MB or GB behind it, or 0")
    check_directory(directory)
    if in_background:
        daemonize(sys.argv[1:], directory, mounts_log(store))
        return
    with DecodedChunks(store.chunks, memory) as decoded:
        tree, name = _tree(store, found, selection, decoded)
        here = f"{name} is mounted at {directory}; Ctrl-C or `datamon mount unmount {directory}` ends it"
        show(tree, directory, name, tell=note, ready=lambda: note(here))
    note(f"{directory} is unmounted")


def _tree(store: "Store", repo: "Repo", selection: Selection, decoded: "DecodedChunks") -> "tuple[MountedTree, str]":
    from datamon.store.mount.bundle_tree import BundleTree
    from datamon.store.mount.repo_tree import RepoTree

    if selection == Selection(None, None, None):
        return RepoTree(store, repo, decoded), f"datamon:{repo.name}"
    chosen = select_bundle(store, repo, selection)
    return BundleTree(store, chosen, decoded), f"datamon:{repo.name}@{chosen.id}"


def mounts_log(store: "Store") -> Path:
    """Where a mount in the background writes what it has to say."""
    if store.state_dir is None:
        raise Invalid(
            "usage", "this machine keeps nothing of the store: mount without --daemonize, or set a home directory"
        )
    return store.state_dir / "mounts.log"
