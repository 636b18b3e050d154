"""`datamon bundle mount new`: a bundle as a directory that can be changed, and is committed when it is unmounted."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.bundle_mount import mounts_log
from datamon.cli.environment import process_environment
from datamon.cli.opening import open_configured
from datamon.cli.options import RepoOption
from datamon.cli.output import note, say
from datamon.errors import Invalid
from datamon.lineage.path_use import InRuns
from datamon.store.names import DEFAULT_BRANCH, check_name
from datamon.store.repos import check_text, find_repo
from datamon.store.resolve import Reference, Resolved, resolve

if TYPE_CHECKING:
    from datamon.store.bundle import Repo
    from datamon.store.mount.work.commit import Committed
    from datamon.store.opening import Store
    from datamon.store.serving.served_tree import Accessed

_MEMORY_BYTES = 256 * 10**6


def mount_new(
    ctx: typer.Context,
    repo: RepoOption,
    directory: Annotated[
        Path, typer.Option("--mount", metavar="DIR", help="The empty directory to show it at.", show_default=False)
    ],
    message: Annotated[str, typer.Option("--message", metavar="TEXT", help="What the new bundle is.")],
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="REF", help="The label, branch or bundle that it begins as. [the branch]"),
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Begin with nothing.")] = False,
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="The branch that moves to the new bundle.")
    ] = DEFAULT_BRANCH,
    label: Annotated[
        str | None, typer.Option("--label", metavar="NAME", help="A label to be set to the new bundle.")
    ] = None,
    in_background: Annotated[
        bool, typer.Option("--daemonize", help="Return when it can be used, and go on in the background.")
    ] = False,
) -> None:
    """Show a bundle as a directory that can be changed; at its end what is there is a new bundle, with the old one as its parent.

    It begins as the branch's newest bundle, as --from says, or --empty. It ends with Ctrl-C or `datamon mount unmount DIR`;
    `datamon mount commit DIR` makes a bundle of what is there and goes on. What is not changed is neither copied nor read again.
    When the process is killed, nothing is lost: `datamon mount recover` has it.

    \b
    Examples:
      datamon bundle mount new --repo orders --mount ./orders --message "prices corrected"
      datamon bundle mount new --repo orders --mount ./new --empty --message "a fresh start"
    """
    from datamon.cli.mount_daemon import daemonize
    from datamon.store.mount.kernel import check_directory  # libfuse, which only mounts need
    from datamon.store.mount.work.place import Work, new_work_id
    from datamon.store.mount.work.serving import Listener, serve_work
    from datamon.store.serving.decoded_chunks import DecodedChunks

    if empty and begin is not None:
        raise Invalid("usage", "--empty and --from exclude each other; give one of them")
    check_name("branch", branch)
    check_text("message", message)
    store = open_configured(ctx)
    found = find_repo(store, repo)
    began = _began(store, found, begin, branch)
    log = mounts_log(store)
    check_directory(directory)
    if in_background:
        daemonize(sys.argv[1:], directory, log)
        return
    base = None if began is None else began.bundle.id
    work = Work(new_work_id(store), found.id, base, empty, branch, label, message, str(directory.absolute()))
    here = f"{found.name} can be changed at {directory}; Ctrl-C or `datamon mount unmount {directory}` commits it"
    with DecodedChunks(store.chunks, _MEMORY_BYTES) as decoded:
        listener = Listener(
            tell=note,
            ready=lambda: note(here),
            committed=lambda done: tell_commit(done, branch),
            left=lambda: note(f"what was done is kept; `datamon mount recover {work.id}` commits it"),
            accessed=None if began is None or empty else _recorder(store, began),
        )
        serve_work(store, found, work, decoded, listener)


def _recorder(store: "Store", began: Resolved) -> "Accessed | None":
    """Who hears what is read of the bundle that it began as: the run around this process."""
    around = InRuns(store, process_environment)
    run = around.run()
    return None if run is None else around.reading(run, began)


def tell_commit(done: "Committed", branch: str) -> None:
    """Says what a commit gave."""
    if done.bundle is None:
        note("nothing was changed, so there is no new bundle")
        return
    if not done.moved:
        note(
            f"the branch {branch!r} moved meanwhile and was left alone; give the bundle a label, or bring both together by hand"
        )
    say(f"Uploaded bundle id:{done.bundle.id}")


def _began(store: "Store", repo: "Repo", begin: str | None, branch: str) -> Resolved | None:
    if begin is None and branch not in store.logs.repo(repo.id).refs:
        return None
    return resolve(store, Reference(repo.name, begin or branch, ""))
