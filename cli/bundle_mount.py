"""`datamon bundle mount`: bundles as file trees of the operating system."""

import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from datamon.cli.environment import process_environment
from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, LabelOption, RepoOption
from datamon.cli.output import note
from datamon.cli.selecting import Selection, select_bundle
from datamon.cli.sizes import size_bytes
from datamon.errors import Invalid
from datamon.lineage.path_use import InRuns
from datamon.store.entries import clean_path
from datamon.store.repos import find_repo
from datamon.store.resolve import Resolved

if TYPE_CHECKING:
    from datamon.store.bundle import Bundle, Repo
    from datamon.store.ids import RunId
    from datamon.store.mount.tree import MountedTree
    from datamon.store.opening import Store
    from datamon.store.serving.decoded_chunks import DecodedChunks
    from datamon.store.serving.served_tree import Accessed, AccessKind


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
    prefetch: Annotated[
        str,
        typer.Option(
            "--prefetch", metavar="SIZE", help="The most to read ahead of a program that reads on; 0: nothing."
        ),
    ] = "8MiB",
    part: Annotated[str, typer.Option("--part", metavar="PATH", help="Show only this directory of the bundle.")] = "",
    told: Annotated[Path | None, typer.Option("--tell", metavar="FILE", hidden=True)] = None,
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
    memory, ahead = _size(cache_size), _size(prefetch)
    check_directory(directory)
    if in_background:
        daemonize(sys.argv[1:], directory, mounts_log(store))
        return
    with DecodedChunks(store.chunks, memory, ahead) as decoded:
        tree, name = _tree(store, found, selection, _View(decoded, clean_path(part), _listener(told)))
        if told is not None:
            threading.Thread(target=_end_with_stdin, daemon=True).start()
            show(tree, directory, name, tell=note, ready=lambda: None)
            return
        here = f"{name} is mounted at {directory}; Ctrl-C or `datamon mount unmount {directory}` ends it"
        show(tree, directory, name, tell=note, ready=lambda: note(here))
    note(f"{directory} is unmounted")


def _size(text: str) -> int:
    found = size_bytes(text)
    if found is None:
        raise Invalid("usage", f"{text!r} is no size; give a number with KB, MB or GB behind it, or 0")
    return found


@dataclass(frozen=True, slots=True)
class _View:
    """What is shown, and who hears what is read."""

    decoded: "DecodedChunks"
    part: str
    accessed: "Accessed | None"


def _tree(store: "Store", repo: "Repo", selection: Selection, view: _View) -> "tuple[MountedTree, str]":
    from datamon.store.mount.bundle_tree import BundleTree
    from datamon.store.mount.repo_tree import RepoTree

    around = InRuns(store, process_environment)
    run = around.run()
    if selection == Selection(None, None, None):
        if view.part:
            raise Invalid("usage", "--part is of one bundle; name it with --bundle, --label or --branch")
        return RepoTree(store, repo, view.decoded, _recorder(around, run, repo)), f"datamon:{repo.name}"
    chosen = select_bundle(store, repo, selection)
    accessed = view.accessed
    if accessed is None and run is not None:
        accessed = around.reading(run, _resolved(repo, chosen, selection))
    tree = BundleTree(store, chosen, view.decoded, accessed, view.part, each_time=view.accessed is not None)
    if not stat.S_ISDIR(tree.attributes("").mode):
        raise Invalid("bad-path", f"{view.part!r} is no directory of the bundle {chosen.id}; name one", path=view.part)
    return tree, f"datamon:{repo.name}@{chosen.id}"


def _recorder(around: InRuns, run: "RunId | None", repo: "Repo") -> "Callable[[Bundle], Accessed | None]":
    """Who hears what is read of the bundles of a repo: the run around this process."""
    return lambda bundle: None if run is None else around.reading(run, _resolved(repo, bundle, Selection(bundle.id)))


def _resolved(repo: "Repo", bundle: "Bundle", selection: Selection) -> Resolved:
    ref = selection.label or selection.branch
    kind: Literal["label", "branch", "id"] = "label" if selection.label else "branch" if selection.branch else "id"
    return Resolved(repo, bundle, ref, kind, "", pinned=ref is None)


def _end_with_stdin() -> None:
    """Asks this process to end when whoever had it started is gone."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _listener(told: Path | None) -> "Accessed | None":
    """Writes a line of JSON for each path that is read or missed, once each; once more when the file was emptied meanwhile."""
    if told is None:
        return None
    file = told.open("ab", buffering=0)
    written: set[bytes] = set()

    def accessed(kind: "AccessKind", path: str) -> None:
        line = json.dumps([kind, path]).encode() + b"\n"
        if not os.fstat(file.fileno()).st_size:
            written.clear()
        if line not in written:
            written.add(line)
            file.write(line)

    return accessed


def mounts_log(store: "Store") -> Path:
    """Where a mount in the background writes what it has to say."""
    if store.state_dir is None:
        raise Invalid(
            "usage", "this machine keeps nothing of the store: mount without --daemonize, or set a home directory"
        )
    return store.state_dir / "mounts.log"
